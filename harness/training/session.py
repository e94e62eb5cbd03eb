"""One training from what was asked to a finished run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import harness
from harness.api import (
    Fittable,
    HeaderFittable,
    Recipe,
    Startable,
    Trainable,
)
from harness.checkpoints.resolve import pretrained
from harness.data.decode import DECODE_VERSION
from harness.data.preprocess import parse
from harness.data.sample import Manifest
from harness.engine.allocator import keep_freed_memory
from harness.env import environment
from harness.errors import DetectorError, UsageError, WeightsError
from harness.results.records import WeightsRef
from harness.training import run_folder
from harness.training.data import ImageSet, epoch_images, readable
from harness.training.fit import fit_features, fit_headers
from harness.training.loop import Descent, Keepers
from harness.training.outcome import Trained, seeded_build
from harness.training.progress import curves_in, show
from harness.training.recipe import is_fit
from harness.training.request import Machine, Numerics, Training, refuse_contradictions
from harness.training.savepoint import Savepoint

TRAINING_VERSION = 1
"""Raised whenever the same request would give other weights."""


def run(training: Training, folder: Path, machine: Machine) -> run_folder.Record:
    """Trains, from the state saved in the run folder if there is one, and writes the folder.

    Returns:
        The record; of several processes the first has written it.

    Raises:
        UsageError: precision, processes or extras are not what this training can have.
        DetectorError: this detector cannot be trained, or cannot start from a published network.
        WeightsError: the network that it starts from is not here or does not fit.
        InputSizeError: it does not take an image's size.
        HarnessError: the loss is not finite, or the disk is full.
        DataError: an image cannot be read or does not fit the others.
        KeyboardInterrupt: stopped; the same call goes on from the saved state.
    """
    refuse_contradictions(training, machine.device)
    keep_freed_memory()
    detector, started = prepared_detector(training)
    savepoint = Savepoint(
        folder, identity(training), minutes=machine.save_every, ranks=machine.ranks
    )
    whole = training
    training, skipped = readable(whole, machine)
    recipe = training.recipe.used
    images = epoch_images(training.train, recipe.balanced) * recipe.epochs
    drawn = folder if machine.tensorboard and machine.ranks.is_first else None
    with curves_in(drawn) as curves, show(machine.progress, training.label, images) as progress:
        keepers = Keepers(progress=progress, savepoint=savepoint, curves=curves)
        trained = _train(training, detector, machine, keepers)
    record = {**_record(whole, trained, started, machine), "skipped": skipped}
    if machine.ranks.is_first:
        record = run_folder.write(folder, trained.state, record, whole.train)
    return record


def prepared_detector(training: Training) -> tuple[Any, WeightsRef | None]:
    """The detector with its first weights, and the published network that they are of, if any.

    Raises:
        DetectorError, WeightsError: it cannot start from that network.
    """
    detector = seeded_build(training.spec, training.options, training.seed)
    return detector, _start(training, detector)


def image_sets(training: Training, machine: Machine) -> tuple[ImageSet, ImageSet]:
    """The images to train on and to validate on."""
    pinned = machine.device.type == "cuda"
    train, val = (
        ImageSet(manifest, training.spec, workers=machine.workers, pinned=pinned)
        for manifest in (training.train, training.val)
    )
    return train, val


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
        "numerics": asdict(training.numerics),
        "on_bad_image": training.on_bad_image,
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
    if training.numerics != Numerics():
        named = (f"{k} {v}" for k, v in asdict(training.numerics).items())
        lines.append(f"  computed with: {', '.join(named)}")
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


def _train(training: Training, detector: Any, machine: Machine, keepers: Keepers) -> Trained:
    spec, recipe, seed = training.spec, training.recipe.used, training.seed
    sets = image_sets(training, machine)
    if isinstance(detector, Trainable):
        return Descent(training, detector, machine).run(*sets, keepers)  # type: ignore[arg-type]
    if machine.ranks.size > 1:
        raise UsageError(
            f"{spec.name} is fitted in one go, which is not divided among processes",
            hint=f"python -m harness train --method {spec.name} ..., without torchrun",
        )
    progress = keepers.progress
    if isinstance(detector, Fittable):
        return fit_features(spec, detector, recipe, sets, seed=seed, progress=progress)  # type: ignore[arg-type]
    if isinstance(detector, HeaderFittable):
        return fit_headers(spec, detector, sets, seed=seed, progress=progress)  # type: ignore[arg-type]
    raise DetectorError(f"{spec.name} has a recipe but neither loss() nor fit(): cannot be trained")


def _record(
    training: Training, trained: Trained, started: WeightsRef | None, machine: Machine
) -> run_folder.Record:
    recipe = training.recipe
    keeps_best = recipe.used.keep == "best"
    epochs, best = [asdict(epoch) for epoch in trained.epochs], trained.best_val_epoch
    return {
        **identity(training),
        "title": training.spec.title,
        "trained_on": training.trained_on,
        "published_recipe": {**_recipe(recipe.published), "source": recipe.published.source},
        "scaling": recipe.scaling.text if recipe.scaling else "",
        "deviations": [asdict(change) for change in recipe.changes],
        "epochs": epochs,
        "best": epochs[best - 1] if best else None,
        "last": epochs[-1],
        "started_from": asdict(started) if started else None,
        "weights_of": f"best epoch by {recipe.used.monitor}" if keeps_best else "last epoch",
        "weights_epoch": trained.kept,
        "ended_early": trained.ended,
        "best_val_epoch": best,
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
