"""Training sets: declared ones by name, or a user's own folders and manifests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import FAKE, REAL
from harness.data.adapters import folder_adapter, sample_order
from harness.data.columns import Columns
from harness.data.manifest import load_manifest
from harness.data.own import own_suite
from harness.data.places import Folder
from harness.data.remote import is_url, shown_place
from harness.data.sample import Manifest, Sample
from harness.data.suite import Subset, Suite
from harness.errors import DataError, unknown_name
from harness.registry.suites import find_root
from harness.suites import mini
from harness.training.mini_rule import MINI
from harness.training.recipe import Scaling


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Images to train on and to validate on.

    Args:
        name: stored with the run as what it was trained on.
        geometry: name of the suite whose geometry is this data's, "*" for none.
        scaling: how published recipes are scaled for it; None = not at all.
        note: what its user should know, "" when nothing.
    """

    name: str
    train: Manifest
    val: Manifest
    geometry: str = "*"
    scaling: Scaling | None = None
    note: str = ""

    @property
    def shared(self) -> int:
        """Images of the validation set whose very bytes are in the training set too."""
        known = {sample.sha256 for sample in self.train.samples}
        return sum(sample.sha256 in known for sample in self.val.samples)


def _mini(data_root: Path | None, cache: Path) -> TrainingData:
    return TrainingData(
        name="mini-train",
        train=Manifest("mini-train/train", tuple(sorted(mini.train_samples(), key=sample_order))),
        val=Manifest("mini-train/val", tuple(sorted(mini.val_samples(), key=sample_order))),
        geometry="mini",
        scaling=MINI,
    )


FORENSYNTHS = "forensynths-train"
"""The training set of the paper's rows."""
PROGAN_CLASSES = ("car", "cat", "chair", "horse")
PROGAN_COUNTS = {"train": 144_024, "val": 1_600}
"""Images of these classes, half real and half fake: third parties' counts."""


def _progan(part: str, data_root: Path | None, cache: Path) -> Manifest:
    """``train`` or ``val`` of ForenSynths: the four classes that NPR, LFM and others train on."""
    suite = Suite(
        name=f"forensynths-train-{part}",
        title=f"ForenSynths, {part}, {len(PROGAN_CLASSES)} classes",
        subsets=tuple(Subset(name=name, folders=(name,)) for name in PROGAN_CLASSES),
        adapter=folder_adapter,
        folders=(
            f"ForenSynths_train_val/{part}",
            f"ForenSynths/{part}",
            f"CNNDetection/{part}",
            f"progan_{part}",
            part,
        ),
        obtain=(
            "https://huggingface.co/sywang/CNNDetection: progan_train.7z.001 to .007 (about 75 GB, "
            "20 classes, of which four are used) and progan_val.zip (831 MB); unpack them as "
            "<data root>/ForenSynths_train_val/{train,val}/{car,cat,chair,horse}/{0_real,1_fake}"
        ),
    )
    root = find_root(suite, data_root)
    samples = [
        replace(sample, generator="progan" if sample.label else "photo")
        for sample in _pooled(suite, root, cache)
    ]
    for subset in suite.subsets:
        labels = [sample.label for sample in samples if sample.subset == subset.name]
        if set(labels) != {REAL, FAKE}:
            raise DataError(
                f"{root}/{subset.name}: {labels.count(REAL)} real and {labels.count(FAKE)} fake "
                "images; expected both",
                hint=f"obtain {suite.obtain}",
            )
    return Manifest(f"forensynths-train/{part}", tuple(samples))


def _forensynths(data_root: Path | None, cache: Path) -> TrainingData:
    train, val = (_progan(part, data_root, cache) for part in PROGAN_COUNTS)
    counts = {"train": len(train.samples), "val": len(val.samples)}
    other = "" if counts == PROGAN_COUNTS else f"{counts} images, others count {PROGAN_COUNTS}"
    return TrainingData(name=FORENSYNTHS, train=train, val=val, geometry="forensynths", note=other)


DECLARED: dict[str, Callable[[Path | None, Path], TrainingData]] = {
    FORENSYNTHS: _forensynths,
    "mini-train": _mini,
}
"""Training sets that ``--train-suite`` takes."""


def declared(
    name: str, *, data_root: Path | None = None, cache: Path = Path("runs")
) -> TrainingData:
    """A declared training set.

    Args:
        name: of ``DECLARED``.
        data_root: holds the official sets; None = the environment's LFM_DATA. ``mini-train`` needs
            none.
        cache: output folder whose ``cache/`` remembers content hashes.

    Raises:
        UsageError: unknown name.
        DataError: it is not there, or a part of it is missing; says how to get it.
    """
    if name not in DECLARED:
        raise unknown_name("training set", name, DECLARED)
    given = os.environ.get("LFM_DATA")
    return DECLARED[name](data_root or (Path(given) if given else None), cache)


def own(
    train: str | Path, val: str | Path, cache: Path, columns: Columns | None = None
) -> TrainingData:
    """A user's own data, named after its folder and, because folders share names, its contents.

    Args:
        train, val: whatever ``harness.data.own.own_suite`` takes; several places are pooled.
        cache: output folder whose ``cache/`` remembers content hashes.
        columns: what the columns of tables mean, where their names do not say it.

    Raises:
        DataError: no images, or one class only in the training data.
    """
    place = str(train) if is_url(str(train)) else str(Path(train).resolve())
    # Short, and the same on another machine.
    name = "/".join(shown_place(place).split("/")[-2:])
    sets = []
    for part, given in (("train", train), ("val", val)):
        suite = own_suite(given, columns)
        samples = _pooled(suite, find_root(suite, None), cache)
        if not samples:
            raise DataError(f"{given}: no images")
        sets.append(Manifest(f"{name}/{part}", tuple(samples)))
    contents = hashlib.sha256("".join(manifest.digest for manifest in sets).encode()).hexdigest()
    data = TrainingData(name=f"{name}#{contents[:8]}", train=sets[0], val=sets[1])
    if not data.train.n_real or not data.train.n_fake:
        raise DataError(
            f"{train}: {data.train.n_real} real and {data.train.n_fake} fake images; "
            "training needs both classes",
            hint="sort the images into folders 0_real and 1_fake",
        )
    return data


def _pooled(suite: Suite, root: Folder, cache: Path) -> list[Sample]:
    """The images of all subsets of a suite, sorted."""
    manifests = [load_manifest(suite, subset, root, cache) for subset in suite.subsets]
    samples = [sample for manifest in manifests for sample in manifest.samples]
    if len(manifests) > 1:
        samples = [replace(sample, id=sample.place) for sample in samples]
    return sorted(samples, key=sample_order)
