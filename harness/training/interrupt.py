"""Ctrl-C and a plain kill, kept until a training is between two steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTICE = b"\nstopping after this step, the state will be saved; Ctrl-C again stops at once\n"


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
