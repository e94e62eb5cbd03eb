from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.loader import ordered_map
from tests import program


@settings(max_examples=50, deadline=None)
@given(
    items=st.lists(st.integers(), max_size=40),
    workers=st.integers(0, 6),
    ahead=st.integers(1, 12),
)
def test_values_come_in_the_order_of_the_items(items: list[int], workers: int, ahead: int) -> None:
    outcomes = list(ordered_map(lambda item: item * 3, items, workers=workers, ahead=ahead))
    assert [outcome.item for outcome in outcomes] == items
    assert [outcome.get() for outcome in outcomes] == [item * 3 for item in items]


def test_slow_items_keep_their_place() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.05 if item == 0 else 0)
        return item

    assert [o.get() for o in ordered_map(slow_first, range(20), workers=4)] == list(range(20))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_is_that_items_outcome_only(workers: int) -> None:
    outcomes = list(ordered_map(lambda item: 6 // item, [3, 0, 2], workers=workers))
    assert [outcome.value for outcome in outcomes] == [2, None, 3]
    assert isinstance(outcomes[1].error, ZeroDivisionError)
    assert outcomes[0].error is outcomes[2].error is None
    with pytest.raises(ZeroDivisionError):
        outcomes[1].get()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_none_is_a_value(workers: int) -> None:
    (outcome,) = ordered_map(lambda item: None, [1], workers=workers)
    assert outcome.get() is None
    assert outcome.error is None


@pytest.mark.parametrize("ahead", [1, 5])
def test_only_so_many_items_are_in_flight(ahead: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(200):
            taken += 1
            yield item

    for yielded, _ in enumerate(ordered_map(str, items(), workers=3, ahead=ahead), start=1):
        assert taken - yielded < ahead


def test_work_is_done_by_several_threads_at_once() -> None:
    both = threading.Barrier(2, timeout=300)  # breaks, with an error, unless two threads meet
    outcomes = list(ordered_map(lambda item: both.wait(), range(2), workers=2, ahead=2))
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_items_that_have_not_started_are_dropped_when_the_consumer_stops() -> None:
    started: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        time.sleep(0.01)
        return item

    outcomes = ordered_map(work, range(1000), workers=2, ahead=100)
    next(outcomes)
    outcomes.close()  # what `break` does
    now = len(started)
    time.sleep(0.1)
    assert len(started) <= now + 2
    assert len(started) < 100


def test_an_error_of_the_items_themselves_is_raised() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the list ended early")

    with pytest.raises(OSError, match="ended early"):
        list(ordered_map(str, items(), workers=2))


_INTERRUPTED = """
import os, signal, threading, time
from harness.data.loader import ordered_map
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    for _ in ordered_map(lambda item: time.sleep(1), range(10_000), workers=2, ahead=1000):
        pass
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_ctrl_c_stops_at_once() -> None:
    begin = time.monotonic()
    done = program.run(sys.executable, "-c", _INTERRUPTED)
    assert (done.stdout, done.returncode) == ("stopped\n", 0)
    assert time.monotonic() - begin < 300  # all items would take 5,000 s, those in flight 500 s
