"""Twins: the same detectors on the same images, put through one path, to stand beside the first.

A codec twin gives both classes the same size and the same file format: what a number loses there
was size or format. A geometry twin replaces the published resize or crop and nothing else. Source
of the first: Grommelt et al., "Fake or JPEG?" (arXiv 2403.17608), whose unbiased sets are JPEG 96
at one size.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.decode import display_name, read_bytes, read_header
from harness.data.loader import ordered_map
from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.data.sample import Sample
from harness.data.source import Source
from harness.data.suite import Selection, Suite
from harness.engine.scorer import Job
from harness.errors import BadImageError, DataError, unknown_name
from harness.registry.suites import find_root

CODEC = {
    "jpeg96": "both classes cropped to one size, then JPEG of quality 96",
    "png": "both classes resized to one size, then kept without loss",
}
GEOMETRY = {
    "native": "no resize, no crop",
    "center_crop": "a central square in place of a resize",
    "resize": "resized to the detector's evaluation size, ratio not kept",
}
TWINS = {**CODEC, **GEOMETRY}
"""Name -> what it does to every image, real and fake alike."""

LARGEST_SIDE, SMALLEST_SIDE, BLOCK = 256, 64, 16
"""The one size of a suite lies between these, a multiple of JPEG's 4:2:0 unit."""

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A job under another treatment of the images.

    Args:
        name: of :data:`TWINS`.
        first: the job as asked for.
        job: the same with the treatment.
        reasons: suite -> why there is no twin on it; the job is then as asked for there.
    """

    name: str
    first: Job
    job: Job
    reasons: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SuiteSizes:
    """The (height, width) of every image of a suite, by how many have it."""

    counts: Mapping[Size, int]

    @property
    def side(self) -> int:
        """One size for all: what 99 of 100 images hold, within the module's bounds."""
        shorter = np.repeat([min(size) for size in self.counts], list(self.counts.values()))
        side = min(int(np.percentile(shorter, 1)), LARGEST_SIDE)
        return max(side // BLOCK * BLOCK, SMALLEST_SIDE)

    def square(self, side: int) -> str:
        """Text of the central square; where images are smaller, of them repeated to fill it."""
        small = min(map(min, self.counts)) < side
        return f"tile({side})|center_crop({side})" if small else f"center_crop({side})"


def suite_sizes(suite: Suite, data_root: Path | None, *, workers: int = 4) -> SuiteSizes:
    """The sizes of all images of the suite's subsets that are there, from their headers.

    Of the whole suite, whatever part of it is scored, so that every run means the same twin.

    Raises:
        DataError: no image could be read.
    """
    root = find_root(suite, data_root)
    found: dict[Source, Sample] = {}
    for subset in suite.subsets:
        try:
            samples = suite.adapter(suite, subset, root)
        except DataError:
            continue
        found.update({sample.source: sample for sample in samples})
    counts: Counter[Size] = Counter()
    for outcome in ordered_map(_size, found.values(), workers=workers):
        if not isinstance(outcome.error, BadImageError):
            counts[outcome.get()] += 1
    if not counts:
        raise DataError(f"suite {suite.name}: no readable image in {root}")
    return SuiteSizes(counts=counts)


def _size(sample: Sample) -> Size:
    header = read_header(read_bytes(sample), display_name(sample))
    return header.height, header.width


def require_known(names: Iterable[str]) -> None:
    """UsageError when one of the names is no twin's."""
    for name in names:
        if name not in TWINS:
            raise unknown_name("twin", name, TWINS)


def twins(
    names: Iterable[str],
    jobs: Sequence[Job],
    selections: Sequence[Selection],
    data_root: Path | None,
) -> list[Twin]:
    """The twins of jobs on the selected suites, in the order of the names.

    Raises:
        UsageError: an unknown name.
    """
    names = list(dict.fromkeys(names))
    require_known(names)
    if not names:
        return []
    sizes = {s.suite.name: suite_sizes(s.suite, data_root) for s in selections}
    return [_twin(name, job, sizes) for name in names for job in jobs]


def _twin(name: str, job: Job, sizes: Mapping[str, SuiteSizes]) -> Twin:
    if name in CODEC:
        texts = {suite: _codec(name, found) for suite, found in sizes.items()}
        twin = dataclasses.replace(job, perturbation={**job.perturbation, **texts})
        return Twin(name=name, first=job, job=twin, reasons={})
    own: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for suite, found in sizes.items():
        text = geometry_text(name, job, found)
        problem = _problem(name, text, job, found)
        if problem:
            reasons[suite] = problem
        elif parse(text) == parse(job.preprocess_for(suite)):
            reasons[suite] = "that is the geometry of the first row"
        else:
            own[suite] = text
    twin = dataclasses.replace(job, geometry={**job.geometry, **own})
    return Twin(name=name, first=job, job=twin, reasons=reasons)


def _codec(name: str, sizes: SuiteSizes) -> str:
    side = sizes.side
    chain = {"jpeg96": f"{sizes.square(side)}|jpeg(96)", "png": f"resize({side},{side})|png"}
    return str(parse_perturbation(chain[name]))


def geometry_text(name: str, job: Job, sizes: SuiteSizes) -> str:
    """The preprocess text of a geometry twin of images of these sizes."""
    height, width = job.spec.evaluation_size
    if name == "resize":
        return f"resize({height},{width})"
    if name == "center_crop":
        return sizes.square(min(height, width, sizes.side))
    multiple = job.spec.input_rule.multiple_of
    # Where no side is odd the text says so: the record then equals that of a native geometry.
    whole = all(side % multiple == 0 for size in sizes.counts for side in size)
    return "native" if whole else f"crop_multiple({multiple})"


def _problem(name: str, text: str, job: Job, sizes: SuiteSizes) -> str:
    """Why the detector cannot take its images so, "" where it can."""
    rule = job.spec.input_rule
    if name == "center_crop":
        side = min(*job.spec.evaluation_size, sizes.side)
        return rule.problem(side, side)
    if name == "resize":
        return rule.problem(*job.spec.evaluation_size)
    multiple = rule.multiple_of
    fitted = [(h // multiple * multiple, w // multiple * multiple) for h, w in sizes.counts]
    return next((problem for size in fitted if (problem := rule.problem(*size))), "")
