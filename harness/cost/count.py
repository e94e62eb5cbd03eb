"""What a network costs in multiply-accumulates and parameters.

Two counters, because published numbers come from different ones:

- ``macs``: fvcore's ``FlopCountAnalysis``: one for a multiply-accumulate of convolutions and
  linear layers, two an element of a batch norm (five in training mode). It sees operators, so
  that a convolution called as a function counts like a layer. What it does not know it leaves
  out; those operators are listed beside the number, with how often they occur, and the largest of
  them, attention's two products, is counted apart.
- ``thop_rule``: the rule of thop, the field's usual counter, on the layers that occur here:
  multiply-accumulates of convolutions (a transposed one by its output), of linear layers, four an
  element of a batch or layer norm, one an output of an average pooling, or window + 1 of an
  adaptive one. It sees layers of exactly its types and no function; ``thop_parameters`` says how
  much that is. thop itself is unmaintained; the rule gives what thop 0.1.1 gives for every
  detector of the registry, operations and parameters, to the last digit.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import DetectorSpec, HasModule
from harness.errors import InputSizeError

MACS_UNIT = "MAC + BN as fvcore counts"
ATTENTION = "scaled_dot_product_attention"

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One image through one network, counted.

    Args:
        size: (height, width) of the image, pixels.
        macs: by fvcore; unit :data:`MACS_UNIT`.
        by_operator: fvcore's count of each kind of operator; they add up to ``macs``.
        not_counted: operators that fvcore leaves out -> how often they occur.
        attention_products: multiply-accumulates of queries with keys and of weights with values
            where attention is one operator, which is among ``not_counted``.
        thop_rule: by the rule of thop.
        thop_parameters: of the layers that thop sees.
        parameters: all of them; ``trainable``: those with a gradient.
    """

    size: Size
    macs: int
    by_operator: Mapping[str, int]
    not_counted: Mapping[str, int]
    attention_products: int
    thop_rule: int
    thop_parameters: int
    parameters: int
    trainable: int


def count(spec: DetectorSpec, size: Size | None = None) -> Counts | None:
    """Counts a detector's network at ``size`` (default: its evaluation size); None without one.

    Raises:
        InputSizeError: the detector cannot take this size.
    """
    detector = spec.build()
    if not isinstance(detector, HasModule):
        return None
    size = size or spec.evaluation_size
    check_size(spec, size)
    return count_module(detector.module, (1, 3, *size))


def check_size(spec: DetectorSpec, size: Size) -> None:
    """Raises InputSizeError when the detector cannot take (height, width)."""
    problem = spec.input_rule.problem(*size)
    if problem:
        raise InputSizeError(
            f"{spec.name} cannot take {size[0]}x{size[1]}: {problem}",
            hint=f"--size {spec.evaluation_size[0]}x{spec.evaluation_size[1]}",
        )


def count_module(module: nn.Module, shape: tuple[int, ...], *, training: bool = False) -> Counts:
    """Counts one forward pass of zeros of ``shape`` (N, C, H, W), float32.

    Args:
        training: in training mode, which moves running statistics; else in evaluation mode.
    """
    module = module.train(training)
    images = torch.zeros(shape)
    by_operator, not_counted, products = _fvcore(module, images)
    with _layer_outputs(module) as outputs, torch.no_grad():
        module(images)
    seen = [call for call in outputs if type(call[0]) in THOP_RULE]
    parameters = list(module.parameters())
    return Counts(
        size=(shape[-2], shape[-1]),
        macs=sum(by_operator.values()),
        by_operator=by_operator,
        not_counted=not_counted,
        attention_products=products,
        thop_rule=sum(THOP_RULE[type(layer)](layer, given, made) for layer, given, made in seen),
        thop_parameters=sum(
            p.numel() for layer in {call[0] for call in seen} for p in layer.parameters()
        ),
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
    )


def _fvcore(module: nn.Module, images: Tensor) -> tuple[dict[str, int], dict[str, int], int]:
    """By operator; operators left out; the attention products among these."""
    products: list[int] = []

    def attention(inputs: list[Any], _: list[Any]) -> int:
        query, key, value = (each.type().sizes() for each in inputs[:3])
        products.append(math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))
        return 0  # fvcore's own total, the published unit, is without them

    # fvcore traces with torch.jit, which newer torch calls deprecated: its authors' business.
    with warnings.catch_warnings(), torch.no_grad(), _plain_attention():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(module, images)
        analysis.set_op_handle(f"aten::{ATTENTION}", attention)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        counted = {name: int(n) for name, n in analysis.by_operator().items() if name != ATTENTION}
        left_out = {
            name.removeprefix("aten::"): int(n) for name, n in analysis.unsupported_ops().items()
        }
    if products:
        left_out[ATTENTION] = len(products)
    return dict(sorted(counted.items())), dict(sorted(left_out.items())), sum(products)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Switches off the fused attention kernel: one operator that fvcore cannot see into."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def _layer_outputs(module: nn.Module) -> Iterator[list[tuple[nn.Module, Tensor, Tensor]]]:
    """Collects (layer, its input, its output) of every layer without children, in call order."""
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []

    def keep(layer: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        if given and isinstance(given[0], Tensor) and isinstance(made, Tensor):
            # Shapes are all that is needed: meta tensors do not hold the activations in memory.
            seen.append((layer, given[0].to("meta"), made.to("meta")))

    hooks = [
        layer.register_forward_hook(keep)
        for layer in module.modules()
        if not any(True for _ in layer.children())
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _convolution(layer: Any, given: Tensor, made: Tensor) -> int:
    window = int(layer.weight[0, 0].numel())
    return made.numel() * (given.shape[1] // int(layer.groups)) * window


def _linear(layer: Any, given: Tensor, made: Tensor) -> int:
    return made.numel() * int(layer.in_features)


def _batch_norm(layer: Any, given: Tensor, made: Tensor) -> int:
    return given.numel() * (4 if layer.affine else 2)


def _layer_norm(layer: Any, given: Tensor, made: Tensor) -> int:
    return given.numel() * (4 if layer.elementwise_affine else 2)


def _average(layer: Any, given: Tensor, made: Tensor) -> int:
    return made.numel()


def _adaptive_average(layer: Any, given: Tensor, made: Tensor) -> int:
    window = 1
    for before, after in zip(given.shape[2:], made.shape[2:], strict=True):
        window *= before // after
    return made.numel() * (window + 1)


# By exact type, as thop does: a subclass counts nothing, nor does any other layer.
THOP_RULE: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], int]] = {
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.AvgPool2d: _average,
    nn.AdaptiveAvgPool2d: _adaptive_average,
}
