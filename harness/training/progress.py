"""Progress of one training: a bar for people, or lines that the job runner reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol

from tqdm import tqdm

MARK = "@progress"


class Progress(Protocol):
    """Is told how many images have been worked through."""

    def advance(self, images: int, shown: dict[str, float]) -> None:
        """``images`` more are done; ``shown`` are values worth seeing, such as the loss."""
        ...

    def skip(self, images: int) -> None:
        """The first ``images`` were done before this process began."""
        ...


class SilentProgress:
    """Shows nothing."""

    def advance(self, images: int, shown: dict[str, float]) -> None:
        """Does nothing."""

    def skip(self, images: int) -> None:
        """Does nothing."""


class _Bar:
    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def advance(self, images: int, shown: dict[str, float]) -> None:
        self._bar.set_postfix(
            {name: f"{value:.3g}" for name, value in shown.items()}, refresh=False
        )
        self._bar.update(images)

    def skip(self, images: int) -> None:
        self._bar.initial = self._bar.n = images  # no part of images/s


class _Lines:
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
        yield SilentProgress()
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
