"""A detector's score function in its fastest form that gives the same numbers.

On a CPU at fp32 a network is rewritten: for the runtime ``torch`` as oneDNN calls
(:mod:`harness.engine.onednn`), for ``onnxruntime`` as a session
(:mod:`harness.engine.onnx_session`), for ``torch-public`` with nothing but torch's public API
(:mod:`harness.engine.folded`). Whether that is still the same function is checked on random images
when it is built; where it is not, or where a network cannot be rewritten, it runs as it is. So
nothing here can change a result beyond rounding (:data:`TOLERANCE`), and nothing here is needed
for one.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import Detector, HasModule
from harness.engine import onnx_session
from harness.engine.allocator import keep_freed_memory
from harness.engine.folded import (
    NotTransformedError,
    ScoreFunction,
    channels_last,
    folded,
    trace,
)
from harness.engine.onednn import fused
from harness.engine.onnx_session import session
from harness.engine.plain import Plain
from harness.errors import UsageError

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest |fast - eager| / max(1, |eager|) of a score that counts as equal at fp32."""

PRECISIONS = ("fp32", "bf16")

Builder = Callable[[Any, list[Tensor]], ScoreFunction]

FORMS: dict[str, tuple[Builder, ...]] = {
    "torch": (fused,),
    "onnxruntime": (session, fused),
    "torch-public": (folded, channels_last),
}
"""Runtime -> the forms to try, best first."""

# Two sizes, so that a transformation that only holds at the size it was made for is found out.
CHECK_SIZES = ((64, 96), (224, 224))


@dataclass(frozen=True)
class Accelerated:
    """A score function, and how it came about.

    Args:
        function: (N, 3, H, W) float32 RGB in [0, 1] on the CPU -> (N,) float64 on the CPU.
        form: the builder's name, ``eager`` = as written, or ``plain`` = as it came, its modes and
            all.
        refused: why it is in no better form, one sentence for each that was tried.
    """

    function: ScoreFunction
    form: str = "eager"
    refused: tuple[str, ...] = ()

    def __call__(self, images: Tensor) -> Tensor:
        """The function's scores."""
        return self.function(images)


def accelerate(
    detector: Detector,
    *,
    device: torch.device,
    precision: str = "fp32",
    runtime: str = "torch",
    sizes: Sequence[tuple[int, int]] = CHECK_SIZES,
    shared: Sequence[nn.Module] = (),
) -> Accelerated:
    """The detector's ``score`` in eval mode as a fast, thread-safe function.

    On a CPU it is meant to be called by several threads at once with one image each, every thread
    with one intra-op thread (``torch.set_num_threads(1)``): the activations of one image stay in
    the cache, those of a batch do not.

    Args:
        detector: is not modified; later changes of its weights do not reach the function. A
            :class:`~harness.engine.plain.Plain` one is run as it is, itself.
        device: where its module runs. A detector without a module runs on the CPU.
        precision: ``fp32``, with scores equal within :data:`TOLERANCE` (no TF32 on a GPU either),
            or ``bf16``: autocast, faster and with other numbers.
        runtime: one of :data:`FORMS`; ``onnxruntime`` is for the CPU at fp32 (extra ``onnx``).
        sizes: (height, width) of the images on which fast and plain form are compared.
        shared: parts of the detector that are used as they are, not copied.

    Raises:
        UsageError: an unknown or impossible combination, or the extra is not installed.
    """
    check_options(device, precision, runtime)
    if isinstance(detector, Plain):
        return Accelerated(_as_it_is(detector, device, precision), "plain")
    if not isinstance(detector, HasModule):
        return Accelerated(_inference(detector.score))
    eager = copy.deepcopy(detector, {id(part): part for part in shared})
    eager.module.eval().requires_grad_(False)
    if device.type != "cpu":
        return Accelerated(_on_device(eager, device, precision))
    keep_freed_memory()
    if precision == "bf16":
        return Accelerated(_inference(_autocast(eager.score, "cpu")))
    refused: list[str] = []
    for build in FORMS[runtime]:
        try:
            if build in (fused, folded):  # quick, and the eager scores to compare with may not be
                trace(eager, build.__name__)
            function = _checked(build, eager, sizes)
            return Accelerated(function, build.__name__, tuple(refused))
        except NotTransformedError as reason:
            log.warning("%s: %s: scores are the same, slower", type(detector).__name__, reason)
            refused.append(str(reason))
    return Accelerated(_inference(eager.score), "eager", tuple(refused))


def same_scores(fast: Tensor, slow: Tensor) -> bool:
    """Whether two (N,) score tensors are equal within :data:`TOLERANCE` of logit scale."""
    if fast.shape != slow.shape:
        return False
    allowed = TOLERANCE * slow.double().abs().clamp(min=1)
    return bool(((fast.double() - slow.double()).abs() <= allowed).all())


def check_options(device: torch.device, precision: str, runtime: str) -> None:
    """Raises UsageError for what cannot be, or needs an extra that is not installed."""
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", hint=f"one of {', '.join(PRECISIONS)}")
    if runtime not in FORMS:
        raise UsageError(f"unknown runtime {runtime!r}", hint=f"one of {', '.join(FORMS)}")
    if runtime != "onnxruntime":
        return
    if device.type != "cpu" or precision != "fp32":
        raise UsageError(
            f"runtime onnxruntime is for fp32 on the CPU, not {precision} on {device}",
            hint="--runtime torch",
        )
    onnx_session.require()


def _inference(score: ScoreFunction) -> ScoreFunction:
    def call(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return score(images).cpu().double()

    return call


def _autocast(score: ScoreFunction, kind: str) -> ScoreFunction:
    def call(images: Tensor) -> Tensor:
        with torch.autocast(kind, dtype=torch.bfloat16):
            return score(images)

    return call


def _as_it_is(plain: Plain, device: torch.device, precision: str) -> ScoreFunction:
    if device.type != "cpu":
        return _on_device(plain, device, precision)
    return _inference(plain.score if precision == "fp32" else _autocast(plain.score, "cpu"))


def _on_device(eager: Any, device: torch.device, precision: str) -> ScoreFunction:
    eager.module.to(device=device, memory_format=torch.channels_last)
    score = eager.score if precision == "fp32" else _autocast(eager.score, device.type)

    def call(images: Tensor) -> Tensor:
        if device.type == "cuda":
            images = images.pin_memory()
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        # cuDNN's default is TF32, which keeps 10 of fp32's 23 bits, and any order of summing.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            scores: Tensor = score(images)
        return scores

    return _inference(call)


def _checked(
    build: Builder,
    eager: Any,
    sizes: Sequence[tuple[int, int]],
) -> ScoreFunction:
    """Builds the fast function and compares it with the eager one on random images."""
    slow = _inference(eager.score)
    examples: list[Tensor] = []
    expected: list[Tensor] = []
    generator = torch.Generator().manual_seed(0)
    for size in sizes:
        images = torch.rand(2, 3, *size, generator=generator)
        images[1] /= 3  # another contrast, so that the two scores differ
        try:
            expected.append(slow(images))
        except Exception as error:  # a network may refuse a size with any error
            log.debug("not checked at %dx%d: %s", *size, error)
        else:
            examples.append(images)
    if not examples:
        raise NotTransformedError(f"takes none of the sizes {tuple(sizes)} at which it is checked")
    try:
        fast = _inference(build(eager, examples))
        given = [fast(images) for images in examples]
    except NotTransformedError:
        raise
    except Exception as error:  # tracing and exporting raise nearly any type
        raise NotTransformedError.because(build.__name__, error) from error
    if not all(map(same_scores, given, expected)):
        raise NotTransformedError(f"{build.__name__} form gives other scores")
    return fast
