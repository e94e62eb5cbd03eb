"""The training images that a test set is compared with: a declared set, a run's, or one's own."""

from __future__ import annotations

import json
from pathlib import Path

from harness.audit.suite import TrainingImages
from harness.checkpoints import run_weights
from harness.checkpoints.files import sha256_of
from harness.data.remote import is_url
from harness.data.sample import Manifest
from harness.errors import DataError, UsageError, printable
from harness.training import datasets


def declared_images(name: str, data_root: Path | None, out: Path) -> TrainingImages:
    """The images of a declared training set; ``out/cache`` remembers content hashes.

    Raises:
        HarnessError: there is no such set, or it is not at hand.
    """
    return _of_manifest(datasets.declared(name, data_root=data_root, cache=out).train)


def images_in(given: str, data_root: Path | None, out: Path) -> TrainingImages:
    """The images of a training run, or of one's own folder or list.

    Raises:
        HarnessError: none of these, or a run that neither lists its images nor was made of a
            declared set that is at hand.
    """
    place = Path(given)
    if (place / run_weights.RECORD).is_file():
        return _of_run(place, data_root, out)
    if not (place.exists() or is_url(given) or "{" in given):
        raise UsageError(
            f"--train-data {place}: no such folder or file",
            hint="give a training run's folder, or a folder with 0_real and 1_fake",
        )
    return _of_manifest(datasets.own(given, given, out).train)


def _of_manifest(manifest: Manifest) -> TrainingImages:
    contents = frozenset(sample.sha256 for sample in manifest.samples)
    return TrainingImages(name=printable(manifest.name), contents=contents, manifest=manifest)


def _of_run(place: Path, data_root: Path | None, out: Path) -> TrainingImages:
    """A run's images where its declared set is at hand, else their contents as the run lists them.

    A list counts only if it is the one of the record beside it: its sha256 is the digest there.
    """
    record = json.loads((place / run_weights.RECORD).read_text(encoding="utf-8"))
    name = str(record.get("trained_on", "")) or "unknown data"
    digest = record.get("train", {}).get("digest")
    if name in datasets.DECLARED:
        try:
            train = datasets.declared(name, data_root=data_root, cache=out).train
            if train.digest == digest:
                return _of_manifest(train)
        except DataError:
            pass  # not at hand
    listed = place / run_weights.IMAGES
    if not listed.is_file() or sha256_of(listed) != digest:
        raise DataError(
            f"{place}: trained on {name}, whose images the run does not list",
            hint="give --train-data the folder or list that it was trained on",
        )
    return TrainingImages(
        name=printable(f"{name} (as {listed} lists it)"), contents=run_weights.trained_on(place)
    )
