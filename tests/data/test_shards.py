"""``--shard K/N``: every image in one share, by its id alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sample import Sample
from harness.data.source import FileSource
from harness.errors import UsageError
from harness.evaluation.shards import Shard

NOWHERE = FileSource("nowhere")


def samples(count: int, subset: str = "s") -> list[Sample]:
    return [
        Sample(id=f"0_real/{i:04d}.png", label=0, source=NOWHERE, subset=subset)
        for i in range(count)
    ]


def test_a_shard_is_number_k_of_n() -> None:
    assert Shard.parse("2/3") == Shard(index=2, count=3)
    assert str(Shard.parse("2/3")) == "2/3"


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1 / 2"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected K/N") as caught:
        Shard.parse(text)
    assert "--shard 1/2" in caught.value.hint


@given(st.integers(0, 50), st.integers(1, 9))
def test_every_image_is_in_one_share(images: int, count: int) -> None:
    shares = [Shard(index=k, count=count).of(samples(images)) for k in range(1, count + 1)]
    assert np.array_equal(np.sum(shares, axis=0), np.ones(images))


def test_shares_are_about_as_large() -> None:
    sizes = [int(Shard(index=k, count=4).of(samples(4000)).sum()) for k in range(1, 5)]
    assert max(sizes) - min(sizes) < 200


def test_what_else_is_in_a_set_moves_no_image() -> None:
    shard = Shard(index=1, count=3)
    assert np.array_equal(shard.of(samples(40)), shard.of(samples(100))[:40])
    assert not np.array_equal(shard.of(samples(40)), shard.of(samples(40, subset="other")))
