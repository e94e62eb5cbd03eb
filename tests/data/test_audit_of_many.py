"""An audit of very many images: what is bounded says so, and below the bounds nothing differs."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from made_copies import COPIES, face, texture
from PIL import Image

from harness.audit import candidates as search
from harness.audit import lookalikes, shortcuts
from harness.audit import suite as audited
from harness.audit.candidates import PARTNERS, candidates
from harness.audit.duplicates import ContentPlaces, find_duplicates
from harness.audit.likeness import ThumbnailFile, thumbnail
from harness.audit.remarks import remarks
from harness.audit.suite import SuiteAudit, audit_suite
from harness.data.own import own_suite
from harness.data.sample import UNREADABLE, Manifest, Sample
from harness.data.suite import Selection
from harness.data.synthetic import SyntheticSource, synthetic_suite
from harness.registry.suites import find_root

Hashes = list[tuple[int, int] | None]


def _hashes(count: int) -> Hashes:
    values = np.random.default_rng(0).integers(0, 2**62, (count, 2)) << 1
    return [(int(one), int(two)) for one, two in values]


def _audit(folder: Path, out: Path) -> SuiteAudit:
    suite = own_suite(folder)
    selection = Selection(suite=suite, subsets=suite.subsets)
    return audit_suite(selection, find_root(suite, None), out, depth="audit", workers=2)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Six pictures, and two copies of each among the fakes."""
    folder = tmp_path / "images"
    for label in ("0_real", "1_fake"):
        (folder / label).mkdir(parents=True)
    for number, image in enumerate([*(face(seed) for seed in range(3)), *map(texture, range(3))]):
        Image.fromarray(image).save(folder / "0_real" / f"{number}.png")
        for name in ("JPEG 90", "mirrored"):
            Image.fromarray(COPIES[name](image)).save(folder / "1_fake" / f"{number} {name}.png")
    return folder


def test_pairs_of_hashes_are_bounded_and_what_is_left_out_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashes = _hashes(2_000)
    hashes[7] = hashes[1_500]  # next to each other in every order
    whole, unseen = candidates(hashes)
    assert not unseen
    assert not str(unseen)
    monkeypatch.setattr(search, "COMPARED", 100_000)
    rows, unseen = candidates(hashes)
    assert 0 < unseen.agreeing - unseen.uncompared <= 100_000
    assert unseen.agreeing > 500_000
    assert f"{unseen.uncompared:,} of {unseen.agreeing:,} pairs of hashes" in str(unseen)
    assert [7, 1_500, 0, 0] in rows.tolist()
    assert {tuple(row) for row in rows.tolist()} <= {tuple(row) for row in whole.tolist()}


def test_pairs_are_dropped_on_the_way_without_another_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flips = np.random.default_rng(1).integers(1, 63, (150, 3)).tolist()
    near = [0b1010 ^ sum({1 << bit for bit in bits}) for bits in flips]
    hashes = [*_hashes(100), *((value, 0b0110) for value in near)]
    whole, unseen = candidates(hashes)
    monkeypatch.setattr(search, "_PRUNE", 50)
    rows, pruned = candidates(hashes)
    assert np.array_equal(rows, whole)
    assert pruned == unseen
    assert unseen.crowded
    assert f"of {unseen.crowded} images the {PARTNERS} nearest" in str(unseen)


def test_memory_grows_with_the_images_not_with_their_square() -> None:
    def peak(count: int) -> int:
        hashes: Hashes = [(0b1010, 0b0110)] * count
        tracemalloc.start()
        candidates(hashes)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(4_000) < 6 * peak(1_000)


def test_pixels_are_compared_of_the_nearest_and_the_others_counted(
    copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _audit(copies, tmp_path / "out")
    assert whole.lookalikes is not None
    assert whole.lookalikes.left_out == ""
    assert whole.lookalikes.across_classes.pairs == 12
    assert not any("bounded" in line for line in remarks(whole))
    monkeypatch.setattr(lookalikes, "LOOKS", 4)
    found = _audit(copies, tmp_path / "out").lookalikes
    assert found is not None
    assert found.across_classes.more
    assert found.across_classes.pairs <= 4
    assert "the pixels of " in found.left_out
    (line,) = [line for line in remarks(_audit(copies, tmp_path / "out")) if "bounded" in line]
    assert line == f"note: the search for near duplicates is bounded: {found.left_out}"


def test_contents_and_their_places_are_those_of_the_naive_loop() -> None:
    generator = np.random.default_rng(3)
    for _ in range(30):
        manifests = {}
        for name in ("a", "b", "c"):
            samples = [
                Sample(
                    id=f"{label}/{number}",
                    label=label,
                    source=SyntheticSource(number),
                    sha256=str(generator.choice(["x", "y", "z", UNREADABLE, f"{name}{number}"])),
                )
                for label in (0, 1)
                for number in range(int(generator.integers(0, 5)))
            ]
            manifests[name] = Manifest(name, tuple(samples))
        naive: dict[tuple[str, int], dict[str, list[str]]] = {}
        for name, manifest in manifests.items():
            for sample in manifest.samples:
                if sample.sha256 != UNREADABLE:
                    lists = naive.setdefault((sample.sha256, sample.label), {})
                    lists.setdefault(name, []).append(sample.id)
        found = [((content, label), places) for content, label, places in ContentPlaces(manifests)]
        assert found == list(naive.items())
        both = {content for content, label in naive if {(content, 0), (content, 1)} <= {*naive}}
        assert len(find_duplicates(manifests).both_classes) == len(both)


def test_thumbnails_on_disk_give_the_same_audit(
    copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _audit(copies, tmp_path / "out")
    written = []
    keep = ThumbnailFile.keep
    monkeypatch.setattr(audited, "IN_MEMORY", 10)
    monkeypatch.setattr(
        ThumbnailFile, "keep", lambda self, image: written.append(1) or keep(self, image)
    )
    assert _audit(copies, tmp_path / "out") == held
    assert len(written) == 18
    names = [path.name for path in (tmp_path / "out" / "cache").iterdir()]
    assert names == ["hashes"]  # the file has no name, and goes with the audit


def test_a_file_of_thumbnails_gives_each_back(tmp_path: Path) -> None:
    file = ThumbnailFile(tmp_path)
    images = [thumbnail(face(seed)) for seed in range(4)]
    kept = [file.keep(image) for image in images]
    for image, each in reversed(list(zip(images, kept, strict=True))):
        assert np.array_equal(np.asarray(each), image)


def test_file_facts_of_very_many_images_are_judged_on_a_draw_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = synthetic_suite(100, tmp_path)
    selection = Selection(suite=suite, subsets=suite.subsets)

    def made() -> SuiteAudit:
        return audit_suite(selection, find_root(suite, None), tmp_path, depth="audit")

    (subset,) = made().subsets
    assert subset.by_file is not None
    assert (subset.by_file.accuracy, subset.by_file.note) == (0.5, "")
    monkeypatch.setattr(shortcuts, "JUDGED", 60)
    audit = made()
    (subset,) = audit.subsets
    assert subset.by_file is not None
    assert subset.by_file.note == "by 60 images drawn from 100"
    assert "note: all: file facts are judged by 60 images drawn from 100" in remarks(audit)
