"""Training images: order and augmentation follow from the seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.api import InputRule
from harness.data.preprocess import Preprocess, parse
from harness.data.sample import Manifest, Sample
from harness.data.source import FileSource
from harness.errors import BadImageError, DataError, InputSizeError
from harness.training.data import Batch, ImageSet, dealt, epoch_images
from tests.training import tiny

AUGMENT = parse("random_crop(16)|hflip(0.5)")


def batches_of(
    images: ImageSet,
    text: Preprocess,
    batch: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    balanced: bool = False,
) -> Iterator[Batch]:
    """An epoch's batches, as one process trains on them."""
    order = images.order(seed, epoch, balanced=balanced)
    groups = [order[start : start + batch] for start in range(0, len(order), batch)]
    return images.training_batches(text, groups, seed=seed, epoch=epoch)


def epoch(images: ImageSet, *, seed: int = 0, number: int = 0, batch: int = 8) -> torch.Tensor:
    parts = batches_of(images, AUGMENT, batch, seed=seed, epoch=number)
    return torch.cat([pixels for pixels, _ in parts])


def test_every_image_comes_once_an_epoch_with_its_label(train: Manifest) -> None:
    images = ImageSet(train)
    batches = list(batches_of(images, parse("native"), 16, seed=3, epoch=1))
    assert [len(labels) for _, labels in batches] == [16, 16, 8]
    seen = {}
    for pixels, labels in batches:
        assert pixels.dtype == torch.float32 and pixels.shape[1:] == (3, tiny.SIDE, tiny.SIDE)
        for picture, label in zip(pixels, labels, strict=True):
            seen[(picture * 255).round().byte().numpy().tobytes()] = int(label)
    expected = {
        images.image(i).transpose(2, 0, 1).tobytes(): train.samples[i].label for i in range(40)
    }
    assert seen == expected


def test_workers_and_memory_do_not_change_a_batch(train: Manifest) -> None:
    reference = epoch(ImageSet(train))
    for images in (ImageSet(train, workers=2), ImageSet(train, memory=0), ImageSet(train)):
        assert torch.equal(epoch(images), reference)


def test_order_and_augmentation_follow_from_seed_and_epoch(train: Manifest) -> None:
    images = ImageSet(train)
    reference = epoch(images, seed=1, number=2)
    epoch(images, seed=5)  # what ran before does not matter
    assert torch.equal(epoch(images, seed=1, number=2), reference)
    assert torch.equal(epoch(images, seed=1, number=2, batch=40), reference)
    assert not torch.equal(epoch(images, seed=2, number=2), reference)
    assert not torch.equal(epoch(images, seed=1, number=3), reference)


def test_an_image_is_augmented_alike_wherever_it_stands_in_the_order(train: Manifest) -> None:
    # The crop of image i comes from (seed, epoch, i), not from its turn in the shuffled order.
    images = ImageSet(train)
    rng = np.random.default_rng(np.random.SeedSequence(4, spawn_key=(2, 7)))
    wanted = AUGMENT.apply(images.image(7), rng).transpose(2, 0, 1)
    found = (epoch(images, seed=4, number=2) * 255).round().byte().numpy()
    assert sum(np.array_equal(picture, wanted) for picture in found) == 1


def test_images_are_decoded_once_while_they_fit(
    train: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    from harness.training import data as module

    def counting(raw: bytes, name: str) -> np.ndarray:
        decoded.append(name)
        return original(raw, name)

    original = module.decode
    monkeypatch.setattr(module, "decode", counting)
    one = tiny.SIDE * tiny.SIDE * 3
    images = ImageSet(train, memory=10 * one)
    epoch(images)
    assert len(decoded) == 40
    epoch(images, number=1)
    assert len(decoded) == 70  # ten were kept


def test_plain_batches_put_equal_sizes_together(tmp_path: Path) -> None:
    tiny.write_class_folders(tmp_path / "a", 3, side=20)
    tiny.write_class_folders(tmp_path / "b", 2, first=10, side=24)
    samples = tiny.manifest(tmp_path / "a").samples + tiny.manifest(tmp_path / "b").samples
    images = ImageSet(Manifest("mixed", samples))
    batches = list(images.plain_batches(parse("native"), 4))
    assert [tuple(pixels.shape) for _, pixels in batches] == [
        (4, 3, 20, 20),
        (4, 3, 24, 24),
        (2, 3, 20, 20),
    ]
    assert sorted(i for positions, _ in batches for i in positions) == list(range(10))
    for positions, pixels in batches:
        for position, picture in zip(positions, pixels, strict=True):
            expected = images.image(position).transpose(2, 0, 1)
            assert np.array_equal((picture * 255).round().byte().numpy(), expected)


def test_sizes_that_do_not_meet_are_an_error_naming_the_file(tmp_path: Path) -> None:
    tiny.write_class_folders(tmp_path, 3)
    Image.fromarray(tiny.picture(0, 1, 22)).save(tmp_path / "0_real" / "odd.png")
    images = ImageSet(tiny.manifest(tmp_path))
    with pytest.raises(DataError, match=r"22x22|20x20") as caught:
        list(batches_of(images, parse("native"), 4))
    assert ".png" in caught.value.message
    with pytest.raises(DataError, match=r"(?s)\.png.*random_crop.*smaller"):
        list(batches_of(images, parse("random_crop(21)"), 4))


def test_a_bad_image_is_named(tmp_path: Path, train: Manifest) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(train.samples[3].source.read()[:-40])
    bad = replace(train.samples[3], source=FileSource(str(broken)), sha256="")
    samples = (*train.samples[:3], bad, *train.samples[4:])
    with pytest.raises(BadImageError, match=r"broken\.png"):
        epoch(ImageSet(Manifest("broken", samples)))


def test_an_empty_manifest_is_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        ImageSet(Manifest("nothing", ()))


def test_a_size_that_the_detector_does_not_take_is_an_error_saying_what_to_type(
    train: Manifest,
) -> None:
    spec = replace(tiny.spec(), input_rule=InputRule(multiple_of=8), evaluation_size=(24, 32))
    images = ImageSet(train, spec)
    assert len(list(batches_of(images, AUGMENT, 8))) == 5
    with pytest.raises(InputSizeError, match=r"\.png is 20x20 .* after hflip\(0\.5\): tiny") as one:
        next(batches_of(images, parse("hflip(0.5)"), 8))
    assert "--train-preprocess 'resize(24,32)'" in one.value.hint
    with pytest.raises(InputSizeError, match=r"after resize\(10\): tiny.*multiple of 8") as two:
        next(images.plain_batches(parse("resize(10)"), 8))
    assert "--val-preprocess" in two.value.hint


class Numbered(ImageSet):
    """Its images carry their position in the manifest, in place of what is on disk."""

    def image(self, index: int) -> np.ndarray:
        return np.full((2, 2, 3), index, dtype=np.uint8)


def numbered(n_real: int, n_fake: int) -> Numbered:
    labels = [0] * n_real + [1] * n_fake
    names = [
        Sample(id=str(i), label=label, source=FileSource(str(i)), sha256=str(i))
        for i, label in enumerate(labels)
    ]
    return Numbered(Manifest("numbered", tuple(names)))


def drawn(images: Numbered, batch: int, seed: int, epoch: int) -> list[tuple[list[int], list[int]]]:
    """(positions, labels) of every batch."""
    return [
        ((pixels[:, 0, 0, 0] * 255).round().int().tolist(), labels.int().tolist())
        for pixels, labels in batches_of(
            images, parse("native"), batch, seed=seed, epoch=epoch, balanced=True
        )
    ]


@given(
    n_real=st.integers(1, 60),
    n_fake=st.integers(1, 60),
    half=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_balanced_batches(n_real: int, n_fake: int, half: int, seed: int) -> None:
    images = numbered(n_real, n_fake)
    batches = drawn(images, 2 * half, seed, 1)
    larger, smaller = max(n_real, n_fake), min(n_real, n_fake)
    sizes = [len(positions) for positions, _ in batches]
    assert sum(sizes) == epoch_images(images.manifest, balanced=True) == 2 * larger
    assert all(size == 2 * half for size in sizes[:-1])
    for positions, labels in batches:
        assert 2 * sum(labels) == len(labels)
        assert labels == [int(images.labels[position]) for position in positions]
        assert labels[:2] in ([0, 1], [1, 0])  # any even share is balanced too
    order = [position for positions, _ in batches for position in positions]
    reals = [position for position in order if position < n_real]
    fakes = [position for position in order if position >= n_real]
    more, fewer = (reals, fakes) if n_real >= n_fake else (fakes, reals)
    assert len(set(more)) == larger  # the larger class: every image once
    for start in range(0, larger, smaller):  # the other: all of it before any comes again
        turn = fewer[start : start + smaller]
        assert len(set(turn)) == len(turn)


def test_balanced_batches_follow_from_seed_and_epoch_and_shuffle_each_time() -> None:
    images = numbered(30, 10)
    assert drawn(images, 4, 1, 2) == drawn(images, 4, 1, 2)
    assert drawn(images, 4, 1, 2) != drawn(images, 4, 1, 3)
    assert drawn(images, 4, 1, 2) != drawn(images, 4, 2, 2)
    fakes = [p for positions, _ in drawn(images, 4, 1, 2) for p in positions if p >= 30]
    assert sorted(fakes[:10]) == sorted(fakes[10:20]) == list(range(30, 40))
    assert fakes[:10] != fakes[10:20]


def test_an_image_that_comes_again_is_augmented_anew(train: Manifest) -> None:
    one_fake = Manifest("one fake", (*train.samples[:20], train.samples[20]))
    crops = parse("random_crop(4)")
    batches = batches_of(ImageSet(one_fake), crops, 40, balanced=True)
    ((pixels, labels),) = batches
    fakes = {picture.numpy().tobytes() for picture in pixels[labels == 1]}
    assert len(fakes) > 10  # twenty draws of 17 x 17 places


def test_balance_needs_both_classes(train: Manifest) -> None:
    images = ImageSet(Manifest("reals", train.samples[:20]))
    with pytest.raises(DataError, match="reals: a balanced batch needs both classes") as caught:
        next(batches_of(images, AUGMENT, 4, balanced=True))
    assert caught.value.hint == "--balanced false"


@given(images=st.integers(1, 40), parts=st.integers(1, 9))
def test_a_batch_is_dealt_whole_in_order_and_evenly(images: int, parts: int) -> None:
    batch = [(index, 0) for index in range(images)]
    hands = dealt(batch, parts)
    assert [turn for hand in hands for turn in hand] == batch
    sizes = [len(hand) for hand in hands]
    assert len(sizes) == parts and sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_in_the_middle_of_an_epoch_is_the_same_by_itself(train: Manifest) -> None:
    images = ImageSet(train)
    whole = list(batches_of(images, AUGMENT, 8, seed=3, epoch=2))
    order = images.order(3, 2)
    (alone,) = images.training_batches(AUGMENT, [order[16:24]], seed=3, epoch=2)
    assert torch.equal(alone[0], whole[2][0]) and torch.equal(alone[1], whole[2][1])
