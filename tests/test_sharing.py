"""Shares of one subset: what comes out equal is scored once; batches in the order of the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.data.source import FileSource
from harness.engine.scorer import Compute, Scorer
from harness.errors import BadImageError
from harness.evaluation.image_file import ImageFile
from harness.evaluation.images import Share, SubsetScoring
from tests.conftest import noise

Pixels = np.ndarray[Any, Any]
CPU = torch.device("cpu")


class Book:
    """Scores that are kept in memory."""

    def __init__(self, known: Iterable[int] = ()) -> None:
        self.scores: dict[int, float] = dict.fromkeys(known, 0.5)
        self.skipped: set[int] = set()

    def __contains__(self, index: int) -> bool:
        return index in self.scores or index in self.skipped

    def add(self, scores: Iterable[tuple[int, float]], made: object = ()) -> None:
        """Keeps them."""
        self.scores.update(scores)

    def skip(self, index: int) -> None:
        """Notes it."""
        self.skipped.add(index)


@dataclasses.dataclass
class _Spec:
    name: str = "counting"


class Counting:
    """A network whose score hangs on every pixel, its place, and the first image of the batch."""

    reads_pixels = True
    spec = _Spec()

    def __init__(self, *, by_batch: bool = False) -> None:
        self.by_batch = by_batch
        self.passes: list[int] = []
        self.seen: list[Tensor] = []

    def pixels(self, images: Tensor, name: str) -> Pixels:
        """(N,) scores."""
        self.passes.append(len(images))
        self.seen.append(images.clone())
        flat = images.double().flatten(1)
        scores = flat @ torch.sin(torch.arange(flat.shape[1], dtype=torch.float64))
        return (scores + (flat[0].mean() if self.by_batch else 0)).numpy()


def _samples(folder: Path, sizes: Sequence[tuple[int, int]]) -> list[Sample]:
    """Real and fake in turn."""
    samples = []
    for number, size in enumerate(sizes):
        file = folder / f"{number:02d}.png"
        Image.fromarray(noise(number, *size)).save(file)
        samples.append(Sample(id=file.name, label=number % 2, source=FileSource(str(file))))
    return samples


def _share(scorer: Counting, view: str, book: Book | None = None, batch: int = 0) -> Share:
    """``view``: decoding/perturbation/preprocess."""
    decoding, perturbation, preprocess = view.split("/")
    return Share(
        scorer=cast(Scorer, scorer),
        preprocess=parse(preprocess),
        perturbation=parse_perturbation(perturbation),
        decoding=decoding,
        journal=book or Book(),
        batch=batch,
    )


def _run(
    samples: list[Sample], shares: list[Share], batch_size: int = 1, *, skip_bad: bool = False
) -> list[dict[int, float]]:
    compute = Compute(device=CPU, batch_size=batch_size, workers=2)
    SubsetScoring(samples, shares, compute, skip_bad=skip_bad, tick=lambda *counts: None).run()
    return [cast(Book, share.journal).scores for share in shares]


VIEWS = (
    "//native", "//resize(32,32)", "exif//native", "/fakes:jpeg(90)/native", "/jpeg(90)/native",
    "//center_crop(32)", "//resize_tensor(32,32)", "icc/fakes:jpeg(90)/center_crop_within(40)",
    "/reals:jpeg(90)/native", "/bgr/native", "//resize_tensor(30,30)",
)  # fmt: skip


def test_views_that_come_out_equal_are_scored_once_and_alike(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [(32, 32)] * 4)
    apart: list[dict[int, float]] = []
    for view in VIEWS:
        apart += _run(samples, [_share(Counting(), view)])
    scorer, other = Counting(), Counting()
    together = _run(samples, [_share(scorer, view) for view in VIEWS] + [_share(other, "//native")])
    assert together == [*apart, apart[0]]
    assert len(set(apart[0].values())) == 4
    # Of an image there are: as it is, JPEG 90, BGR, and 30 pixels wide.
    assert len(scorer.passes) == 4 * 4
    assert other.passes == [1] * 4


def test_equal_shares_of_one_scorer_are_one_and_what_is_known_stays(tmp_path: Path) -> None:
    samples, scorer = _samples(tmp_path, [(8, 8)] * 3), Counting()
    known = Book([1])
    first, second = _run(samples, [_share(scorer, "//native"), _share(scorer, "//native", known)])
    assert len(scorer.passes) == 3
    assert second == {**first, 1: 0.5}


def test_sizes_and_depths_are_not_mixed_up(tmp_path: Path) -> None:
    """One row of equal bytes may be another picture: 8x2 and 2x8."""
    file = tmp_path / "flat.png"
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(file)
    sample, scorer = Sample(id="a", label=0, source=FileSource(str(file))), Counting()
    _run([sample], [_share(scorer, "//top_left_crop(8,2)"), _share(scorer, "//top_left_crop(2,8)")])
    assert [images.shape[2:] for images in scorer.seen] == [(8, 2), (2, 8)]


def test_batches_of_equal_sizes_score_every_view(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [(32, 32)] * 5)
    alone = [_run(samples, [_share(Counting(), view)])[0] for view in VIEWS]
    together = _run(samples, [_share(Counting(), view) for view in VIEWS], batch_size=2)
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.keys() == theirs.keys()
        np.testing.assert_allclose([ours[i] for i in theirs], list(theirs.values()))


def test_a_view_that_cannot_be_taken_leaves_the_others(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [(16, 16), (1, 9)])
    shares = [_share(Counting(), f"//{text}") for text in ("native", "crop_multiple(2)")]
    native, cropped = _run(samples, shares)
    assert len(native) == 2
    assert isinstance(shares[1].error, BadImageError)
    assert list(cropped) == [0]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_share_in_order_gets_batches_of_just_its_size(tmp_path: Path, batch_size: int) -> None:
    samples, scorer = _samples(tmp_path, [(8, 8)] * 7), Counting(by_batch=True)
    free = Counting()
    shares = [_share(scorer, "//native", batch=3), _share(free, "//native")]
    scores, others = _run(samples, shares, batch_size)
    assert scorer.passes == [3, 3, 1]
    wanted = Counting(by_batch=True)
    images = torch.cat(scorer.seen)
    rows = torch.stack([torch.from_numpy(noise(n, 8, 8)) for n in range(7)]).movedim(-1, 1)
    assert torch.equal((images * 255).round(), rows.float())
    by_hand = [wanted.pixels(images[i : i + 3], "") for i in (0, 3, 6)]
    assert [scores[i] for i in range(7)] == np.concatenate(by_hand).tolist()
    assert sorted(others) == list(range(7))
    assert max(free.passes) <= batch_size


def test_a_batch_is_the_same_after_a_break(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [(8, 8)] * 7)
    whole = _run(samples, [_share(Counting(by_batch=True), "//native", batch=3)])[0]
    scorer = Counting(by_batch=True)
    rest = _run(samples, [_share(scorer, "//native", Book([0, 1, 2, 3]), batch=3)])[0]
    assert scorer.passes == [3, 1]  # the first batch is known as a whole
    assert [rest[i] for i in (4, 5, 6)] == [whole[i] for i in (4, 5, 6)]
    assert rest[3] == 0.5
    again = Counting(by_batch=True)
    _run(samples, [_share(again, "//native", Book(range(7)), batch=3)])
    assert again.passes == []


def test_unreadable_images_are_in_no_batch(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [(8, 8)] * 5)
    (tmp_path / "01.png").write_bytes(b"no image")
    scorer, book = Counting(), Book()
    scores = _run(samples, [_share(scorer, "//native", book, batch=2)], skip_bad=True)[0]
    assert (scorer.passes, book.skipped, sorted(scores)) == ([2, 2], {1}, [0, 2, 3, 4])
    share = _share(Counting(), "//native", batch=2)
    _run(samples, [share])
    assert isinstance(share.error, BadImageError)


def test_images_of_several_sizes_in_a_batch_are_an_error_that_says_so(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [(8, 8), (8, 8), (8, 10), (8, 8)])
    share, fine = (_share(Counting(), text, batch=2) for text in ("//native", "//center_crop(8)"))
    first, second = _run(samples, [share, fine])
    assert share.error is not None
    assert "2 sizes" in share.error.message
    assert "10x8 and 8x8 (width x height)" in share.error.message
    assert (sorted(first), len(second), fine.error) == ([0, 1], 4, None)


def test_another_decoding_is_of_files_that_it_concerns_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "a.png"
    Image.fromarray(noise(0, 8, 12)).save(file, exif=exif)
    image = ImageFile(file.read_bytes(), "a.png", label=1)
    assert image.read_by("icc") is image.read_by("") is image
    turned = image.read_by("exif")
    assert turned.pixels().shape == (12, 8, 3)
    assert turned.read_by("exif") is turned
    fakes = parse_perturbation("fakes:bgr")
    assert (turned.pixels(fakes) == turned.pixels()[:, :, ::-1]).all()
    data, header = turned.whole()
    assert (header.width, header.height, header.format) == (8, 12, "PNG")
    assert data != image.data
    assert image.encoded() == image.data
    scorer = Counting()
    sample = Sample(id="a", label=1, source=FileSource(str(file)))
    _run([sample], [_share(scorer, f"{way}//native") for way in ("", "exif", "alpha-white")])
    assert [images.shape[2:] for images in scorer.seen] == [(8, 12), (12, 8)]
