"""``python -m harness train``: a finished training is a folder that ``--weights`` takes."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from harness import registry
from harness.api import DetectorSpec
from harness.commands._flags import OUT, positive
from harness.env import resolve_device
from harness.errors import UsageError, unknown_name
from harness.training import datasets, run_folder, session
from harness.training.data import epoch_images
from harness.training.datasets import TrainingData
from harness.training.jobs import Job, cores, run_jobs
from harness.training.overrides import OVERRIDABLE, flag, form, read
from harness.training.recipe import is_fit, resolve
from harness.training.session import Machine, Training

HELP = "train detectors on the embedded training set or on your own folders"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One training and the folder it ends in."""

    training: Training
    folder: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("--method", required=True, help="detectors, comma-separated, or all")
    data = parser.add_argument_group("data")
    data.add_argument("--suite", metavar="NAME", help=f"one of {', '.join(datasets.DECLARED)}")
    data.add_argument("--train-data", type=Path, metavar="DIR", help="holds 0_real and 1_fake")
    data.add_argument("--val-data", type=Path, metavar="DIR", help="likewise; never a test set")
    parser.add_argument(
        "--out",
        type=Path,
        help="with --suite the output folder (default: runs): trainings go to "
        "OUT/training/SUITE/DETECTOR/seedK. With --train-data the run folder itself or, of several "
        "trainings, the folder of DETECTOR/seedK",
    )
    parser.add_argument("--variant", help="training behaviour, e.g. released (default: the first)")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", dest="seeds", type=_seeds, default=[0])
    seeds.add_argument("--seeds", dest="seeds", type=_seeds, help="comma-separated (default: 0)")
    recipe = parser.add_argument_group("recipe (what differs from the published one is recorded)")
    for name in OVERRIDABLE:
        recipe.add_argument(flag(name), metavar=form(name))
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    machine.add_argument("--jobs", type=positive, help="trainings at once (default: one a core)")
    machine.add_argument("--threads", type=positive, default=1, help="of one training (default: 1)")
    machine.add_argument("--workers", type=int, default=0, help="threads that read images ahead")
    parser.add_argument(
        "--overwrite",
        choices=("never", "missing", "always"),
        default="missing",
        help="never: any finished training stays; missing (default): train what is not there in "
        "exactly this form; always: train anew",
    )
    parser.add_argument("--progress", choices=("bar", "lines", "none"), default="bar")


def run(args: argparse.Namespace) -> int:
    """Trains what is not there yet and prints one line a training."""
    data = _data(args)
    tasks = _tasks(args, data)
    todo = [task for task in tasks if _is_to_do(task, args)]
    if args.progress == "bar":
        _announce(todo, data)
    if len(todo) == 1:
        torch.set_num_threads(args.threads)
        machine = Machine(
            device=resolve_device(args.device), workers=args.workers, progress=args.progress
        )
        session.run(todo[0].training, todo[0].folder, machine)
    failed = _train_children(todo, args) if len(todo) > 1 else 0
    for task in tasks:
        print(_line(task))
    return 1 if failed else 0


def _data(args: argparse.Namespace) -> TrainingData:
    folders = (args.train_data, args.val_data)
    if args.suite and not any(folders):
        return datasets.declared(args.suite)
    if args.suite or not all(folders):
        raise UsageError(
            "training data: give either --suite, or both --train-data and --val-data",
            hint="python -m harness train --method lfm --suite mini-train",
        )
    if args.out is None:
        raise UsageError("own training data needs --out RUN: the folder for the trained weights")
    return datasets.own(args.train_data, args.val_data, OUT)


def _tasks(args: argparse.Namespace, data: TrainingData) -> list[Task]:
    specs = _specs(args.method)
    several = len(specs) * len(args.seeds) > 1
    tasks = []
    for spec in specs:
        variant = _variant(spec, args.variant)
        overrides = {name: read(name, text) for name, text in _given(args).items()}
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
            )
            tasks.append(Task(training=training, folder=_folder(training, args, several)))
    return tasks


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
    if args.suite:
        return out.joinpath("training", args.suite, below)
    return out / below if several else out


def _is_to_do(task: Task, args: argparse.Namespace) -> bool:
    found = run_folder.read(task.folder)
    if found is None or args.overwrite == "always":
        return True
    changes = run_folder.differences(found, session.identity(task.training))
    if not changes:
        return False
    if args.overwrite == "never":
        log.info("%s: kept, though it differs: %s", task.folder, "; ".join(changes))
        return False
    if not args.suite:  # somebody's own work is not replaced unasked
        raise UsageError(
            f"{task.folder} holds another training ({'; '.join(changes)})",
            hint="give another --out, or --overwrite always",
        )
    log.info("%s: trained anew: %s", task.folder, "; ".join(changes))
    return True


def _announce(todo: list[Task], data: TrainingData) -> None:
    if data.shared:
        log.warning(
            "%d of %d validation images are in the training data too: validation is too good",
            data.shared,
            len(data.val.samples),
        )
    if todo and data.scaling:
        log.info("recipes scaled by the rule %r: %s", data.scaling.name, data.scaling.text)
    firsts = {task.training.spec.name: task.training for task in reversed(todo)}
    for training in reversed(firsts.values()):
        log.info("%s", "\n".join(session.describe(training)))


def _train_children(todo: list[Task], args: argparse.Namespace) -> int:
    """One child process a training; returns how many failed."""
    if not todo:
        return 0
    jobs = [
        Job(
            name=task.training.label,
            command=tuple(_child_command(task, args)),
            weight=_expected_cost(task.training),
        )
        for task in todo
    ]
    failures = [o for o in run_jobs(jobs, args.jobs or cores()) if o.exit_code]
    for outcome in failures:
        log.error(
            "failed: %s (exit code %d)\n%s", outcome.job.name, outcome.exit_code, outcome.tail
        )
    return len(failures)


def _child_command(task: Task, args: argparse.Namespace) -> list[str]:
    training = task.training
    command = [sys.executable, "-m", "harness", "train", "--method", training.spec.name]
    if args.suite:
        command += ["--suite", args.suite, "--out", str(args.out or OUT)]
    else:
        command += ["--train-data", str(args.train_data), "--val-data", str(args.val_data)]
        command += ["--out", str(task.folder)]
    if training.variant:
        command += ["--variant", training.variant]
    for name, text in _given(args).items():
        command.append(f"{flag(name)}={text}")
    command += ["--seed", str(training.seed), "--device", args.device]
    command += ["--threads", str(args.threads), "--workers", str(args.workers)]
    # What is to be done has been decided: the child is not to decide again.
    return [*command, "--overwrite", "always", "--progress", "lines"]


def _expected_cost(training: Training) -> float:
    """In images of forward and backward pass; a fit only looks at each image once."""
    recipe = training.recipe.used
    return epoch_images(training.train, recipe.balanced) * (
        0.1 if is_fit(recipe) else recipe.epochs
    )


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
    if name is None:
        return next(iter(spec.variants), "")
    if name not in spec.variants:
        if spec.variants:
            raise unknown_name(f"variant of {spec.name}", name, spec.variants)
        raise UsageError(f"{spec.name} has no variants, got --variant {name}")
    return name


def _seeds(text: str) -> list[int]:
    seeds = [int(part) for part in text.split(",")]
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise argparse.ArgumentTypeError("seeds are different whole numbers, 0 or more")
    return seeds
