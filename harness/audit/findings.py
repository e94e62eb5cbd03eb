"""What can be said of a test set before any detector sees it: pure functions of names and headers.

A finding is an error (data is absent or unreadable), a warning (numbers may not mean what they
seem to) or a note. Nothing here reads a file; ``harness.audit.suite`` does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Literal

from harness.api import FAKE, REAL, FileHeader
from harness.audit.shortcuts import Shortcut, table_name
from harness.audit.traces import Traces
from harness.data.folders import say_left_out
from harness.data.sample import Manifest, Sample
from harness.data.suite import Subset
from harness.errors import BadImageError

CLASS_NAMES = {REAL: "real", FAKE: "fake"}
EXAMPLES = 5
"""How many file names a finding shows."""

Level = Literal["error", "warning", "note"]
LEVELS = ("error", "warning", "note")
Headers = Mapping[str, FileHeader | BadImageError]
"""Sample id -> its header, or why it has none."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a user should know."""

    level: Level
    text: str


_error = partial(Finding, level="error")
_warning = partial(Finding, level="warning")
_note = partial(Finding, level="note")


@dataclass(frozen=True, kw_only=True)
class ClassFacts:
    """One class of one subset.

    Args:
        images: files, readable or not.
        formats, sizes, jpeg_qualities: value -> readable images; a size is ``WIDTHxHEIGHT``.
        aspects: width by height, two decimals -> readable images.
        modes: Pillow's colour mode -> readable images.
        tables: quality and digest of the quantisation tables, subsampling -> JPEG images.
        metadata: ``EXIF``, ``ICC``, ``several frames`` or ``none`` -> readable images.
        exif: readable images with EXIF data.
        photo_names: files named as cameras and photo data sets name theirs.
        photo_name_example: one of these, "" when there is none.
    """

    images: int
    formats: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    jpeg_qualities: Mapping[str, int] = field(default_factory=dict)
    aspects: Mapping[str, int] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, int] = field(default_factory=dict)
    exif: int = 0
    photo_names: int = 0
    photo_name_example: str = ""

    @property
    def readable(self) -> int:
        """Images whose header could be read."""
        return sum(self.formats.values())


@dataclass(frozen=True, kw_only=True)
class SubsetAudit:
    """One subset: counts, facts by class, findings.

    Args:
        subset: its name.
        folder: where it was found, "" when missing or not a folder.
        present: False when the subset is absent; ``findings`` say where it was looked for.
        expected_real, expected_fake, counts_source, certainty: as declared.
        real, fake: facts by class.
        unreadable: file -> reason.
        digest: of the manifest, "" when missing.
        findings: most serious first.
        traces: ``real`` / ``fake`` -> former JPEGs; this and what follows, of a full audit only.
        by_file: how far file facts alone get.
        by_file_and_grid: the same with one more fact, the blockiness where it tells of a JPEG.
    """

    subset: str
    folder: str = ""
    present: bool = True
    expected_real: int | None
    expected_fake: int | None
    counts_source: str
    certainty: str
    real: ClassFacts
    fake: ClassFacts
    unreadable: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    findings: tuple[Finding, ...]
    traces: Mapping[str, Traces] = field(default_factory=dict)
    by_file: Shortcut | None = None
    by_file_and_grid: Shortcut | None = None


# ImageNet, COCO, FFHQ-like plain numbers are left out: generators number their output too.
_PHOTO_NAME = re.compile(
    r"(n\d{8}_\d+|ILSVRC2012_(val|test)_\d+|COCO_(train|val|test)20\d\d_\d+"
    r"|(DSC[_FN]?|DSCF|IMG_|_MG_|P10|PXL_|GOPR|DJI_)\d{3,}.*)",
    re.IGNORECASE,
)


def looks_like_photo_name(name: str) -> bool:
    """Whether a file name follows a camera or a photo data set (ImageNet, COCO)."""
    path = PurePosixPath(name)
    return path.suffix == ".JPEG" or any(
        _PHOTO_NAME.fullmatch(part) for part in path.stem.split("--")
    )


def class_facts(samples: Sequence[Sample], headers: Headers) -> ClassFacts:
    """Facts of the samples of one class."""
    read = [h for s in samples if isinstance(h := headers[s.id], FileHeader)]
    photos = [s.id for s in samples if looks_like_photo_name(s.id)]
    return ClassFacts(
        images=len(samples),
        formats=_ranked(header.format for header in read),
        sizes=_ranked(f"{header.width}x{header.height}" for header in read),
        jpeg_qualities=_ranked(str(h.jpeg_quality) for h in read if h.jpeg_quality is not None),
        aspects=_ranked(f"{header.width / header.height:.2f}" for header in read),
        modes=_ranked(header.mode for header in read),
        tables=_ranked(table_name(header) for header in read if header.quantization),
        metadata=_ranked(name for header in read for name in metadata_names(header)),
        exif=sum(header.has_exif for header in read),
        photo_names=len(photos),
        photo_name_example=photos[0] if photos else "",
    )


def metadata_names(header: FileHeader) -> tuple[str, ...]:
    """What a file carries beside its pixels, ``("none",)`` when nothing."""
    carried = {
        "EXIF": header.has_exif,
        "ICC": header.has_icc,
        "several frames": header.frames > 1,
    }
    return tuple(name for name, there in carried.items() if there) or ("none",)


def _ranked(values: Iterable[str]) -> dict[str, int]:
    """Value -> count, commonest first, ties by name."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def audit_subset(
    subset: Subset, manifest: Manifest, headers: Headers, *, folder: str = ""
) -> SubsetAudit:
    """What counts, names and headers say of a subset that is there."""
    real, fake = (
        class_facts([s for s in manifest.samples if s.label == label], headers)
        for label in CLASS_NAMES
    )
    unreadable = {
        sample.id: problem.reason
        for sample in manifest.samples
        if isinstance(problem := headers[sample.id], BadImageError)
    }
    signs = swap_signs(subset, real, fake)
    expected_real, expected_fake = subset.expected(real.images, fake.images)
    findings = [*_of_counts(subset, real, fake), *_of_files(manifest, unreadable)]
    if signs:
        text = f"0_real and 1_fake may be swapped ({len(signs)} of 4 signs; none is a proof): "
        findings.append(_warning(text=text + "; ".join(signs)))
    findings += _of_shortcuts(real, fake)
    return SubsetAudit(
        subset=subset.name,
        folder=folder,
        expected_real=expected_real,
        expected_fake=expected_fake,
        counts_source=subset.counts_source,
        certainty=subset.certainty,
        real=real,
        fake=fake,
        unreadable=unreadable,
        digest=manifest.digest,
        findings=tuple(sorted(findings, key=lambda each: LEVELS.index(each.level))),
    )


def missing_subset(subset: Subset, reason: str) -> SubsetAudit:
    """The audit of a subset that is not there."""
    return SubsetAudit(
        subset=subset.name,
        present=False,
        expected_real=subset.n_real,
        expected_fake=subset.n_fake,
        counts_source=subset.counts_source,
        certainty=subset.certainty,
        real=ClassFacts(images=0),
        fake=ClassFacts(images=0),
        findings=(_error(text=f"missing: {reason}"),),
    )


def _of_counts(subset: Subset, real: ClassFacts, fake: ClassFacts) -> Iterator[Finding]:
    n_real, n_fake = subset.expected(real.images, fake.images)
    for label, facts, expected in (("real", real, n_real), ("fake", fake, n_fake)):
        if facts.images == 0 and expected:
            yield _error(text=f"no {label} images: this subset has both classes, and AP needs both")
        elif label == "real" and facts.images == 0 and expected == 0:
            yield _note(text="fakes alone, as published: hits are shown, ACC and AP do not exist")
        elif facts.images == 0 and expected is None:
            left = "false alarms" if label == "fake" else "misses"
            yield _note(text=f"no {label} images: {left} can be counted here, AP is not defined")
        elif expected is not None and facts.images != expected:
            yield _warning(
                text=f"{facts.images} {label} images, expected {expected} ({subset.certainty})"
            )


def _of_files(manifest: Manifest, unreadable: Mapping[str, str]) -> Iterator[Finding]:
    if left_out := say_left_out(manifest.left_out):
        yield _warning(text=left_out)
    if unreadable:
        shown = "; ".join(f"{name} {why}" for name, why in list(unreadable.items())[:EXAMPLES])
        more = f"; and {len(unreadable) - EXAMPLES} more" if len(unreadable) > EXAMPLES else ""
        yield _error(text=f"{len(unreadable)} unreadable or damaged: {shown}{more}")


def swap_signs(subset: Subset, real: ClassFacts, fake: ClassFacts) -> list[str]:
    """The evidence that the two class folders were exchanged, in words; empty when none.

    The four signs: unbalanced expected counts that fit only when exchanged; names of photo data
    sets among the fakes only; EXIF data among the fakes only; reals that are all PNG of one square
    size beside fakes that are JPEG of many sizes.
    """
    if not real.readable or not fake.readable:
        return []
    signs = []
    expected, found = (subset.n_real, subset.n_fake), (real.images, fake.images)
    if expected != found and expected == found[::-1] and None not in expected:
        signs.append(
            f"counts fit only when swapped (found {found[0]} real / {found[1]} fake, expected "
            f"{expected[0]} / {expected[1]}, {subset.certainty})"
        )
    if fake.photo_names >= 0.5 * fake.images and real.photo_names <= 0.1 * real.images:
        signs.append(
            f"{fake.photo_names} of {fake.images} files in 1_fake are named like photographs "
            f"(such as {fake.photo_name_example}), {real.photo_names} of {real.images} in 0_real"
        )
    if fake.exif >= 0.1 * fake.readable and real.exif == 0:
        signs.append(f"{fake.exif} of {fake.readable} fakes carry EXIF data and no real does")
    if _like_generator_output(real) and _like_photographs(fake):
        signs.append(
            f"all reals are PNG of {next(iter(real.sizes))}, while the fakes are JPEG of "
            f"{len(fake.sizes)} sizes"
        )
    return signs


def _like_generator_output(facts: ClassFacts) -> bool:
    if list(facts.formats) != ["PNG"] or len(facts.sizes) != 1:
        return False
    width, height = map(int, next(iter(facts.sizes)).split("x"))
    return width == height and width % 32 == 0


def _like_photographs(facts: ClassFacts) -> bool:
    return facts.formats.get("JPEG", 0) >= 0.9 * facts.readable and len(facts.sizes) >= 3


def _of_shortcuts(real: ClassFacts, fake: ClassFacts) -> Iterator[Finding]:
    """Attributes of which one value alone tells the classes apart, from 60 % balanced accuracy."""
    for what, of_real, of_fake in (
        ("format", real.formats, fake.formats),
        ("size", real.sizes, fake.sizes),
        ("JPEG quality", real.jpeg_qualities, fake.jpeg_qualities),
    ):
        value, accuracy = best_single_value(of_real, of_fake)
        if accuracy < 0.6:
            continue
        share_real = of_real.get(value, 0) / sum(of_real.values())
        share_fake = of_fake.get(value, 0) / sum(of_fake.values())
        yield _warning(
            text=f"{what} {value} alone tells the classes apart with a balanced accuracy of "
            f"{accuracy:.1%}: {share_real:.1%} of the reals have it, {share_fake:.1%} of the fakes"
        )
    mixed = [
        f"{name}: {len(facts.sizes)} sizes, {', '.join(list(facts.sizes)[:3])}, ..."
        for name, facts in (("real", real), ("fake", fake))
        if len(facts.sizes) > 3
    ]
    if mixed:
        yield _note(text=f"mixed sizes ({'; '.join(mixed)})")


def best_single_value(of_real: Mapping[str, int], of_fake: Mapping[str, int]) -> tuple[str, float]:
    """The value whose presence separates two count tables best, and its balanced accuracy.

    The balanced accuracy of "has this value" as a rule, in either direction, is
    ``(1 + |share of reals - share of fakes|) / 2``. An empty table gives ``("", 0.5)``.
    """
    n_real, n_fake = sum(of_real.values()), sum(of_fake.values())
    if not n_real or not n_fake:
        return "", 0.5
    gaps = {
        value: abs(of_real.get(value, 0) / n_real - of_fake.get(value, 0) / n_fake)
        for value in sorted({*of_real, *of_fake})
    }
    value = max(gaps, key=gaps.__getitem__)
    return value, (1 + gaps[value]) / 2
