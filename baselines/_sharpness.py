"""Sharpness-aware minimisation (Foret et al., ICLR 2021), as a loss for any optimiser.

The gradient is taken not at the weights but a step of length rho uphill from them. The loss is
computed on shifted copies of the weights, so that its gradient reaches the weights themselves and
the training loop stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call


def sharpness_aware(
    network: nn.Module, images: Tensor, loss_of: Callable[[Tensor], Tensor], rho: float
) -> Tensor:
    """The loss at the weights' worst neighbour, to first order.

    Args:
        network: in training mode; its batch-norm statistics are updated once, by the second pass.
        images: its input.
        loss_of: the network's output -> scalar loss.
        rho: how far the neighbour is, in the norm over all trained weights.
    """
    weights = {name: p for name, p in network.named_parameters() if p.requires_grad}
    scratch = {name: buffer.clone() for name, buffer in network.named_buffers()}
    loss = loss_of(functional_call(network, {**weights, **scratch}, (images,)))
    gradients = torch.autograd.grad(loss, list(weights.values()))
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    step = rho / (norm + 1e-12)
    shifted = {
        name: weight + step * gradient
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
    return loss_of(functional_call(network, shifted, (images,)))
