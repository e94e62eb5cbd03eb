from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.api import FileHeader
from harness.audit.duplicates import Shared, find_duplicates
from harness.audit.findings import (
    Headers,
    SubsetAudit,
    audit_subset,
    best_single_value,
    looks_like_photo_name,
)
from harness.data.sample import UNREADABLE, Manifest, Sample
from harness.data.source import FileSource
from harness.data.suite import Subset
from harness.errors import BadImageError

PNG = FileHeader(format="PNG", width=256, height=256, mode="RGB")


def _photo(number: int) -> FileHeader:
    """A camera's JPEG: sizes vary, EXIF is there."""
    return FileHeader(
        format="JPEG",
        width=500,
        height=300 + number,
        mode="RGB",
        jpeg_quality=96,
        quantization=((1,) * 64,),
        has_exif=True,
    )


def _samples(label: int, names: list[str]) -> list[Sample]:
    folder = ("0_real", "1_fake")[label]
    return [
        Sample(id=f"{folder}/{name}", label=label, source=FileSource(name), sha256=f"{label}{name}")
        for name in names
    ]


def _audit(
    subset: Subset, classes: dict[int, dict[str, FileHeader | BadImageError]]
) -> SubsetAudit:
    samples = [s for label, named in classes.items() for s in _samples(label, list(named))]
    headers: Headers = {
        sample.id: classes[sample.label][Path(sample.id).name] for sample in samples
    }
    return audit_subset(subset, Manifest("toy/gan", tuple(samples)), headers)


def _texts(audit: SubsetAudit, level: str) -> list[str]:
    return [finding.text for finding in audit.findings if finding.level == level]


PNGS = {f"{number}.png": PNG for number in range(4)}
PHOTOS = {f"n0123456{number}_12.JPEG": _photo(number) for number in range(4)}


def test_a_clean_subset_has_no_findings() -> None:
    audit = _audit(Subset(name="gan", n_real=4, n_fake=4), {0: PNGS, 1: PNGS})
    assert audit.findings == ()
    assert audit.real.formats == {"PNG": 4}
    assert audit.real.sizes == {"256x256": 4}
    assert len(audit.digest) == 64


def test_counts_are_compared_with_what_is_expected() -> None:
    subset = Subset(name="gan", n_real=5, n_fake=4, certainty="third party")
    audit = _audit(subset, {0: PNGS, 1: PNGS})
    assert _texts(audit, "warning") == ["4 real images, expected 5 (third party)"]


@pytest.mark.parametrize("label", [0, 1])
def test_an_empty_class_is_an_error_where_somebody_declares_it(label: int) -> None:
    audit = _audit(Subset(name="gan", n_real=4, n_fake=4), {label: PNGS})
    (text,) = _texts(audit, "error")
    assert text.startswith(f"no {('fake', 'real')[label]} images")


@pytest.mark.parametrize("label", [0, 1])
def test_a_set_of_one_class_is_a_control_where_nobody_declares_the_other(label: int) -> None:
    audit = _audit(Subset(name="mine"), {label: PNGS})
    (text,) = _texts(audit, "note")
    assert text.startswith(f"no {('fake', 'real')[label]} images")
    assert _texts(audit, "error") == []
    assert _audit(Subset(name="control", n_fake=0), {0: PNGS}).findings == ()


def test_either_of_two_likely_counts_is_right() -> None:
    subset = Subset(name="gan", n_real=2, n_fake=2, certainty="inferred", also=((4, 4),))
    audit = _audit(subset, {0: PNGS, 1: PNGS})
    assert (audit.expected_real, audit.expected_fake) == (4, 4)
    assert not any("expected" in finding.text for finding in audit.findings)


def test_unreadable_files_are_errors_and_named_first() -> None:
    broken = {f"x{number}.png": BadImageError("x", "is empty (0 bytes)") for number in range(7)}
    audit = _audit(Subset(name="gan", n_real=4, n_fake=4), {0: PNGS, 1: {**PNGS, **broken}})
    assert audit.findings[0].level == "error"
    assert "7 unreadable or damaged: 1_fake/x0.png is empty (0 bytes)" in audit.findings[0].text
    assert audit.findings[0].text.endswith("and 2 more")
    assert len(audit.unreadable) == 7
    assert (audit.fake.images, audit.fake.readable) == (11, 4)


def _swap_text(audit: SubsetAudit) -> str:
    return next((text for text in _texts(audit, "warning") if "swapped" in text), "")


def test_reals_that_are_photographs_raise_no_suspicion() -> None:
    audit = _audit(Subset(name="gan", n_real=4, n_fake=4), {0: PHOTOS, 1: PNGS})
    assert _swap_text(audit) == ""


def test_swapped_folders_are_suspected_with_their_evidence() -> None:
    text = _swap_text(_audit(Subset(name="gan", n_real=4, n_fake=4), {0: PNGS, 1: PHOTOS}))
    assert "may be swapped (3 of 4 signs; none is a proof)" in text
    assert "4 of 4 files in 1_fake are named like photographs (such as 1_fake/n01234560" in text
    assert "4 of 4 fakes carry EXIF data and no real does" in text
    assert "all reals are PNG of 256x256, while the fakes are JPEG of 4 sizes" in text


def test_unbalanced_counts_that_fit_only_when_swapped_are_a_sign() -> None:
    subset = Subset(name="ddpm", n_real=4, n_fake=2, certainty="inferred")
    few = dict.fromkeys(list(PNGS)[:2], PNG)
    text = _swap_text(_audit(subset, {0: few, 1: PNGS}))
    assert "found 2 real / 4 fake, expected 4 / 2, inferred" in text
    assert _swap_text(_audit(subset, {0: PNGS, 1: few})) == ""
    balanced = dataclasses.replace(subset, n_fake=4)
    assert _swap_text(_audit(balanced, {0: few, 1: PNGS})) == ""


def test_image_to_image_fakes_that_keep_photo_names_are_no_sign() -> None:
    names = {f"n02381460_{number}.png": PNG for number in range(4)}
    assert _swap_text(_audit(Subset(name="cyclegan"), {0: names, 1: names})) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0_real/n02119789_122.JPEG", True),
        ("0_real/882--n04517823_35255.png", True),
        ("ILSVRC2012_val_00000001.png", True),
        ("COCO_val2014_000000000042.png", True),
        ("IMG_20231104_101500.jpg", True),
        ("DSC_0042.jpg", True),
        ("1_fake/000042.png", False),
        ("djumibnmaq.png", False),
        ("851_0005.png", False),
        ("a.b.jpeg", False),
    ],
)
def test_names_of_photographs(name: str, expected: bool) -> None:
    assert looks_like_photo_name(name) is expected


def test_attributes_that_give_the_class_away_are_warnings() -> None:
    audit = _audit(Subset(name="ufd", n_real=4, n_fake=4), {0: PHOTOS, 1: PNGS})
    warnings = _texts(audit, "warning")
    assert any(text.startswith("format JPEG alone") and "100.0%" in text for text in warnings)
    assert any("size 256x256 alone" in text and "0.0% of the reals" in text for text in warnings)
    assert _texts(audit, "note") == ["mixed sizes (real: 4 sizes, 500x300, 500x301, 500x302, ...)"]


def test_best_single_value() -> None:
    assert best_single_value({"JPEG": 9, "PNG": 1}, {"PNG": 5}) == ("JPEG", 0.95)
    assert best_single_value({"a": 1, "b": 1}, {"a": 3, "b": 3}) == ("a", 0.5)
    assert best_single_value({}, {"a": 3}) == ("", 0.5)
    # Many values that occur once each are no rule: one value tells one image.
    many = {str(number): 1 for number in range(100)}
    assert best_single_value(many, {"x": 1, "y": 1})[1] == 0.75


def _manifest(name: str, rows: list[tuple[str, int, str]]) -> Manifest:
    samples = (
        Sample(id=i, label=label, source=FileSource(i), sha256=sha) for i, label, sha in rows
    )
    return Manifest(name, tuple(samples))


def test_duplicates_are_found_inside_across_and_between_classes() -> None:
    duplicates = find_duplicates(
        {
            "a": _manifest("a", [("r1", 0, "R"), ("r2", 0, "S"), ("f1", 1, "F"), ("f2", 1, "F")]),
            "b": _manifest("b", [("r1", 0, "R"), ("r2", 0, "S"), ("f1", 1, "G")]),
            "c": _manifest("c", [("r1", 0, "R"), ("r2", 0, "G"), ("bad", 0, UNREADABLE)]),
            "d": _manifest("d", [("bad", 0, UNREADABLE)]),
        }
    )
    assert duplicates.across == (
        Shared(label="real", subsets=("a", "b"), files=1),
        Shared(label="real", subsets=("a", "b", "c"), files=1),
    )
    assert duplicates.within == {"a": (("f1", "f2"),)}
    assert duplicates.within_files == {"a": 1}
    assert duplicates.both_classes == (("c/r2", "b/f1"),)
    assert duplicates.distinct == {"real": 3, "fake": 2}
    assert duplicates.scored == {"real": 8, "fake": 3}
