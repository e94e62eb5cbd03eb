"""What a running training shows: a bar for people, lines for the job runner, curves."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from harness.errors import UsageError
from harness.installed import install_hint

MARK = "@progress"


class Progress:
    """Is told how many images have been worked through; shows nothing."""

    def advance(self, images: int, shown: dict[str, float]) -> None:
        """``images`` more are done; ``shown`` are values worth seeing, such as the loss."""

    def skip(self, images: int) -> None:
        """The first ``images`` were done before this process began."""


class _Bar(Progress):
    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def advance(self, images: int, shown: dict[str, float]) -> None:
        self._bar.set_postfix(
            {name: f"{value:.3g}" for name, value in shown.items()}, refresh=False
        )
        self._bar.update(images)

    def skip(self, images: int) -> None:
        self._bar.initial = self._bar.n = images  # no part of images/s


class _Lines(Progress):
    """``@progress DONE TOTAL`` on stderr, at most one line per percent."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._percent = -1

    def advance(self, images: int, shown: dict[str, float]) -> None:
        self._done += images
        percent = 100 * self._done // max(self._total, 1)
        if percent > self._percent:
            self._percent = percent
            print(f"{MARK} {self._done} {self._total}", file=sys.stderr, flush=True)

    def skip(self, images: int) -> None:
        self.advance(images, {})


@contextmanager
def show(style: str, title: str, total: int) -> Iterator[Progress]:
    """Progress in the given style: ``bar`` (tqdm with ETA and images/s), ``lines`` or ``none``.

    Args:
        style: how to show it.
        title: what is being trained.
        total: images that will be worked through, all epochs together.
    """
    if style == "lines":
        yield _Lines(total)
    elif style == "none":
        yield Progress()
    else:
        with tqdm(total=total, desc=title, unit="img", dynamic_ncols=True) as bar:
            yield _Bar(bar)


def parse(line: str) -> float | None:
    """The share done, 0 to 1, if the line is a progress line."""
    words = line.split()
    if len(words) != 3 or words[0] != MARK or not all(word.isdigit() for word in words[1:]):
        return None
    done, total = int(words[1]), int(words[2])
    return min(1.0, done / total) if total else 1.0


class Curves:
    """Takes figures and keeps none."""

    def add(self, figures: Mapping[str, float | None], step: int) -> None:
        """Figures by name after so many steps, all epochs together; None is not defined."""


class _TensorBoard(Curves):
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
def curves_in(folder: Path | None) -> Iterator[Curves]:
    """Curves in ``FOLDER/tensorboard``; None writes nothing.

    Raises:
        UsageError: the extra ``tensorboard`` is not installed.
    """
    if folder is None:
        yield Curves()
        return
    require_tensorboard()
    writing = _TensorBoard(folder / "tensorboard")
    try:
        yield writing
    finally:
        writing.close()


def require_tensorboard() -> None:
    """Raises UsageError naming the extra when it is not installed."""
    if find_spec("tensorboard") is None:
        raise UsageError(
            "--tensorboard needs the extra 'tensorboard', which is not installed",
            hint=install_hint("tensorboard"),
        )
