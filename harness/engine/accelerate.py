"""A detector's score function in its fastest form that gives the same numbers.

On a CPU at fp32 the network is traced (torch.fx), batch norm is folded into the convolutions, and
each convolution is run with prepacked weights and whatever directly follows it (an addition, a
ReLU) as one oneDNN call. Whether that is still the same function is checked on random images when
it is built; where it is not, or where a network cannot be traced, the network runs as it is. So
nothing here can change a result beyond rounding (:data:`TOLERANCE`), and nothing here is needed
for one.
"""

from __future__ import annotations

import copy
import importlib
import logging
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils.fusion import fuse_conv_bn_eval

from harness.api import Detector, HasModule
from harness.engine.allocator import keep_freed_memory
from harness.errors import UsageError

log = logging.getLogger(__name__)

ScoreFunction = Callable[[Tensor], Tensor]
"""(N, 3, H, W) float32 in [0, 1] on the CPU -> (N,) float64 on the CPU."""

TOLERANCE = 1e-4
"""Largest |fast - eager| / max(1, |eager|) of a score that counts as equal at fp32."""

PRECISIONS = ("fp32", "bf16")
RUNTIMES = ("torch", "onnxruntime")

PACKED_SHAPES = 4
"""Input shapes for which a convolution keeps its weights packed."""

# Two sizes, so that a transformation that only holds at the size it was made for is found out.
CHECK_SIZES = ((64, 96), (224, 224))


class _NotTransformed(Exception):
    """Why a network stays as it is."""

    @classmethod
    def because(cls, build: Callable[..., Any], error: Exception) -> _NotTransformed:
        """The builder of the form that cannot be made, and what it ran into."""
        first_line = (str(error).strip() or "no message").splitlines()[0]
        form = build.__name__.strip("_")
        return cls(f"{form} form cannot be made: {type(error).__name__}: {first_line}")


def accelerate(
    detector: Detector,
    *,
    device: torch.device,
    precision: str = "fp32",
    runtime: str = "torch",
    sizes: Sequence[tuple[int, int]] = CHECK_SIZES,
) -> ScoreFunction:
    """The detector's ``score`` in eval mode as a fast, thread-safe function.

    On a CPU it is meant to be called by several threads at once with one image each, every thread
    with one intra-op thread (``torch.set_num_threads(1)``): the activations of one image stay in
    the cache, those of a batch do not.

    Args:
        detector: is not modified; later changes of its weights do not reach the function.
        device: where its module runs. A detector without a module runs on the CPU.
        precision: ``fp32``, with scores equal within :data:`TOLERANCE` (no TF32 on a GPU either),
            or ``bf16``: autocast, faster and with other numbers.
        runtime: ``torch``, or ``onnxruntime`` (extra ``onnx``; CPU, fp32).
        sizes: (height, width) of the images on which fast and plain form are compared.

    Returns:
        (N, 3, H, W) float32 RGB in [0, 1] on the CPU -> (N,) float64 on the CPU.

    Raises:
        UsageError: an unknown or impossible combination, or the extra is not installed.
    """
    _check_options(device, precision, runtime)
    if not isinstance(detector, HasModule):
        return _inference(detector.score)
    eager = copy.deepcopy(detector)
    eager.module.eval().requires_grad_(False)
    if device.type != "cpu":
        return _on_device(eager, device, precision)
    keep_freed_memory()
    if precision == "bf16":
        return _inference(_autocast(eager.score, "cpu"))
    for build in (_session, _fused) if runtime == "onnxruntime" else (_fused,):
        try:
            if build is _fused:  # quick, and the eager scores to compare with may not be
                _trace(eager)
            return _checked(build, eager, sizes)
        except _NotTransformed as reason:
            log.warning("%s: %s: scores are the same, slower", type(detector).__name__, reason)
    return _inference(eager.score)


def same_scores(fast: Tensor, slow: Tensor) -> bool:
    """Whether two (N,) score tensors are equal within :data:`TOLERANCE` of logit scale."""
    if fast.shape != slow.shape:
        return False
    allowed = TOLERANCE * slow.double().abs().clamp(min=1)
    return bool(((fast.double() - slow.double()).abs() <= allowed).all())


def _check_options(device: torch.device, precision: str, runtime: str) -> None:
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", hint=f"one of {', '.join(PRECISIONS)}")
    if runtime not in RUNTIMES:
        raise UsageError(f"unknown runtime {runtime!r}", hint=f"one of {', '.join(RUNTIMES)}")
    if runtime == "torch":
        return
    if device.type != "cpu" or precision != "fp32":
        raise UsageError(
            f"runtime onnxruntime is for fp32 on the CPU, not {precision} on {device}",
            hint="--runtime torch",
        )
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UsageError(
                f"runtime onnxruntime needs the package {name}, which is not installed",
                hint="pip install -e '.[onnx]'",
            ) from error


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
    build: Callable[[Any, list[Tensor]], ScoreFunction],
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
        raise _NotTransformed(f"takes none of the sizes {tuple(sizes)} at which it is checked")
    try:
        fast = _inference(build(eager, examples))
        given = [fast(images) for images in examples]
    except _NotTransformed:
        raise
    except Exception as error:  # tracing and exporting raise nearly any type
        raise _NotTransformed.because(build, error) from error
    if not all(map(same_scores, given, expected)):
        raise _NotTransformed(f"{build.__name__.strip('_')} form gives other scores")
    return fast


# --- onnxruntime --------------------------------------------------------------------------------


class _ScoreModule(nn.Module):
    """A detector's ``score`` as the module that the exporter wants."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.module = detector.module
        self._score = detector.score

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self._score(images)
        return scores


def _session(eager: Any, examples: list[Tensor]) -> ScoreFunction:
    """The detector as an onnxruntime session, one intra-op thread a call, shared by threads."""
    import onnxruntime

    # A network that takes one size only is exported for that size.
    axes = (0, 2, 3) if len(examples) > 1 else (0,)
    dynamic = dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _ScoreModule(eager).eval(),
            (examples[0],),
            input_names=["images"],
            output_names=["scores"],
            dynamic_shapes=(dynamic,),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def call(images: Tensor) -> Tensor:
        (scores,) = session.run(None, {"images": images.contiguous().numpy()})
        return torch.from_numpy(scores)

    return call


# --- torch --------------------------------------------------------------------------------------


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
        kept: a run over pictures of all sizes must not fill the memory.
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


def _fused(eager: Any, examples: list[Tensor]) -> ScoreFunction:
    """The detector with its module's convolutions fused; the given one is not modified."""
    graph = _trace(eager)
    _fold_batch_norms(graph)
    ShapeProp(graph).propagate(examples[0])
    _fuse_convolutions(graph)
    graph.delete_all_unused_submodules()
    graph.recompile()
    fused = copy.copy(eager)
    fused.module = graph.eval()
    score: ScoreFunction = fused.score
    return score


def _trace(eager: Any) -> fx.GraphModule:
    if isinstance(eager, nn.Module):
        raise _NotTransformed("is itself a module, so that its network cannot be replaced")
    try:
        return fx.symbolic_trace(eager.module)
    except Exception as error:  # tracing runs the network's own code, which raises anything
        raise _NotTransformed.because(_fused, error) from error


def _nodes(graph: fx.GraphModule) -> list[Any]:
    # Any, because a node's arguments are typed as a union of everything that can be one.
    return list(graph.graph.nodes)


def _module(graph: fx.GraphModule, node: Any, kind: type[nn.Module]) -> Any:
    """The module of type ``kind`` that a node calls, if it is called there only; else None."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    module = graph.get_submodule(str(node.target))
    calls = sum(other.target == node.target for other in graph.graph.find_nodes(op="call_module"))
    return module if type(module) is kind and calls == 1 else None


def _only_user(node: Any) -> Any:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _fold_batch_norms(graph: fx.GraphModule) -> None:
    for node in _nodes(graph):
        norm = _module(graph, node, nn.BatchNorm2d)
        if norm is None or not norm.track_running_stats:
            continue
        before = node.args[0]
        conv = _module(graph, before, nn.Conv2d)
        if conv is None or _only_user(before) is not node:
            continue
        graph.set_submodule(before.target, fuse_conv_bn_eval(conv, norm))
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)


def _fuse_convolutions(graph: fx.GraphModule) -> None:
    for node in _nodes(graph):
        conv = _module(graph, node, nn.Conv2d)
        if conv is None or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            continue
        tail = [node]
        other = _added_to(node)
        if other is not None:
            tail.append(_only_user(node))
        relu = _is_relu(graph, _only_user(tail[-1]))
        if relu:
            tail.append(_only_user(tail[-1]))
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
    add = _only_user(node)
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
