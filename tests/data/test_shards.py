"""``--shard K/N``: every subset in one share, and the shares of about as many images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sample import Sample
from harness.data.source import FileSource
from harness.data.suite import Selection, Subset, Suite
from harness.errors import DataError, UsageError
from harness.evaluate.shards import Shard, share

HERE = str(Path(__file__).parent)


def selection(name: str, counts: dict[str, tuple[int, int] | None]) -> Selection:
    """A suite with so many reals and fakes in its subsets; None = absent."""

    def adapter(suite: Suite, subset: Subset, root: Path) -> list[Sample]:
        found = counts[subset.name]
        if found is None:
            raise DataError("absent")
        return [
            Sample(id=f"{label}/{i}", label=label, source=FileSource(str(root)))
            for label, count in enumerate(found)
            for i in range(count)
        ]

    subsets = tuple(Subset(name=each) for each in counts)
    suite = Suite(name=name, title=name, subsets=subsets, adapter=adapter, folders=(HERE,))
    return Selection(suite=suite, subsets=subsets)


def dealt(selections: list[Selection], count: int, limit: int = 0) -> list[list[str]]:
    return [
        [
            f"{each.suite.name}:{subset.name}"
            for each in share(selections, Shard(index=k, count=count), None, limit=limit)
            for subset in each.subsets
        ]
        for k in range(1, count + 1)
    ]


def test_a_shard_is_number_k_of_n() -> None:
    assert Shard.parse("2/3") == Shard(index=2, count=3)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1 / 2"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected K/N") as caught:
        Shard.parse(text)
    assert "--shard 1/2" in caught.value.hint


def test_shares_are_balanced_by_images_across_suites() -> None:
    one = selection("one", {"a": (50, 50), "b": (5, 5), "c": (20, 20)})
    two = selection("two", {"d": (30, 20), "e": (4, 4)})
    assert dealt([one, two], 2) == [["one:a", "two:e"], ["one:b", "one:c", "two:d"]]
    assert dealt([one, two], 1) == [["one:a", "one:b", "one:c", "two:d", "two:e"]]


def test_a_limit_counts() -> None:
    one = selection("one", {"a": (1000, 2), "b": (10, 10), "c": (10, 10), "d": (10, 10)})
    assert dealt([one], 2) == [["one:a"], ["one:b", "one:c", "one:d"]]
    assert dealt([one], 2, limit=10) == [["one:b", "one:d"], ["one:a", "one:c"]]


def test_absent_subsets_leave_no_shard_without_any() -> None:
    one = selection("one", {"a": None, "b": None, "c": None})
    assert sorted(map(tuple, dealt([one], 3))) == [("one:a",), ("one:b",), ("one:c",)]


def test_more_shards_than_subsets() -> None:
    one = selection("one", {"a": (1, 1), "b": (1, 1)})
    with pytest.raises(UsageError, match="only 2 subsets, so at most 2 shards") as caught:
        share([one], Shard(index=3, count=3), None)
    assert caught.value.hint == "--shard 1/2"


def test_a_selection_of_a_suite_is_cut_and_its_suite_is_whole() -> None:
    one = selection("one", {"a": (1, 1), "b": (2, 2), "c": (3, 3)})
    part = replace(one, subsets=one.subsets[:2])
    (cut,) = share([part], Shard(index=1, count=2), None)
    assert [subset.name for subset in cut.subsets] == ["b"]
    assert cut.suite is one.suite


@given(st.lists(st.integers(0, 40), min_size=1, max_size=9), st.data())
def test_every_subset_once_and_no_shard_much_larger(counts: list[int], data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, len(counts)))
    one = selection("one", {f"s{i}": (n, 0) for i, n in enumerate(counts)})
    shares = dealt([one], shards)
    assert sorted(name for mine in shares for name in mine) == sorted(
        f"one:s{i}" for i in range(len(counts))
    )
    assert all(shares)
    loads = [sum(counts[int(name[5:])] for name in mine) for mine in shares]
    assert max(loads) - min(loads) <= max(counts)
