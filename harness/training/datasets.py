"""Training sets: declared ones by name, or a user's own folders and manifests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.data.adapters import own_suite, sample_order
from harness.data.index import load_manifest
from harness.data.sample import Manifest, Sample
from harness.errors import DataError, unknown_name
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
    """

    name: str
    train: Manifest
    val: Manifest
    geometry: str = "*"
    scaling: Scaling | None = None

    @property
    def shared(self) -> int:
        """Images of the validation set whose very bytes are in the training set too."""
        known = {sample.sha256 for sample in self.train.samples}
        return sum(sample.sha256 in known for sample in self.val.samples)


def _mini() -> TrainingData:
    return TrainingData(
        name="mini-train",
        train=Manifest("mini-train/train", tuple(sorted(mini.train_samples(), key=sample_order))),
        val=Manifest("mini-train/val", tuple(sorted(mini.val_samples(), key=sample_order))),
        geometry="mini",
        scaling=MINI,
    )


DECLARED: dict[str, Callable[[], TrainingData]] = {"mini-train": _mini}
"""Training sets that ``--suite`` takes."""


def declared(name: str) -> TrainingData:
    """A declared training set."""
    if name not in DECLARED:
        raise unknown_name("training set", name, DECLARED)
    return DECLARED[name]()


def own(train: Path, val: Path, cache: Path) -> TrainingData:
    """A user's own data.

    Args:
        train, val: a folder with ``0_real`` and ``1_fake`` anywhere below (several such places are
            pooled), or a CSV / Parquet manifest.
        cache: output folder whose ``cache/`` remembers content hashes.

    Raises:
        DataError: no images, or one class only in the training data.
    """
    name = "/".join(train.resolve().parts[-2:])  # short, and the same on another machine
    data = TrainingData(
        name=name,
        train=_pooled(train, f"{name}/train", cache),
        val=_pooled(val, f"{name}/val", cache),
    )
    if not data.train.n_real or not data.train.n_fake:
        raise DataError(
            f"{train}: {data.train.n_real} real and {data.train.n_fake} fake images; "
            "training needs both classes",
            hint="sort the images into folders 0_real and 1_fake",
        )
    return data


def _pooled(place: Path, name: str, cache: Path) -> Manifest:
    suite = own_suite(place)
    samples: list[Sample] = []
    for subset in suite.subsets:
        manifest = load_manifest(suite, subset, place, cache)
        prefix = f"{subset.name}/" if len(suite.subsets) > 1 else ""
        samples += [replace(sample, id=prefix + sample.id) for sample in manifest.samples]
    if not samples:
        raise DataError(f"{place}: no images")
    return Manifest(name, tuple(sorted(samples, key=sample_order)))
