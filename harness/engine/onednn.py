"""A detector's network with each convolution and what follows it as one oneDNN call.

The operators are private ones of torch: those behind ``torch.compile`` on a CPU.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from harness.engine.folded import (
    ScoreFunction,
    fold_batch_norms,
    module_of,
    nodes,
    only_user,
    trace,
    with_module,
)

PACKED_SHAPES = 4
"""Input shapes for which a convolution keeps its weights packed."""


class FusedConv(nn.Module):
    """A convolution with frozen, prepacked weights and what follows it, as one oneDNN call.

    Args:
        conv: a 2-d convolution with zero padding.
        activation: ``relu`` or ``none``; applied last.
    """

    def __init__(self, conv: nn.Conv2d, activation: str) -> None:
        super().__init__()
        self.bias = None if conv.bias is None else conv.bias.detach()
        # The operators behind torch.compile on CPUs; their arguments have no defaults.
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.weight = conv.weight.detach().to_mkldnn()
        self.activation = activation
        self._packed: dict[torch.Size, Tensor] = {}

    def packed(self, shape: torch.Size) -> Tensor:
        """The weights in the order that oneDNN wants them in for images of this shape.

        Any other order is changed into it by every call, with equal results. The first few are
        kept: a run over images of all sizes must not fill the memory.
        """
        packed = self._packed.get(shape)
        if packed is None and len(self._packed) < PACKED_SHAPES:
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # its stub lacks the shape
            packed = reorder(self.weight, *self.geometry, list(shape))
            self._packed[shape] = packed
        return self.weight if packed is None else packed

    def forward(self, images: Tensor, other: Tensor | None = None) -> Tensor:
        """activation(conv(images) + other), float32."""
        weights = (self.packed(images.shape), self.bias, *self.geometry)
        operators = torch.ops.mkldnn
        if other is None:
            fused: Tensor = operators._convolution_pointwise(
                images, *weights, self.activation, [], ""
            )
            return fused
        activation = None if self.activation == "none" else self.activation
        binary = operators._convolution_pointwise.binary
        added: Tensor = binary(images, other, *weights, "add", 1.0, activation, [], "")
        return added


def fused(eager: Any, examples: list[Tensor]) -> ScoreFunction:
    """The detector with its module's convolutions fused; the given one is not modified."""
    graph = trace(eager, "fused")
    fold_batch_norms(graph)
    ShapeProp(graph).propagate(examples[0])
    _fuse_convolutions(graph)
    graph.delete_all_unused_submodules()
    graph.recompile()
    score: ScoreFunction = with_module(eager, graph).score
    return score


def _fuse_convolutions(graph: fx.GraphModule) -> None:
    for node in nodes(graph):
        conv = module_of(graph, node, nn.Conv2d)
        if conv is None or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            continue
        tail = [node]
        other = _added_to(node)
        if other is not None:
            tail.append(only_user(node))
        relu = _is_relu(graph, only_user(tail[-1]))
        if relu:
            tail.append(only_user(tail[-1]))
        graph.set_submodule(node.target, FusedConv(conv, "relu" if relu else "none"))
        arguments = (node.args[0],) if other is None else (node.args[0], other)
        with graph.graph.inserting_before(tail[-1]):
            call = graph.graph.call_module(node.target, arguments)
        call.meta = dict(tail[-1].meta)
        tail[-1].replace_all_uses_with(call)
        for done in reversed(tail):
            graph.graph.erase_node(done)


def _added_to(node: Any) -> Any:
    """The node whose value, of equal shape, is added to this one's as its only use; or None."""
    add = only_user(node)
    if add is None or add.target not in (operator.add, operator.iadd, torch.add):
        return None
    if add.kwargs or len(add.args) != 2 or (add.target is operator.iadd and add.args[1] is node):
        return None  # `left += node` writes into left, which others may read
    other = add.args[1] if add.args[0] is node else add.args[0]
    if not isinstance(other, fx.Node) or other is node or _shape(other) != _shape(node):
        return None
    return other


def _shape(node: fx.Node) -> object:
    """As seen when shapes were propagated; of what is not one tensor, something unlike others."""
    return getattr(node.meta.get("tensor_meta"), "shape", node)


def _is_relu(graph: fx.GraphModule, node: Any) -> bool:
    if node is None:
        return False
    if node.op == "call_module":
        return type(graph.get_submodule(node.target)) is nn.ReLU
    return node.target in (torch.relu, nn.functional.relu, "relu", "relu_")
