"""One bar over all files of a command, and the way to stop their threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn, TypeVar

from tqdm import tqdm

from harness.errors import HarnessError

Value = TypeVar("Value")


class Stopped(Exception):
    """The command is to end: Ctrl-C, or a disk that takes nothing more."""


class ByteProgress:
    """Bytes of all files, with the time that is left; threads share it.

    Args:
        total: bytes of the files whose size is known before they begin; the others join when
            their server says theirs.
        sized: those files' ``.part`` paths.
    """

    def __init__(self, total: int = 0, sized: Sequence[Path] = ()) -> None:
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._at: dict[Path, int] = {}
        self._sized = set(sized)
        self._total = total
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> ByteProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, part: Path, have: int, total: int | None) -> None:
        """A file is asked for: ``have`` bytes of it are there already, of ``total`` if known."""
        with self._lock:
            if total is not None and part not in self._sized:
                self._sized.add(part)
                self._total += total
            bar = self._shown()
            if part not in self._at:  # what an earlier command brought says nothing of the rate
                bar.initial += have
                bar.n += have
                self._at[part] = have
            bar.total = self._total or None
            bar.refresh()
        self.at(part, have)

    def at(self, part: Path, position: int) -> None:
        """``position`` bytes of a file are there.

        Raises:
            Stopped: see :meth:`stop`.
        """
        with self._lock:
            self._shown().update(position - self._at.get(part, 0))
            self._at[part] = position
        if self._stop.is_set():
            raise Stopped

    def wait(self, seconds: float, why: str) -> None:
        """Waits, and says why.

        Raises:
            Stopped: see :meth:`stop`.
        """
        tqdm.write(why, file=sys.stderr)  # past the bar, not through it
        if self._stop.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """Every thread ends at its next byte."""
        self._stop.set()

    def _shown(self) -> tqdm[NoReturn]:
        bar = self._bar
        if bar is None:
            bar = self._bar = tqdm(
                total=self._total or None,
                desc="fetching",
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
            )
        return bar


def together(
    tasks: Sequence[Callable[[], Value]], jobs: int, progress: ByteProgress
) -> list[Value | HarnessError]:
    """Runs tasks in threads; one that fails leaves the others alone.

    Returns:
        For each task its value, or the HarnessError that it raised.

    Raises:
        BaseException: what else one raised (a full disk), or Ctrl-C; the others stop at their next
            byte, and what has arrived is kept.
    """
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="fetch") as pool:
        futures: list[Future[Value]] = [pool.submit(task) for task in tasks]
        outcomes: list[Value | HarnessError] = []
        try:
            for future in futures:
                try:
                    outcomes.append(future.result())
                except HarnessError as error:
                    outcomes.append(error)
        except BaseException:
            progress.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return outcomes
