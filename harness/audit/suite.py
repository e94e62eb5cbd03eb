"""Would the files give the class away, and what is in the set twice? One pass over the images.

``check`` asks whether the data is what is declared; this asks what a number on it can mean.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from harness.api import REAL, FileHeader
from harness.audit.duplicates import Duplicates, find_duplicates
from harness.audit.findings import CLASS_NAMES, SubsetAudit, audit_subset, missing_subset
from harness.audit.lookalikes import Lookalikes, Overlap, Picture, find_lookalikes, find_overlap
from harness.audit.shortcuts import Shortcut, file_facts, judge
from harness.audit.traces import BLOCKY, blockiness, perceptual_hashes
from harness.checkpoints import run_weights
from harness.checkpoints.files import sha256_of
from harness.data import decode
from harness.data.adapters import subset_folder
from harness.data.likeness import Thumbnail, thumbnail
from harness.data.loader import ordered_map
from harness.data.manifest import UNREADABLE, load_manifest
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection
from harness.errors import BadImageError, DataError, UsageError, printable
from harness.training import datasets

_LOSSLESS = ("PNG", "BMP", "TIFF", "PPM", "GIF")


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What one reading of a file gave.

    Args:
        header: what it says of itself.
        lossless: whether its coding keeps every pixel.
        blockiness: of its pixels, None where it is too small.
        hashes: perceptual, of it and of its mirror image, None for a nearly flat picture.
        thumbnail: its pixels, small.
    """

    header: FileHeader
    lossless: bool
    blockiness: float | None
    hashes: tuple[int, int] | None
    thumbnail: Thumbnail


Looks = Mapping[str, Look | BadImageError]
"""Content (or path, of a file that cannot be read) -> what was seen."""


@dataclass(frozen=True, kw_only=True)
class TrainingImages:
    """What to look for in a suite.

    Args:
        name: of the training set.
        contents: the sha256 of each of its files.
        manifest: the images, None where only a run's list of them is at hand: near duplicates are
            then not looked for.
    """

    name: str
    contents: frozenset[str]
    manifest: Manifest | None = None


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Former JPEGs among the losslessly coded pictures of a class.

    Args:
        lossless: pictures in PNG and the like, large enough to tell.
        blocky: those of them with a JPEG's grid.
        median: of their blockiness, None where there are none.
    """

    lossless: int
    blocky: int
    median: float | None


@dataclass(frozen=True, kw_only=True)
class SubsetEvidence:
    """One subset.

    Args:
        audit: counts and facts by class, and findings, as ``check`` has them.
        traces: ``real`` / ``fake`` -> former JPEGs.
        by_file: how far file facts alone get.
        by_file_and_grid: the same with one more fact, the blockiness where it tells of a JPEG.
    """

    audit: SubsetAudit
    traces: Mapping[str, Traces]
    by_file: Shortcut
    by_file_and_grid: Shortcut


@dataclass(frozen=True, kw_only=True)
class SuiteEvidence:
    """One suite.

    Args:
        suite, title, root: which one, and where.
        subsets: in the declared order.
        duplicates: equal files.
        lookalikes: near duplicates.
        overlap: with a training set, where one was named.
        exact_only: that set's images were not at hand: near duplicates were not looked for.
    """

    suite: str
    title: str
    root: str
    subsets: tuple[SubsetEvidence, ...]
    duplicates: Duplicates
    lookalikes: Lookalikes
    overlap: Overlap | None = None
    exact_only: bool = False

    @property
    def ok(self) -> bool:
        """Whether all data is there and readable."""
        return not any(f.level == "error" for each in self.subsets for f in each.audit.findings)


def audit(
    selection: Selection,
    root: Path,
    out: Path,
    *,
    against: TrainingImages | None = None,
    workers: int = 4,
) -> SuiteEvidence:
    """Everything that can be said of the selected subsets before a detector runs.

    Args:
        selection: what to look at.
        root: the suite's folder, from ``harness.registry.suites.find_root``.
        out: output folder, for the hash cache.
        against: training images to look for in the suite, from :func:`training_images`.
        workers: threads that read and decode.
    """
    suite = selection.suite
    manifests: dict[str, Manifest] = {}
    missing: dict[str, SubsetAudit] = {}
    for subset in selection.subsets:
        try:
            manifests[subset.name] = load_manifest(suite, subset, root, out, workers=workers)
        except DataError as error:
            missing[subset.name] = missing_subset(subset, error.message)
    samples = [s for manifest in manifests.values() for s in manifest.samples]
    looks = look(samples, suite.name, workers=workers)
    subsets = []
    for subset in selection.subsets:
        if subset.name in missing:
            subsets.append(_nothing(missing[subset.name]))
            continue
        manifest = manifests[subset.name]
        headers = {s.id: _header(looks[_content(s)]) for s in manifest.samples}
        folder = printable(subset_folder(subset, root) or "")
        audited = audit_subset(subset, manifest, headers, folder=folder)
        subsets.append(_evidence(audited, manifest, looks))
    pictures = _pictures(manifests, looks)
    overlap = None
    if against is not None:
        overlap = find_overlap(pictures, _training(against, workers), against.name)
    return SuiteEvidence(
        suite=suite.name,
        title=suite.title,
        root=printable(root),
        subsets=tuple(subsets),
        duplicates=find_duplicates(manifests),
        lookalikes=find_lookalikes(pictures),
        overlap=overlap,
        exact_only=against is not None and against.manifest is None,
    )


def training_images(text: str, out: Path) -> TrainingImages:
    """The training images that ``--against`` names.

    Args:
        text: a declared training set, a training run's folder, or one's own folder or manifest.
        out: output folder, for the hash cache.

    Raises:
        HarnessError: none of these, or a run that neither lists its images nor was made of a
            declared set that is at hand.
    """
    place = Path(text)
    if text in datasets.DECLARED:
        return _of_manifest(datasets.declared(text).train)
    if (place / run_weights.RECORD).is_file():
        return _of_run(place)
    if not place.exists():
        known = ", ".join(datasets.DECLARED)
        raise UsageError(
            f"--against {text}: no training set, and no such folder or file",
            hint=f"name {known}, a training run's folder, or a folder with 0_real and 1_fake",
        )
    return _of_manifest(datasets.own(place, place, out).train)


def _of_manifest(manifest: Manifest) -> TrainingImages:
    contents = frozenset(sample.sha256 for sample in manifest.samples)
    return TrainingImages(name=printable(manifest.name), contents=contents, manifest=manifest)


def _of_run(place: Path) -> TrainingImages:
    """A run's images where its declared set is at hand, else their contents as the run lists them.

    A list counts only if it is the one of the record beside it: its sha256 is the digest there.
    """
    record = json.loads((place / run_weights.RECORD).read_text(encoding="utf-8"))
    name = str(record.get("trained_on", "")) or "unknown data"
    digest = record.get("train", {}).get("digest")
    try:
        train = datasets.declared(name).train if name in datasets.DECLARED else None
    except DataError:
        train = None
    if train is not None and train.digest == digest:
        return _of_manifest(train)
    listed = place / run_weights.IMAGES
    if not listed.is_file() or sha256_of(listed) != digest:
        raise DataError(
            f"{place}: trained on {name}, whose images the run does not list",
            hint="give --against the folder or manifest it was trained on",
        )
    return TrainingImages(
        name=printable(f"{name} (as {listed} lists it)"), contents=run_weights.trained_on(place)
    )


def _training(against: TrainingImages, workers: int) -> list[Picture]:
    if against.manifest is not None:
        looks = look(against.manifest.samples, against.name, workers=workers)
        return _pictures({against.name: against.manifest}, looks)
    name = against.name  # of pictures that are only listed nothing but the content matters here
    return [
        Picture(
            places=(name,),
            subsets=frozenset({name}),
            label=REAL,
            sha256=content,
            hashes=None,
            thumbnail=None,
        )
        for content in sorted(against.contents)
    ]


def look(samples: Iterable[Sample], name: str, *, workers: int) -> Looks:
    """Reads and decodes every distinct content once."""
    distinct = {_content(sample): sample for sample in samples}
    found: dict[str, Look | BadImageError] = {}
    outcomes = ordered_map(_look, distinct.values(), workers=workers)
    for outcome in tqdm(outcomes, f"look {name}", total=len(distinct), unit="img", leave=False):
        if isinstance(outcome.error, BadImageError):
            found[_content(outcome.item)] = outcome.error
        else:
            found[_content(outcome.item)] = outcome.get()
    return found


def _look(sample: Sample) -> Look:
    data, name = decode.read_bytes(sample), decode.display_name(sample)
    pixels = decode.decode(data, name)
    header = decode.read_header(data, name)
    return Look(
        header=header,
        # A WebP file is of either kind; the chunk that holds the pixels says which.
        lossless=header.format in _LOSSLESS or (header.format == "WEBP" and b"VP8L" in data[:64]),
        blockiness=blockiness(pixels),
        hashes=perceptual_hashes(pixels),
        thumbnail=thumbnail(pixels),
    )


def _content(sample: Sample) -> str:
    return decode.display_name(sample) if sample.sha256 == UNREADABLE else sample.sha256


def _header(look: Look | BadImageError) -> FileHeader | BadImageError:
    return look.header if isinstance(look, Look) else look


def _nothing(audited: SubsetAudit) -> SubsetEvidence:
    none = Shortcut(note="no data")
    return SubsetEvidence(audit=audited, traces={}, by_file=none, by_file_and_grid=none)


def _evidence(audited: SubsetAudit, manifest: Manifest, looks: Looks) -> SubsetEvidence:
    seen = [(s, found) for s in manifest.samples if isinstance(found := looks[_content(s)], Look)]
    ids = [sample.id for sample, _ in seen]
    labels = [sample.label for sample, _ in seen]
    facts = [file_facts(found.header) for _, found in seen]
    # Below the limit blockiness tells of texture, not of a former JPEG.
    with_grid = [
        {**fact, "blockiness": max(found.blockiness or 0.0, BLOCKY)}
        for fact, (_, found) in zip(facts, seen, strict=True)
    ]
    return SubsetEvidence(
        audit=audited,
        traces={
            name: _traces([found for sample, found in seen if sample.label == label])
            for label, name in CLASS_NAMES.items()
        },
        by_file=judge(ids, labels, facts),
        by_file_and_grid=judge(ids, labels, with_grid),
    )


def _traces(looks: Sequence[Look]) -> Traces:
    values = [
        found.blockiness for found in looks if found.lossless and found.blockiness is not None
    ]
    return Traces(
        lossless=len(values),
        blocky=sum(value > BLOCKY for value in values),
        median=statistics.median(values) if values else None,
    )


def _pictures(manifests: Mapping[str, Manifest], looks: Looks) -> list[Picture]:
    """Every readable content once for each label that it bears."""
    places: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for subset, manifest in manifests.items():
        for sample in manifest.samples:
            if isinstance(looks[_content(sample)], Look):
                places.setdefault((_content(sample), sample.label), []).append((subset, sample.id))
    pictures = []
    for (content, label), found in places.items():
        seen = looks[content]
        assert isinstance(seen, Look)
        pictures.append(
            Picture(
                places=tuple(f"{subset}/{name}" for subset, name in found),
                subsets=frozenset(subset for subset, _ in found),
                label=label,
                sha256=content,
                hashes=seen.hashes,
                thumbnail=seen.thumbnail,
            )
        )
    return pictures
