"""Backbones that several detectors of one run have in common are kept once, and asked once.

Heads on one published backbone (OpenAI's CLIP, DINOv2) hold equal weights. A second detector is
given the first one's network in place of its own equal one, and what it computes of one input is
remembered for the next head that asks the same.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import HasModule

log = logging.getLogger(__name__)

SMALLEST = 20_000_000
"""Parameters of a network that is worth looking for."""


class Towers:
    """The large parts of the detectors of one run.

    Args:
        smallest: parameters of a part that counts.

    Attributes:
        shared: (detector, its part's class, parameters, whose part it now uses), as found.
    """

    def __init__(self, smallest: int = SMALLEST) -> None:
        self.smallest = smallest
        self.shared: list[tuple[str, str, int, str]] = []
        # Weak: a detector that was rewritten into another form lets go of its network.
        self._kept: list[tuple[str, weakref.ref[nn.Module]]] = []

    @property
    def modules(self) -> list[nn.Module]:
        """The parts that are in use, which need not be copied for a detector of this run."""
        return [module for _, kept in self._kept if (module := kept()) is not None]

    def adopt(self, detector: object, name: str) -> None:
        """Puts parts that are here already in place of a detector's own equal ones.

        Args:
            detector: with its weights, in evaluation mode.
            name: of the detector, for what is said.
        """
        if not isinstance(detector, HasModule):
            return
        own: list[tuple[str, weakref.ref[nn.Module]]] = []
        for parent, key, part in _large(detector.module, self.smallest):
            who, kept = self._equal_to(part)
            if kept is None:
                own.append((name, weakref.ref(part)))
                continue
            setattr(parent, key, kept)
            for each in kept.modules():
                if _size(each) >= self.smallest and not isinstance(each.forward, _Remembering):
                    each.forward = _Remembering(each.forward)
            size = _size(kept)
            self.shared.append((name, type(kept).__name__, size, who))
            log.info(
                "%s and %s share one %s of %s parameters",
                who, name, type(kept).__name__, f"{size:,}",
            )  # fmt: skip
        self._kept += own

    def _equal_to(self, part: nn.Module) -> tuple[str, nn.Module | None]:
        """Whose part is equal to this one, and that part; None where there is none."""
        for who, kept in self._kept:
            module = kept()
            if module is not None and _equal(module, part):
                return who, module
        return "", None


class _Remembering:
    """A network's forward that knows its last answer in each thread.

    Args:
        forward: the network's own.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self.forward = forward
        self._last = threading.local()

    def __call__(self, *given: Any, **named: Any) -> Any:
        if len(given) != 1 or named or not isinstance(given[0], Tensor) or torch.is_grad_enabled():
            return self.forward(*given, **named)
        (asked,) = given
        before = getattr(self._last, "asked", None)
        if before is not None and _same(before, asked):
            return self._last.answer.clone()
        answer = self.forward(asked)
        if isinstance(answer, Tensor):
            self._last.asked, self._last.answer = asked.clone(), answer.clone()
        return answer


def _large(module: nn.Module, smallest: int) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(parent, its attribute, part) of every part of that size, the outermost first; what lies in
    one that is given away is not looked at again."""
    for key, part in list(module.named_children()):
        if _size(part) < smallest:
            continue
        yield module, key, part
        if getattr(module, key) is part:  # nobody took its place
            yield from _large(part, smallest)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _same(one: Tensor, two: Tensor) -> bool:
    alike = (one.shape, one.dtype, one.device) == (two.shape, two.dtype, two.device)
    return alike and torch.equal(one, two)


def _equal(one: nn.Module, two: nn.Module) -> bool:
    """Whether two networks are of one form, hold the same numbers and are set alike: their
    options, which are no parameters, and buffers that no checkpoint holds among it."""
    if repr(one) != repr(two):
        return False
    pairs = zip(one.modules(), two.modules(), strict=True)
    try:
        if not all(type(a) is type(b) and _options(a) == _options(b) for a, b in pairs):
            return False
    except (ValueError, RuntimeError):  # options that cannot be compared, such as arrays
        return False
    mine, theirs = _tensors(one), _tensors(two)
    return mine.keys() == theirs.keys() and all(
        _same(value, theirs[name].to(value.device)) for name, value in mine.items()
    )


def _options(module: nn.Module) -> dict[str, Any]:
    """What a module holds beside its parameters, buffers, parts and hooks; tensors by identity."""
    forward = {"forward"} if isinstance(module.forward, _Remembering) else set()
    own = {n: v for n, v in vars(module).items() if not n.startswith("_") and n not in forward}
    hooks = {name: len(value) for name, value in vars(module).items() if name.endswith("_hooks")}
    return {n: id(v) if isinstance(v, Tensor) else v for n, v in own.items()} | hooks


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
