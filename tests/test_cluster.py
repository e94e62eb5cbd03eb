"""Dealing work to a Ray cluster: every part once, whatever ends meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster.crew import LostError, Seats, deal
from harness.cluster.session import Cluster, connected

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connected() as found:
        yield found


def work(part: tuple[str, int]) -> int:
    folder, number = part
    note = Path(folder, str(number))
    note.write_text(note.read_text() + "x" if note.exists() else "x")
    if number == 3 and len(note.read_text()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 6:
        raise ValueError("six")
    return number * number


def test_every_part_comes_back(cluster: Cluster, tmp_path: Path) -> None:
    parts = [(str(tmp_path), number) for number in range(8)]
    found = {each.part[1]: each for each in deal(cluster, work, parts, Seats(cores=1))}
    assert sorted(found) == list(range(8))
    assert [found[n].answer for n in (0, 1, 2, 3, 4, 7)] == [0, 1, 4, 9, 16, 49]
    assert found[3].lost == 1
    assert isinstance(found[5].error, LostError)
    assert "ended 3 times" in found[5].error.message
    assert "ValueError: six" in str(found[6].error)
