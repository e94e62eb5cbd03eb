"""Reads a test set for ``check``: headers (or whole images), hashes, folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from harness.api import FileHeader
from harness.audit.duplicates import Duplicates, find_duplicates
from harness.audit.findings import (
    Finding,
    Headers,
    SubsetAudit,
    audit_subset,
    missing_subset,
)
from harness.data.adapters import extra_folders, subset_folder
from harness.data.decode import decode, display_name, read_bytes, read_header
from harness.data.folders import find_folder
from harness.data.loader import ordered_map
from harness.data.manifest import load_manifest
from harness.data.sample import Manifest, Sample
from harness.data.suite import Selection, Subset
from harness.errors import BadImageError, DataError, printable


@dataclass(frozen=True, kw_only=True)
class SuiteAudit:
    """One suite.

    Args:
        suite, title: which one.
        root: its folder.
        deep: whether every image was decoded, not only its header read.
        subsets: one audit for every selected subset, in order.
        known_extras, unknown_extras: folders that are there and not scored.
        duplicates: over the subsets that are there.
    """

    suite: str
    title: str
    root: str
    deep: bool
    subsets: tuple[SubsetAudit, ...]
    known_extras: tuple[str, ...]
    unknown_extras: tuple[str, ...]
    duplicates: Duplicates

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(f.level == "error" for subset in self.subsets for f in subset.findings)


def audit_suite(
    selection: Selection, root: Path, out: Path, *, deep: bool = False, workers: int = 4
) -> SuiteAudit:
    """Audits the selected subsets of a suite.

    Args:
        selection: what to look at.
        root: the suite's folder, from ``harness.registry.suites.find_root``.
        out: output folder, for the hash cache.
        deep: decode every image; headers alone do not show a truncated file.
        workers: threads.
    """
    suite = selection.suite
    audits: list[SubsetAudit] = []
    manifests: dict[str, Manifest] = {}
    for subset in selection.subsets:
        try:
            manifest = load_manifest(suite, subset, root, out, workers=workers)
        except DataError as error:
            audits.append(missing_subset(subset, error.message))
            continue
        notes: dict[str, str] = {}
        headers = read_headers(manifest, deep=deep, workers=workers, notes=notes)
        folder = subset_folder(subset, root)
        audit = audit_subset(subset, manifest, headers, folder=printable(folder or ""))
        audits.append(_with_shadowed(_with_notes(audit, notes), subset, root))
        manifests[subset.name] = manifest
    known = {name.casefold() for name in suite.known_extras}
    # Own data and the embedded suite have no folder names to compare with.
    named = any(subset.folders for subset in suite.subsets)
    extras = extra_folders(suite, root) if named else _folders(suite.left_out)
    return SuiteAudit(
        suite=suite.name,
        title=suite.title,
        root=printable(root),
        deep=deep,
        subsets=tuple(audits),
        known_extras=tuple(name for name in extras if name.casefold() in known),
        unknown_extras=tuple(name for name in extras if name.casefold() not in known),
        duplicates=find_duplicates(manifests),
    )


def read_headers(
    manifest: Manifest, *, deep: bool, workers: int = 4, notes: dict[str, str] | None = None
) -> Headers:
    """Sample id -> header, or the error with which reading (or, if deep, decoding) it ended.

    Args:
        manifest: the images.
        deep: decode them too.
        workers: threads.
        notes: sample id -> what was passed over in reading it, added here.
    """

    def read(sample: Sample) -> FileHeader:
        data, name = read_bytes(sample), display_name(sample)
        odd: list[str] = []
        header = read_header(data, name, odd)
        if deep:
            decode(data, name, odd)
        if odd and notes is not None:
            notes[sample.id] = odd[0]
        return header

    headers: dict[str, FileHeader | BadImageError] = {}
    outcomes = ordered_map(read, manifest.samples, workers=workers)
    what = "decode" if deep else "headers"
    for outcome in tqdm(
        outcomes, f"{what} {manifest.name}", total=len(manifest.samples), unit="img", leave=False
    ):
        if isinstance(outcome.error, BadImageError):
            headers[outcome.item.id] = outcome.error
        else:
            headers[outcome.item.id] = outcome.get()
    return headers


def _with_notes(audit: SubsetAudit, notes: Mapping[str, str]) -> SubsetAudit:
    """Adds what was passed over in files that could be read."""
    if not notes:
        return audit
    name = min(notes)
    text = f"{len(notes)} files with damaged metadata, such as {name}: it {notes[name]}"
    return replace(audit, findings=(*audit.findings, Finding(level="note", text=text)))


def _folders(names: Iterable[str]) -> list[str]:
    """The folders of files, each once."""
    return sorted({str(PurePosixPath(name).parent) for name in names})


def _with_shadowed(audit: SubsetAudit, subset: Subset, root: Path) -> SubsetAudit:
    """Adds a warning where a second folder bears another accepted name of the subset."""
    found = {folder for name in subset.folders if (folder := find_folder(root, name))}
    others = sorted(folder.name for folder in found if str(folder) != audit.folder)
    if not others:
        return audit
    text = f"{Path(audit.folder).name} is used; {', '.join(others)} is there too and is not scored"
    return replace(audit, findings=(*audit.findings, Finding(level="warning", text=text)))
