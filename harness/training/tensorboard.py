"""Curves of a training for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import UsageError

FOLDER = "tensorboard"


class Board:
    """Takes figures and keeps none."""

    def add(self, figures: Mapping[str, float | None], step: int) -> None:
        """Figures by name after so many steps, all epochs together; None is not defined."""


class _TensorBoard(Board):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def add(self, figures: Mapping[str, float | None], step: int) -> None:
        if self._writer is None:
            # Slow to import, hence not at the top.
            from torch.utils.tensorboard import SummaryWriter

            # A training that goes on, or anew, draws over what an earlier one drew from here on.
            self._writer = SummaryWriter(str(self._folder), purge_step=step)
        for name, value in figures.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


@contextmanager
def board(folder: Path | None) -> Iterator[Board]:
    """A board that writes to ``FOLDER/tensorboard``; None writes nothing.

    Raises:
        UsageError: the extra ``tensorboard`` is not installed.
    """
    if folder is None:
        yield Board()
        return
    require_tensorboard()
    writing = _TensorBoard(folder / FOLDER)
    try:
        yield writing
    finally:
        writing.close()


def require_tensorboard() -> None:
    """Raises UsageError naming the extra when it is not installed."""
    if find_spec("tensorboard") is None:
        raise UsageError(
            "--tensorboard needs the extra 'tensorboard', which is not installed",
            hint=".venv/bin/pip install -e '.[tensorboard]'",
        )
