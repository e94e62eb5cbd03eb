"""The processes that train one network together, as ``torchrun`` starts them; stopping them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import torch
from torch import Tensor
from torch import distributed as dist

from harness.errors import UsageError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTICE = b"\nstopping after this step, the state will be saved; Ctrl-C again stops at once\n"


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Which of how many processes this one is. Alone, nothing is exchanged.

    Every method is called by all processes at the same place.

    Args:
        rank: from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and talks to people."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Adds up a tensor of one shape over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites tensors by those of the first process."""
        if self.size > 1:
            for tensor in tensors:
                whole = tensor.contiguous()  # what travels has no memory layout
                dist.broadcast(whole, 0)
                tensor.copy_(whole)

    def word_of_first(self, word: bytes | None) -> bytes | None:
        """What the first process gives, in all of them."""
        if self.size == 1:
            return word
        words = [word]
        dist.broadcast_object_list(words, 0)
        return words[0]


ALONE = Ranks()


def started_by_torchrun() -> int:
    """How many processes ``torchrun`` started together, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def processes_here() -> int:
    """How many of them run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def local_device(device: torch.device) -> torch.device:
    """This process's own card where a CUDA device is meant; UsageError for Apple's."""
    if started_by_torchrun() == 1 or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise UsageError(f"several processes cannot train on {device.type}", hint="--device cpu")
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Meets the other processes that ``torchrun`` started; without it, one is alone."""
    if started_by_torchrun() == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield Ranks(rank=dist.get_rank(), size=dist.get_world_size())
    # After an error the others may never come here: then torchrun ends them.
    dist.destroy_process_group()


class Stop:
    """Whether somebody has asked to stop."""

    requested = False

    def ask(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Notes the wish; a signal handler. A second Ctrl-C is not patient any more."""
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.requested and number == signal.SIGINT:
            os.write(2, _NOTICE)  # the stream itself may be in the middle of a line
        self.requested = True


@contextmanager
def held_back(stop: Stop) -> Iterator[None]:
    """Signals only ask ``stop`` while this lasts; outside the main thread nothing changes.

    A terminal's Ctrl-C reaches a child twice, from the terminal and as SIGTERM from its parent:
    SIGTERM never counts as the second wish.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, stop.ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
