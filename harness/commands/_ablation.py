"""The work of ``ablation``."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from harness.ablation.spec import AblationSpec, load
from harness.ablation.tables import Ablation, Records, ScoredSet, build_ablation_tables
from harness.ablation.trials import Trial, plan, score, selections_of, train, training_data
from harness.cluster.crew import Seats
from harness.cluster.session import connected
from harness.data.suite import Selection
from harness.engine.scorer import Compute
from harness.env import resolve_device, usable_cores
from harness.errors import UsageError, unknown_name
from harness.evaluation.plan import Settings
from harness.installed import shipped
from harness.report.render import Renderer
from harness.results.intervals import Replicates
from harness.results.paths import TABLES
from harness.training.datasets import TrainingData
from harness.training.dealt import deal_jobs
from harness.training.jobs import ChildJob, run_jobs
from harness.training.request import Machine

log = logging.getLogger(__name__)

# Flags that replace the spec's key of the same name, and the other way of saying the same.
_SOURCES = {
    "train": ("train_data", "val_data"),
    "train_data": ("train",),
    "val_data": ("train",),
    "suite": ("images",),
    "images": ("suite",),
}


def run(args: argparse.Namespace) -> int:
    spec = _overridden(load(shipped(args.spec)), args)
    selections = selections_of(spec, args.data_root)
    data = training_data(spec, args.out)
    trials = plan(spec, data, args.out)
    if args.cell is not None:
        return _run_one(trials, selections, args)
    failed = _run_children([trial for trial in trials if not trial.is_trained], args)
    trained = [trial for trial in trials if trial.is_trained]
    records = score(trained, selections, _settings(args, workers=usable_cores()))
    ablation = Ablation(
        spec=spec,
        records=records,
        sets=_sets(selections, data),
        made=f"Trained on {data.name}: {data.train.n_real} real and {data.train.n_fake} fake "
        f"images. Made by: {_command(args)}",
        tell=Replicates(args.out, ("ap", "acc")).tell,
    )
    renderer = Renderer(TABLES / "templates")
    for path in renderer.write(build_ablation_tables(ablation), args.to or args.out / "tables"):
        print(path)
    holes = _holes(records, selections)
    for line in holes:
        print(line, file=sys.stderr)
    return 1 if failed or holes else 0


def _overridden(spec: AblationSpec, args: argparse.Namespace) -> AblationSpec:
    given = {name: getattr(args, name) for name in _SOURCES if getattr(args, name)}
    cleared = {other: "" for name in given for other in _SOURCES[name]}
    spec = replace(spec, **{**cleared, **given})
    if args.seeds:
        spec = replace(spec, seeds=args.seeds)
    if args.epochs:
        spec = replace(spec, recipe={**spec.recipe, "epochs": args.epochs})
    return spec


def _run_one(
    trials: Sequence[Trial], selections: Sequence[Selection], args: argparse.Namespace
) -> int:
    """A child process: one trial, from nothing to scores."""
    found = [trial for trial in trials if trial.row == args.cell]
    if not found:
        raise unknown_name("row", args.cell, {trial.row for trial in trials})
    torch.set_num_threads(1)
    settings = _settings(args, workers=1)
    for trial in found:
        train(trial, Machine(device=settings.compute.device, progress="lines"))
    score(found, selections, settings)
    return 0


def _run_children(todo: Sequence[Trial], args: argparse.Namespace) -> int:
    """One child process a trial; returns how many failed."""
    if not todo:
        return 0
    log.info("%d trials to train", len(todo))
    jobs = [ChildJob(name=t.name, command=tuple(_child_command(t, args))) for t in todo]
    if args.ray:
        if args.jobs:
            raise UsageError(
                "--jobs is for one machine", hint="the cluster's cores decide with --ray"
            )
        here = [replace(job, folder=str(Path.cwd())) for job in jobs]
        with connected(args.ray) as cluster:
            seats = Seats(cores=1, gpu=args.device == "cuda")
            outcomes = deal_jobs(here, cluster, args.out, seats, allow_mixed=args.allow_mixed)
    else:
        outcomes = run_jobs(jobs, args.jobs or usable_cores())
    return sum(outcome.exit_code != 0 for outcome in outcomes)


def _child_command(trial: Trial, args: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "harness", *_arguments(args, seeds=(trial.training.seed,))]
    if args.data_root:
        command += ["--data-root", str(args.data_root)]
    return [*command, "--device", args.device, "--cell", trial.row]


def _command(args: argparse.Namespace) -> str:
    """What to type for these very numbers."""
    arguments = _arguments(args, seeds=args.seeds)
    if args.to:
        arguments += ["--to", str(args.to)]
    return shlex.join(["python", "-m", "harness", *arguments])


def _arguments(args: argparse.Namespace, seeds: Sequence[int] | None) -> list[str]:
    """The command and its flags that decide what is trained and tested, as they were given."""
    arguments = ["ablation", str(args.spec), "--out", str(args.out)]
    if seeds:
        arguments += ["--seeds", ",".join(map(str, seeds))]
    for name in ("epochs", *_SOURCES):
        if getattr(args, name):
            flag = "train_suite" if name == "train" else name  # the spec's key is shorter
            arguments += ["--" + flag.replace("_", "-"), str(getattr(args, name))]
    return arguments


def _settings(args: argparse.Namespace, workers: int) -> Settings:
    device = resolve_device(args.device)
    batch = 1 if device.type == "cpu" else 32
    return Settings(
        out=args.out,
        data_root=args.data_root,
        compute=Compute(device=device, batch_size=batch, workers=workers),
        config={name: str(value) for name, value in sorted(vars(args).items())},
    )


def _sets(selections: Sequence[Selection], data: TrainingData) -> tuple[ScoredSet, ...]:
    made = {sample.generator for sample in data.train.samples if sample.generator}
    return tuple(
        ScoredSet(
            suite=selection.suite.name,
            name=subset.name,
            group=subset.group,
            seen=bool({subset.name, *subset.generators} & made),
        )
        for selection in selections
        for subset in selection.subsets
    )


def _holes(records: Records, selections: Sequence[Selection]) -> list[str]:
    """A line for each selected subset that a trained trial has no whole result on."""
    chosen = {(s.suite.name, subset.name) for s in selections for subset in s.subsets}
    return [
        f"{result.status}: {row} seed {seed} on {record.suite}/{result.subset}: {result.error}"
        for (row, seed), found in records.items()
        for record in found
        for result in record.subsets
        if (record.suite, result.subset) in chosen and result.status != "ok"
    ]
