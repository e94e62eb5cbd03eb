"""A bounded, ordered map over threads: images are read, decoded and resized ahead of the network.

Threads are enough because Pillow releases the GIL while it decodes and resizes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: exactly one of ``value`` and ``error`` is meaningful.

    Args:
        item: as given.
        value: what the function returned, None when it raised.
        error: what it raised, None when it returned.
    """

    item: Item
    value: Value | None = None
    error: Exception | None = None

    def get(self) -> Value:
        """The value; raises the item's error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None is a value where Value allows it


def ordered_map(
    function: Callable[[Item], Value],
    items: Iterable[Item],
    *,
    workers: int = 2,
    ahead: int = 64,
) -> Iterator[Outcome[Item, Value]]:
    """``function`` of every item, in the order of the items, computed by a pool of threads.

    At most ``ahead`` items are in work or waiting to be taken, however many there are, so memory
    stays flat; ``items`` is read lazily by the consumer's thread. One item's exception does not
    stop the others. When the consumer stops (``break``, an exception, Ctrl-C), the items that have
    not started are dropped.

    Args:
        function: called in worker threads.
        items: any iterable.
        workers: threads; 0 computes in the consumer's thread, one item at a time.
        ahead: how many items may be in flight, at least 1.

    Yields:
        One :class:`Outcome` an item.
    """

    def attempt(item: Item) -> Outcome[Item, Value]:
        try:
            return Outcome(item=item, value=function(item))
        except Exception as error:  # the consumer decides what an item's error means
            return Outcome(item=item, error=error)

    if workers < 1:
        yield from map(attempt, items)
        return
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="ordered_map")
    waiting: deque[Future[Outcome[Item, Value]]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(attempt, item))
            if len(waiting) >= max(1, ahead):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
