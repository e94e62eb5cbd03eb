"""One pass over the images of a test set: is it what it should be, and what can a number mean?

Three depths: headers alone; every image decoded; and a full audit, which also asks whether the
files give the class away and what is in the set twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from tqdm import tqdm

from harness.api import FileHeader
from harness.audit.duplicates import ContentPlaces, Duplicates, find_duplicates
from harness.audit.findings import (
    CLASS_NAMES,
    Finding,
    SubsetAudit,
    audit_subset,
    missing_subset,
)
from harness.audit.likeness import (
    KeptThumbnail,
    Thumbnail,
    ThumbnailFile,
    perceptual_hashes,
    thumbnail,
)
from harness.audit.lookalikes import Content, Lookalikes, Overlap, find_lookalikes, find_overlap
from harness.audit.shortcuts import file_facts, judge
from harness.audit.traces import BLOCKY, blockiness, traces
from harness.data import decode
from harness.data.adapters import extra_folders, subset_folder
from harness.data.folders import find_folder
from harness.data.loader import ordered_map
from harness.data.manifest import load_manifest
from harness.data.places import Folder
from harness.data.sample import UNREADABLE, Manifest, Sample
from harness.data.suite import Selection, Subset, Suite
from harness.errors import BadImageError, DataError

Depth = Literal["headers", "pixels", "audit"]
_LOSSLESS = ("PNG", "BMP", "TIFF", "PPM", "GIF")


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Look:
    """What one reading of a file gave.

    Args:
        header: what it says of itself.
        note: what was passed over in reading it, "" when nothing.
        lossless: whether its coding keeps every pixel; this and what follows, of an audit only.
        blockiness: of its pixels, None where it is too small.
        hashes: perceptual, of it and of its mirror image, None for a nearly flat image.
        thumbnail: its pixels, small.
    """

    header: FileHeader
    note: str = ""
    lossless: bool = False
    blockiness: float | None = None
    hashes: tuple[int, int] | None = None
    thumbnail: Thumbnail | KeptThumbnail | None = None


IN_MEMORY = 50_000
"""Images whose thumbnails are held in memory, 200 MB; those of more go to a file."""

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
class SuiteAudit:
    """One suite.

    Args:
        suite, title: which one.
        root: its folder.
        depth: what was looked at.
        subsets: one audit for every selected subset, in the declared order.
        known_extras, unknown_extras: folders that are there and not scored.
        duplicates: equal files, over the subsets that are there.
        lookalikes: near duplicates, of a full audit.
        overlap: with a training set, where one was named.
        exact_only: that set's images were not at hand: near duplicates were not looked for.
    """

    suite: str
    title: str
    root: str
    depth: Depth
    subsets: tuple[SubsetAudit, ...]
    known_extras: tuple[str, ...]
    unknown_extras: tuple[str, ...]
    duplicates: Duplicates
    lookalikes: Lookalikes | None = None
    overlap: Overlap | None = None
    exact_only: bool = False

    @property
    def ok(self) -> bool:
        """Whether all data is there and readable."""
        return not any(f.level == "error" for subset in self.subsets for f in subset.findings)


def audit_suite(
    selection: Selection,
    root: Folder,
    out: Path,
    *,
    depth: Depth = "headers",
    against: TrainingImages | None = None,
    workers: int = 4,
) -> SuiteAudit:
    """Everything that can be said of the selected subsets before a detector runs.

    Args:
        selection: what to look at.
        root: the suite's folder, from ``harness.registry.suites.find_root``.
        out: output folder, for the hash cache.
        depth: headers alone do not show a truncated file.
        against: training images to look for in the suite, by a full audit.
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
    looks = look(samples, suite.name, depth, folder=out / "cache", workers=workers)
    subsets = []
    for subset in selection.subsets:
        if subset.name in missing:
            subsets.append(missing[subset.name])
            continue
        manifest = manifests[subset.name]
        audited = _audited(subset, manifest, looks, root)
        subsets.append(_with_evidence(audited, manifest, looks) if depth == "audit" else audited)
    known_extras, unknown_extras = _extras(suite, root)
    made = SuiteAudit(
        suite=suite.name,
        title=suite.title,
        root=str(root),
        depth=depth,
        subsets=tuple(subsets),
        known_extras=known_extras,
        unknown_extras=unknown_extras,
        duplicates=find_duplicates(manifests),
    )
    if depth != "audit":
        return made
    contents = _contents(manifests, looks)
    made = replace(made, lookalikes=find_lookalikes(contents))
    if against is None:
        return made
    return replace(
        made,
        overlap=find_overlap(contents, _training(against, out, workers), against.name),
        exact_only=against.manifest is None,
    )


def look(
    samples: Iterable[Sample], name: str, depth: Depth, *, folder: Path, workers: int
) -> Looks:
    """Reads every distinct content once.

    Args:
        samples: of one or several manifests.
        name: beside the progress bar.
        depth: how closely.
        folder: where thumbnails of very many images go, as long as they are needed.
        workers: threads.
    """
    distinct = {_content(sample): sample for sample in samples}
    found: dict[str, Look | BadImageError] = {}
    headers: dict[FileHeader, FileHeader] = {}  # millions of files have few headers
    file = ThumbnailFile(folder) if depth == "audit" and len(distinct) > IN_MEMORY else None
    outcomes = ordered_map(partial(_look, depth=depth), distinct.values(), workers=workers)
    for outcome in tqdm(outcomes, f"look {name}", total=len(distinct), unit="img", leave=False):
        error = outcome.error
        seen = error if isinstance(error, BadImageError) else outcome.get()
        if isinstance(seen, Look):
            kept = seen.thumbnail
            if file is not None and isinstance(kept, np.ndarray):
                kept = file.keep(kept)
            header = headers.setdefault(seen.header, seen.header)
            seen = replace(seen, header=header, thumbnail=kept)
        found[_content(outcome.item)] = seen
    return found


def _look(sample: Sample, depth: Depth) -> Look:
    data, name = decode.read_bytes(sample), decode.display_name(sample)
    notes: list[str] = []
    header = decode.read_header(data, name, notes)
    pixels = decode.decode(data, name, notes) if depth != "headers" else None
    read = Look(header=header, note=next(iter(notes), ""))
    if depth != "audit" or pixels is None:
        return read
    return replace(
        read,
        # A WebP file is of either kind; the chunk that holds the pixels says which.
        lossless=header.format in _LOSSLESS or (header.format == "WEBP" and b"VP8L" in data[:64]),
        blockiness=blockiness(pixels),
        hashes=perceptual_hashes(pixels),
        thumbnail=thumbnail(pixels),
    )


def _content(sample: Sample) -> str:
    return decode.display_name(sample) if sample.sha256 == UNREADABLE else sample.sha256


def _audited(subset: Subset, manifest: Manifest, looks: Looks, root: Folder) -> SubsetAudit:
    """What headers and folders say of a subset."""
    headers: dict[str, FileHeader | BadImageError] = {}
    notes: dict[str, str] = {}
    for sample in manifest.samples:
        seen = looks[_content(sample)]
        headers[sample.id] = seen.header if isinstance(seen, Look) else seen
        if isinstance(seen, Look) and seen.note:
            notes[sample.id] = seen.note
    folder = str(subset_folder(subset, root) or "")
    audit = audit_subset(subset, manifest, headers, folder=folder)
    more = []
    if notes:
        first = min(notes)
        text = f"{len(notes)} files with damaged metadata, such as {first}: it {notes[first]}"
        more.append(Finding(level="note", text=text))
    places = {str(place) for name in subset.folders if (place := find_folder(root, name))}
    others = sorted(PurePosixPath(place).name for place in places - {folder})
    if others:
        used = PurePosixPath(folder).name
        text = f"{used} is used; {', '.join(others)} is there too and is not scored"
        more.append(Finding(level="warning", text=text))
    return replace(audit, findings=(*audit.findings, *more))


def _with_evidence(audited: SubsetAudit, manifest: Manifest, looks: Looks) -> SubsetAudit:
    """Adds what files and pixels give away."""
    seen = [(s, found) for s in manifest.samples if isinstance(found := looks[_content(s)], Look)]
    ids, labels = [sample.id for sample, _ in seen], [sample.label for sample, _ in seen]
    of_header = {found.header: file_facts(found.header) for _, found in seen}
    facts = [of_header[found.header] for _, found in seen]
    # Below the limit blockiness tells of texture, not of a former JPEG.
    grid = {"blockiness": [max(found.blockiness or 0.0, BLOCKY) for _, found in seen]}
    grids: dict[int, list[float]] = {label: [] for label in CLASS_NAMES}
    for sample, found in seen:
        if found.lossless and found.blockiness is not None:
            grids[sample.label].append(found.blockiness)
    return replace(
        audited,
        traces={name: traces(grids[label]) for label, name in CLASS_NAMES.items()},
        by_file=judge(ids, labels, facts),
        by_file_and_grid=judge(ids, labels, facts, grid),
    )


def _extras(suite: Suite, root: Folder) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders that are there and not scored: those that the suite knows of, and the others."""
    if any(subset.folders for subset in suite.subsets):
        found = extra_folders(suite, root)
    else:  # own data and the embedded suite have no folder names to compare with
        found = sorted({str(PurePosixPath(name).parent) for name in suite.left_out})
    known = {name.casefold() for name in suite.known_extras}
    return (
        tuple(name for name in found if name.casefold() in known),
        tuple(name for name in found if name.casefold() not in known),
    )


def _contents(manifests: Mapping[str, Manifest], looks: Looks) -> list[Content]:
    """Every readable content once for each label that it bears."""
    holders: dict[frozenset[str], frozenset[str]] = {}  # of millions of contents a few
    contents = []
    for content, label, found in ContentPlaces(manifests):
        seen = looks[content]
        if not isinstance(seen, Look):
            continue
        subsets = frozenset(found)
        contents.append(
            Content(
                places=tuple(f"{subset}/{name}" for subset, ids in found.items() for name in ids),
                subsets=holders.setdefault(subsets, subsets),
                label=label,
                sha256=content,
                hashes=seen.hashes,
                thumbnail=seen.thumbnail,
            )
        )
    return contents


def _training(against: TrainingImages, out: Path, workers: int) -> Sequence[Content]:
    name = against.name
    if against.manifest is not None:
        looks = look(against.manifest.samples, name, "audit", folder=out / "cache", workers=workers)
        return _contents({name: against.manifest}, looks)
    # Of images that are only listed nothing but the content matters here.
    return [
        Content(places=(name,), subsets=frozenset({name}), label=0, sha256=content)
        for content in sorted(against.contents)
    ]
