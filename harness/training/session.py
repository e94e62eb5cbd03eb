"""One training from what was asked to a finished run folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import harness
from harness.allocator import keep_freed_memory
from harness.api import (
    DetectorSpec,
    Fittable,
    HeaderFittable,
    Recipe,
    Startable,
    Trainable,
)
from harness.checkpoint_files import files_of
from harness.data.decode import DECODE_VERSION
from harness.data.preprocess import parse
from harness.data.sample import Manifest
from harness.env import environment
from harness.errors import DetectorError, WeightsError
from harness.results.records import WeightsRef
from harness.training import run_folder
from harness.training.data import ImageSet, epoch_images
from harness.training.fit import fit_features, fit_headers
from harness.training.loop import Descent
from harness.training.outcome import Trained, seeded_build
from harness.training.progress import Progress, show
from harness.training.recipe import ResolvedRecipe, is_fit
from harness.weights import pretrained

TRAINING_VERSION = 1
"""Raised whenever the same request would give other weights."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What to train, fully resolved.

    Args:
        spec: the detector.
        variant: training behaviour, "" where the detector has none.
        recipe: as published and as used.
        seed: decides the first weights, the order, the augmentation and the loss's draws.
        trained_on: the data in words, e.g. ``mini-train``.
        train, val: the images.
    """

    spec: DetectorSpec
    variant: str
    recipe: ResolvedRecipe
    seed: int
    trained_on: str
    train: Manifest
    val: Manifest

    @property
    def label(self) -> str:
        """``lfm (algorithm1) seed 0``: how logs call it."""
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.spec.name}{variant} seed {self.seed}"

    @property
    def options(self) -> dict[str, object]:
        """The variant's options for ``build``."""
        return dict(self.spec.variants.get(self.variant, {}))

    @property
    def start_digest(self) -> str:
        """The sha256 of the published network it starts from, "" for random first weights.

        As published, where that is known: a finished training is told from another one without
        the file. Of several files, all digests.

        Raises:
            WeightsError: not known, and the file is not here either.
        """
        name = self.recipe.used.start
        if not name:
            return ""
        entry = next(weights for weights in self.spec.pretrained if weights.name == name)
        digests = [part.sha256 for part in files_of(entry)]
        return "+".join(digests) if all(digests) else pretrained(self.spec, name).ref.sha256


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How to run a training; none of it is part of what is trained.

    Args:
        device: where the network runs.
        workers: threads that read ahead; 0 = none.
        progress: ``bar``, ``lines`` or ``none``.
    """

    device: torch.device
    workers: int = 0
    progress: str = "bar"


def run(training: Training, folder: Path, machine: Machine) -> run_folder.Record:
    """Trains and writes the run folder; until it has ended nothing is written.

    Raises:
        DetectorError: this detector cannot be trained, or cannot start from a published network.
        WeightsError: the network that it starts from is not here or does not fit.
        InputSizeError: it does not take an image's size.
        HarnessError: the loss is not finite.
        DataError: an image cannot be read or does not fit the others.
    """
    keep_freed_memory()
    detector = seeded_build(training.spec, training.options, training.seed)
    started = _start(training, detector)
    recipe = training.recipe.used
    images = epoch_images(training.train, recipe.balanced) * recipe.epochs
    with show(machine.progress, training.label, images) as progress:
        trained = _train(training, detector, machine, progress)
    return run_folder.write(folder, trained.state, _record(training, trained, started, machine))


def identity(training: Training) -> run_folder.Record:
    """Everything that decides the weights: equal identities, equal trainings."""
    return {
        "schema": run_folder.SCHEMA,
        "detector": training.spec.name,
        "version": training.spec.version,
        "variant": training.variant,
        "options": training.options,
        "seed": training.seed,
        "recipe": _recipe(training.recipe.used),
        "start": training.start_digest,
        "train": _data(training.train),
        "val": _data(training.val),
        "code": {
            "harness": harness.__version__,
            "training": TRAINING_VERSION,
            "decode": DECODE_VERSION,
        },
    }


def describe(training: Training) -> list[str]:
    """Every value of the recipe, those that are not as published first; for the log."""
    recipe = training.recipe
    data = f"{training.train.n_real} real and {training.train.n_fake} fake images"
    lines = [f"train {training.label} on {training.trained_on}: {data}"]
    if recipe.changes:
        changed = (
            f"{c.field} {_shown(c.published)} -> {_shown(c.used)} ({c.by})" for c in recipe.changes
        )
        lines.append(f"  changed: {', '.join(changed)}")
    names = {change.field for change in recipe.changes}
    kept = (f"{k} {_shown(v)}" for k, v in _recipe(recipe.used).items() if k not in names)
    if not is_fit(recipe.used):
        lines.append(f"  as published: {', '.join(kept)}")
    return lines


def _shown(value: object) -> object:
    return "none" if value == "" else value


def _start(training: Training, detector: Any) -> WeightsRef | None:
    """Gives the detector the network that its training starts from; which one that was."""
    spec, name = training.spec, training.recipe.used.start
    if not name:
        return None
    if not isinstance(detector, Startable):
        raise DetectorError(
            f"{spec.name} has no start_from(): it cannot start from {name}", hint="--start none"
        )
    loaded = pretrained(spec, name)
    try:
        detector.start_from(loaded.state)
    except RuntimeError as error:
        raise WeightsError(f"{loaded.path} does not fit {spec.name}: {error}") from error
    return loaded.ref


def _train(training: Training, detector: Any, machine: Machine, progress: Progress) -> Trained:
    spec, recipe, seed = training.spec, training.recipe.used, training.seed
    train, val = (
        ImageSet(manifest, spec, workers=machine.workers)
        for manifest in (training.train, training.val)
    )
    if isinstance(detector, Trainable):
        descent = Descent(spec, detector, recipe, seed=seed, device=machine.device)  # type: ignore[arg-type]
        return descent.run(train, val, progress)
    if isinstance(detector, Fittable):
        sets = (train, val)
        return fit_features(spec, detector, recipe, sets, seed=seed, progress=progress)  # type: ignore[arg-type]
    if isinstance(detector, HeaderFittable):
        return fit_headers(spec, detector, (train, val), seed=seed, progress=progress)  # type: ignore[arg-type]
    raise DetectorError(f"{spec.name} has a recipe but neither loss() nor fit(): cannot be trained")


def _record(
    training: Training, trained: Trained, started: WeightsRef | None, machine: Machine
) -> run_folder.Record:
    recipe = training.recipe
    best = recipe.used.keep == "best"
    return {
        **identity(training),
        "title": training.spec.title,
        "trained_on": training.trained_on,
        "published_recipe": {**_recipe(recipe.published), "source": recipe.published.source},
        "scaling": recipe.scaling.text if recipe.scaling else "",
        "deviations": [asdict(change) for change in recipe.changes],
        "epochs": [asdict(epoch) for epoch in trained.epochs],
        "started_from": asdict(started) if started else None,
        "weights_of": f"best epoch by {recipe.used.monitor}" if best else "last epoch",
        "weights_epoch": trained.kept,
        "ended_early": trained.ended,
        "best_val_epoch": trained.best_val_epoch,
        "environment": environment(machine.device),
    }


def _recipe(recipe: Recipe) -> dict[str, object]:
    values = asdict(recipe)
    del values["source"]
    for name in ("train_preprocess", "val_preprocess"):
        values[name] = str(parse(values[name]))
    return {**values, "betas": list(recipe.betas)}


def _data(manifest: Manifest) -> dict[str, object]:
    return {
        "digest": manifest.digest,
        "n_real": manifest.n_real,
        "n_fake": manifest.n_fake,
        "generators": sorted({s.generator for s in manifest.samples if s.generator}),
    }
