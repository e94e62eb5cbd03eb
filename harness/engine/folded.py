"""A detector's network with its batch norms folded into the convolutions, by torch's public API."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

ScoreFunction = Callable[[Tensor], Tensor]
"""(N, 3, H, W) float32 in [0, 1] on the CPU -> (N,) float64 on the CPU."""


class NotTransformedError(Exception):
    """Why a network stays as it is."""

    @classmethod
    def because(cls, form: str, error: Exception) -> NotTransformedError:
        """The form that cannot be made, and what its builder ran into."""
        first_line = (str(error).strip() or "no message").splitlines()[0]
        return cls(f"{form} form cannot be made: {type(error).__name__}: {first_line}")


def folded(eager: Any, examples: list[Tensor]) -> ScoreFunction:
    """The detector with folded batch norms, channels last; the given one is not modified."""
    graph = trace(eager, "folded")
    fold_batch_norms(graph)
    return channels_last(with_module(eager, graph), examples)


def channels_last(eager: Any, examples: list[Tensor]) -> ScoreFunction:
    """The detector with its weights and images channels last: less to reorder in each call."""
    if isinstance(eager, nn.Module):
        raise NotTransformedError("is itself a module, so that its network cannot be replaced")
    module = copy.deepcopy(eager.module).to(memory_format=torch.channels_last)
    moved = with_module(eager, module)

    def score(images: Tensor) -> Tensor:
        scores: Tensor = moved.score(images.contiguous(memory_format=torch.channels_last))
        return scores

    return score


def with_module(eager: Any, module: nn.Module) -> Any:
    """A shallow copy of the detector with another module."""
    other = copy.copy(eager)
    other.module = module.eval()
    return other


def trace(eager: Any, form: str) -> fx.GraphModule:
    """The detector's module as a graph; ``form`` is what the graph is wanted for.

    Raises:
        NotTransformedError: it cannot be traced.
    """
    if isinstance(eager, nn.Module):
        raise NotTransformedError("is itself a module, so that its network cannot be replaced")
    try:
        return fx.symbolic_trace(eager.module)
    except Exception as error:  # tracing runs the network's own code, which raises anything
        raise NotTransformedError.because(form, error) from error


def fold_batch_norms(graph: fx.GraphModule) -> None:
    """Folds every batch norm that alone follows a convolution into it."""
    for node in nodes(graph):
        norm = module_of(graph, node, nn.BatchNorm2d)
        if norm is None or not norm.track_running_stats:
            continue
        before = node.args[0]
        conv = module_of(graph, before, nn.Conv2d)
        if conv is None or only_user(before) is not node:
            continue
        graph.set_submodule(before.target, fuse_conv_bn_eval(conv, norm))
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.recompile()


def nodes(graph: fx.GraphModule) -> list[Any]:
    """The graph's nodes; Any, because an argument's type is a union of all that it can be."""
    return list(graph.graph.nodes)


def module_of(graph: fx.GraphModule, node: Any, kind: type[nn.Module]) -> Any:
    """The module of type ``kind`` that a node calls, if it is called there only; else None."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    module = graph.get_submodule(str(node.target))
    calls = sum(other.target == node.target for other in graph.graph.find_nodes(op="call_module"))
    return module if type(module) is kind and calls == 1 else None


def only_user(node: Any) -> Any:
    """The one node that uses this one's value; None where there are more or none."""
    return next(iter(node.users)) if len(node.users) == 1 else None
