"""The trials of an ablation: one row with one seed, trained to a run folder and scored.

A row is a variant of the detector that its registered spec does not declare: the spec is taken
with the ablation's rows as its variants, and from there on training, checkpoints and scoring are
those of every other detector.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ablation.spec import AblationSpec, RowOptions
from harness.api import DetectorSpec
from harness.data.own import own_selections
from harness.data.suite import Selection
from harness.engine.scorer import make_job
from harness.errors import UsageError, unknown_name
from harness.evaluation.matrix import Matrix
from harness.evaluation.plan import Settings
from harness.registry import detectors as registry
from harness.registry.suites import parse_selection
from harness.results.records import RunRecord
from harness.training import datasets, run_folder, session
from harness.training.datasets import TrainingData
from harness.training.outcome import seeded_build
from harness.training.recipe import OVERRIDABLE, ResolvedRecipe, read, resolve
from harness.training.request import Machine, Training

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One row with one seed.

    Args:
        row: the row's label.
        training: what to train; its spec has the row's options as a variant.
        folder: the run folder.
    """

    row: str
    training: Training
    folder: Path

    @property
    def name(self) -> str:
        """``GAP seed 0``: how logs call it."""
        return f"{self.row} seed {self.training.seed}"

    @property
    def is_trained(self) -> bool:
        """Whether the run folder holds this very training, finished."""
        found = run_folder.read(self.folder)
        if found is None:
            return False
        changes = run_folder.differences(found, session.identity(self.training))
        if changes:
            log.info("%s: to be trained anew: %s", self.folder, "; ".join(changes))
        return not changes


def selections_of(spec: AblationSpec, data_root: Path | None = None) -> list[Selection]:
    """The test sets; UsageError where the spec names none, or two kinds."""
    if bool(spec.suite) == bool(spec.images):
        raise UsageError("say what to test on", hint="--suite NAME or --images DIR (one of them)")
    if spec.suite:
        return parse_selection(spec.suite, data_root)
    return own_selections([spec.images])


def training_data(spec: AblationSpec, out: Path) -> TrainingData:
    """The images to train on and to validate on.

    Args:
        spec: the ablation.
        out: output folder whose ``cache/`` remembers content hashes.

    Raises:
        UsageError: the spec names none, or two kinds.
        DataError: its folders hold no images, or one class only.
    """
    folders = (spec.train_data, spec.val_data)
    if spec.train and not any(folders):
        return datasets.declared(spec.train)
    if spec.train or not all(folders):
        raise UsageError(
            "training data: give either --train-suite, or both --train-data and --val-data",
            hint="--train-suite mini-train",
        )
    return datasets.own(spec.train_data, spec.val_data, out)


def plan(spec: AblationSpec, data: TrainingData, out: Path) -> list[Trial]:
    """All trials, row by row.

    Args:
        spec: the ablation.
        data: images to train on and to validate on.
        out: output folder; run folders are ``OUT/training/DATA/DETECTOR+OPTIONS/seedK``.

    Raises:
        UsageError: the detector cannot be trained, takes none of these options, or its recipe has
            no such field.
    """
    detector = registry.detector(spec.detector)
    registry.require_extras(detector)
    recipe = resolve(detector, scaling=data.scaling, overrides=_overrides(spec.recipe))
    varied = replace(detector, variants={row.variant: dict(row.options) for row in spec.rows})
    for row in spec.rows:
        _check_options(varied, row)
    return [
        _trial(varied, row, seed, recipe, data, out) for row in spec.rows for seed in spec.seeds
    ]


def train(trial: Trial, machine: Machine) -> None:
    """Trains a trial unless that very training is there; see ``harness.training.session.run``."""
    if not trial.is_trained:
        session.run(trial.training, trial.folder, machine)


def score(
    trials: Sequence[Trial], selections: Sequence[Selection], settings: Settings
) -> dict[tuple[str, int], list[RunRecord]]:
    """Scores trained trials; what is on disk is not computed again.

    Returns:
        (row label, seed) -> one record a suite.
    """
    jobs = [make_job(trial.training.spec, str(trial.folder)) for trial in trials]
    records = Matrix(jobs, settings).run(selections) if jobs else []
    return {
        (trial.row, trial.training.seed): [
            record
            for record in records
            if (record.variant, record.weights) == (job.loaded.variant, job.weights)
        ]
        for trial, job in zip(trials, jobs, strict=True)
    }


def _trial(
    spec: DetectorSpec,
    row: RowOptions,
    seed: int,
    recipe: ResolvedRecipe,
    data: TrainingData,
    out: Path,
) -> Trial:
    training = Training(
        spec=spec,
        variant=row.variant,
        recipe=recipe,
        seed=seed,
        trained_on=data.name,
        train=data.train,
        val=data.val,
    )
    # Two texts that differ in what a file name cannot hold are told apart by the identity inside.
    name = re.sub(r"[^A-Za-z0-9=.,+-]", "_", f"{spec.name}+{row.variant}")[:200]
    return Trial(
        row=row.label,
        training=training,
        folder=out / "training" / data.name / name / f"seed{seed}",
    )


def _check_options(spec: DetectorSpec, row: RowOptions) -> None:
    try:
        seeded_build(spec, row.options, 0)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"row {row.label!r}: {spec.name} cannot be built with {row.variant}: {error}",
            hint=f"correct the options of this row; {spec.name}'s file lists what it takes",
        ) from error


def _overrides(recipe: Mapping[str, object]) -> dict[str, object]:
    """A spec's recipe table as values: read as if each were typed after its flag."""
    for name in recipe:
        if name not in OVERRIDABLE:
            raise unknown_name("field of a recipe", name, OVERRIDABLE)
    return {name: read(name, _typed(value)) for name, value in recipe.items()}


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
