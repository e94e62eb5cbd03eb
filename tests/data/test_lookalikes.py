from __future__ import annotations

import numpy as np

from harness.data.lookalikes import NEAR, Picture, _near, find_lookalikes, find_overlap

BASE = 0x0123456789ABCDEF


def _picture(name: str, sha: str, value: int | None, label: int = 0) -> Picture:
    subset = name.split("/")[0]
    return Picture(places=(name,), subsets=frozenset([subset]), label=label, sha256=sha, hash=value)


def test_pairs_are_those_of_the_naive_loop() -> None:
    generator = np.random.default_rng(0)
    hashes: list[int | None] = [int(v) << 1 for v in generator.integers(0, 2**62, 150)]
    for i in range(0, 100, 2):  # neighbours, 0 to 8 bits away
        flips = generator.choice(63, size=int(generator.integers(0, 9)), replace=False)
        hashes.append(hashes[i] ^ sum(1 << int(bit) for bit in flips))  # type: ignore[operator]
    hashes.append(None)
    naive = [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if hashes[i] is not None
        and hashes[j] is not None
        and (hashes[i] ^ hashes[j]).bit_count() <= NEAR
    ]
    assert len(naive) > 15
    assert _near(hashes) == naive


def test_kinds_of_pairs() -> None:
    found = find_lookalikes(
        [
            _picture("a/1", "A", BASE),
            _picture("a/2", "B", BASE ^ 0b11),
            _picture("b/1", "C", BASE ^ 0b11100),
            _picture("b/2", "D", BASE, label=1),
            _picture("b/3", "E", ~BASE & (2**64 - 1)),
        ]
    )
    assert {name: pairs.examples for name, pairs in found.within.items()} == {
        "a real": (("a/1", "a/2"),)
    }
    assert found.across_subsets.examples == (("a/1", "b/1"),)  # a/2 and b/1 are five bits apart
    assert (found.across_classes.pairs, found.across_classes.pictures) == (3, 4)


def test_equal_files_are_left_to_the_exact_search() -> None:
    both = [_picture("a/1", "A", BASE), _picture("a/1", "A", BASE, label=1)]
    assert find_lookalikes(both).across_classes.pairs == 0


def test_overlap_with_a_training_set() -> None:
    pictures = [
        _picture("a/1", "A", BASE),
        _picture("a/2", "B", ~BASE & (2**64 - 1), label=1),
        _picture("a/3", "C", 0),
    ]
    training = [_picture("t/1", "A", BASE), _picture("t/2", "X", ~BASE & (2**64 - 2))]
    overlap = find_overlap(pictures, training, "t")
    assert overlap.exact == {"real": 1}
    assert overlap.examples == ("a/1",)
    assert overlap.near.examples == (("a/2", "t/2"),)
