"""The work of ``train``."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch

from harness.api import DetectorSpec
from harness.checkpoints.run_weights import known_variant
from harness.cluster.crew import Seats
from harness.cluster.session import connected
from harness.commands._flags import COLUMN_FLAGS, OUT, columns, require_writable
from harness.env import resolve_device, usable_cores
from harness.errors import UsageError
from harness.registry import detectors as registry
from harness.training import datasets, run_folder, session
from harness.training.data import epoch_images
from harness.training.datasets import TrainingData
from harness.training.dealt import deal_jobs
from harness.training.jobs import ChildJob, ChildOutcome, run_jobs
from harness.training.mini_rule import SIDE
from harness.training.processes import (
    Ranks,
    joined,
    local_device,
    processes_here,
    started_by_torchrun,
)
from harness.training.progress import require_tensorboard
from harness.training.recipe import OVERRIDABLE, ResolvedRecipe, flag, is_fit, read, resolve
from harness.training.request import Machine, Numerics, Training, refuse_contradictions
from harness.training.tasks import Policy, Task
from harness.training.throughput import measure

log = logging.getLogger(__name__)

# What a child process is told as its parent was.
_PASSED_ON = ("device", "threads", "precision", "accumulate", "save_every", "on_bad_image")


def run(args: argparse.Namespace) -> int:
    device = local_device(resolve_device(args.device))
    if args.tensorboard:
        require_tensorboard()
    torch.set_num_threads(args.threads)
    with joined(device) as ranks:
        if not ranks.is_first:
            logging.getLogger().setLevel(logging.WARNING)
        specs = _specs(args.method)  # typing errors are said before data is read
        overrides = {name: read(name, text) for name, text in _given(args).items()}
        data = _data(args)
        tasks = _tasks(specs, overrides, args, data)
        if ranks.size > 1 and args.ray:
            raise UsageError(
                "torchrun shares one training, --ray deals several out",
                hint="leave one of them out",
            )
        if ranks.size > 1 and len(tasks) > 1:
            raise UsageError(
                f"torchrun trains one detector with one seed, got {len(tasks)} trainings",
                hint="name one --method and one --seed",
            )
        for task in tasks:
            refuse_contradictions(task.training, device)
        if args.measure:
            return _measure(tasks, _machine(args, device, ranks))
        policy = Policy(
            overwrite=args.overwrite,
            replace_others=bool(args.train_suite),
            skip_unstartable=args.method == "all",
        )
        # Where folders are not shared, the first process's is the one that counts.
        todo = [task for task in tasks if policy.is_to_do(task)] if ranks.is_first else []
        if ranks.word_of_first(b"to do" if todo else b"") and not ranks.is_first:
            todo = tasks
        failed = _train(todo, args, data, _machine(args, device, ranks))
        for task in tasks if ranks.is_first else ():
            print(_line(task))
    return 1 if failed else 0


def _train(todo: list[Task], args: argparse.Namespace, data: TrainingData, machine: Machine) -> int:
    """One training in this process, several in a child process each; how many failed."""
    if args.progress == "bar" and machine.ranks.is_first:
        _announce(todo, data)
    if len(todo) > 1 or (todo and args.ray):
        return _train_children(todo, args)
    for task in todo:
        require_writable(task.folder)  # not after an epoch of hours
        session.run(task.training, task.folder, machine)
    return 0


def _machine(args: argparse.Namespace, device: torch.device, ranks: Ranks) -> Machine:
    # As many threads read ahead as cores are left by those that compute.
    computing = 1 if device.type == "cuda" else args.threads
    idle = usable_cores() // processes_here() - computing
    return Machine(
        device=device,
        workers=max(0, idle) if args.workers is None else args.workers,
        progress=args.progress if ranks.is_first else "none",
        save_every=args.save_every,
        tensorboard=args.tensorboard,
        ranks=ranks,
    )


def _measure(tasks: list[Task], machine: Machine) -> int:
    for task in tasks:
        print(f"{task.training.label}\t{measure(task.training, machine)}")
    return 0


def _data(args: argparse.Namespace) -> TrainingData:
    folders = (args.train_data, args.val_data)
    if args.train_suite and not any(folders):
        return datasets.declared(args.train_suite, data_root=args.data_root, cache=args.out or OUT)
    if args.train_suite or not all(folders):
        raise UsageError(
            "training data: give either --train-suite, or both --train-data and --val-data",
            hint="python -m harness train --method lfm --train-suite mini-train",
        )
    if args.out is None:
        raise UsageError("own training data needs --out RUN: the folder for the trained weights")
    return datasets.own(args.train_data, args.val_data, OUT, columns(args))


def _tasks(
    specs: list[DetectorSpec],
    overrides: dict[str, object],
    args: argparse.Namespace,
    data: TrainingData,
) -> list[Task]:
    several = len(specs) * len(args.seeds) > 1
    tasks = []
    for spec in specs:
        variant = _variant(spec, args.variant)
        recipe = resolve(spec, scaling=data.scaling, overrides=overrides)
        for seed in args.seeds:
            training = Training(
                spec=spec,
                variant=variant,
                recipe=recipe,
                seed=seed,
                trained_on=data.name,
                train=data.train,
                val=data.val,
                numerics=_numerics(args, recipe),
                on_bad_image=args.on_bad_image,
            )
            tasks.append(Task(training=training, folder=_folder(training, args, several)))
    return tasks


def _numerics(args: argparse.Namespace, recipe: ResolvedRecipe) -> Numerics:
    if is_fit(recipe.used):  # has no gradient
        return Numerics()
    return Numerics(
        precision=args.precision,
        accumulate=args.accumulate,
        processes=started_by_torchrun(),
        sync_bn=args.sync_bn,
    )


def _given(args: argparse.Namespace) -> dict[str, str]:
    """The recipe's fields that have been typed, as typed."""
    return {name: getattr(args, name) for name in OVERRIDABLE if getattr(args, name) is not None}


def _folder(training: Training, args: argparse.Namespace, several: bool) -> Path:
    default = next(iter(training.spec.variants), "")
    name = training.spec.name
    if training.variant != default:
        name += f"+{training.variant}"
    below = Path(name) / f"seed{training.seed}"
    out = Path(args.out or OUT)
    if args.train_suite:
        return out.joinpath("training", args.train_suite, below)
    return out / below if several else out


def _announce(todo: list[Task], data: TrainingData) -> None:
    if data.shared:
        log.warning(
            "%d of %d validation images are in the training data too: validation is too good",
            data.shared,
            len(data.val.samples),
        )
    if todo and data.note:
        log.warning("%s: %s", data.name, data.note)
    if todo and data.scaling:
        log.info("recipes scaled by the rule %r: %s", data.scaling.name, data.scaling.text)
    firsts = {task.training.spec.name: task.training for task in reversed(todo)}
    for training in reversed(firsts.values()):
        log.info("%s", "\n".join(session.describe(training)))


def _train_children(todo: list[Task], args: argparse.Namespace) -> int:
    """One child process a training; returns how many failed."""
    at_once = min(len(todo), args.jobs or usable_cores())
    idle = usable_cores() // at_once - args.threads
    workers = max(0, idle) if args.workers is None else args.workers
    jobs = [
        ChildJob(
            name=task.training.label,
            command=tuple(_child_command(task, args, workers)),
            weight=_expected_cost(task.training),
        )
        for task in todo
    ]
    outcomes = _dealt(jobs, args) if args.ray else run_jobs(jobs, at_once)
    return sum(outcome.exit_code != 0 for outcome in outcomes)


def _dealt(jobs: list[ChildJob], args: argparse.Namespace) -> list[ChildOutcome]:
    """The jobs on the cluster that ``--ray`` names; in this process's folder, wherever they run."""
    if args.jobs:
        raise UsageError("--jobs is for one machine", hint="the cluster's cores decide with --ray")
    here = [replace(job, folder=str(Path.cwd())) for job in jobs]
    with connected(args.ray) as cluster:
        gpu = args.device == "cuda" or (
            args.device == "auto" and any(node.gpus for node in cluster.nodes())
        )
        seats = Seats(cores=args.threads, gpu=gpu)
        out = Path(args.out or OUT)
        return deal_jobs(here, cluster, out, seats, allow_mixed=args.allow_mixed)


def _child_command(task: Task, args: argparse.Namespace, workers: int) -> list[str]:
    training = task.training
    command = [sys.executable, "-m", "harness", "train", "--method", training.spec.name]
    if args.train_suite:
        command += ["--train-suite", args.train_suite, "--out", str(args.out or OUT)]
        command += ["--data-root", str(args.data_root)] if args.data_root else []
    else:
        command += ["--train-data", args.train_data, "--val-data", args.val_data]
        for name in COLUMN_FLAGS:
            if getattr(args, name):
                command += ["--" + name.replace("_", "-"), getattr(args, name)]
        command += ["--out", str(task.folder)]
    if training.variant:
        command += ["--variant", training.variant]
    for name, text in _given(args).items():
        command.append(f"{flag(name)}={text}")
    command += ["--seed", str(training.seed), "--overwrite", args.overwrite, "--progress", "lines"]
    for name in _PASSED_ON:
        command += [flag(name), str(getattr(args, name))]
    command += ["--workers", str(workers)]
    return [*command, "--tensorboard"] if args.tensorboard else command


def _expected_cost(training: Training) -> float:
    """In images of forward and backward pass; a fit only looks at each image once.

    A network that takes one size only counts by its pixels: it is not trained on small crops.
    """
    spec, recipe = training.spec, training.recipe.used
    passes = 0.1 if is_fit(recipe) else recipe.epochs
    only_one_size = bool(spec.input_rule.problem(SIDE, SIDE))
    pixels = math.prod(spec.evaluation_size) / SIDE**2 if only_one_size else 1.0
    return epoch_images(training.train, recipe.balanced) * passes * pixels


def _line(task: Task) -> str:
    record = run_folder.read(task.folder)
    if record is None:
        return f"{task.folder}\tnot trained"
    # Records of before weights could be another epoch's do not say which: the last one's.
    kept = record["epochs"][record.get("weights_epoch", 0) - 1]
    shown = [
        f"{title} {100 * kept[key]:.1f}" if kept[key] is not None else f"{title} -"
        for title, key in (("val ACC", "val_acc"), ("val AP", "val_ap"))
    ]
    return "\t".join([str(task.folder), *shown])


def _specs(text: str) -> list[DetectorSpec]:
    specs = registry.usable(text)
    return [spec for spec in specs if spec.recipe is not None] if text == "all" else specs


def _variant(spec: DetectorSpec, name: str | None) -> str:
    return known_variant(spec, name or "") or next(iter(spec.variants), "")
