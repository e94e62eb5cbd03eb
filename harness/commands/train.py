"""``python -m harness train``: a finished training is a folder that ``--weights`` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

RECIPE = (
    ("epochs", "N", "passes over the training images, at most"),
    ("batch-size", "N", "images of one step, over all processes and parts"),
    ("lr", "X", "highest learning rate"),
    ("optimiser", "adam|adamw|sam", "sam: sharpness-aware minimisation over SGD with momentum"),
    ("betas", "B1,B2", "of Adam; B1 is SGD's momentum under sam"),
    ("eps", "X", "of Adam"),
    ("weight-decay", "X", "strength of the decay"),
    ("decay-vectors", "true|false", "whether biases and normalisation decay too"),
    ("schedule", "step|cosine|plateau", "how the rate changes"),
    ("lr-gamma", "X", "factor of the rate at a step or on a plateau"),
    ("lr-step", "N", "epochs between two steps"),
    ("min-lr", "X", "where a cosine ends; a plateau ends training below it"),
    ("warmup", "N", "epochs over which the rate first rises"),
    ("patience", "N", "epochs without gain until a plateau or the end; 0 = never"),
    ("monitor", "val_ap|val_acc|val_loss", "the validation figure meant by gain and by best"),
    ("min-gain", "X", "least change of the monitored figure that is a gain"),
    ("keep", "last|best", "which epoch's weights are kept"),
    ("balanced", "true|false", "whether every batch is half real, half fake"),
    ("start", "NAME|none", "the published network that training starts from"),
    ("train-preprocess", "TEXT", "what happens to training images"),
    ("val-preprocess", "TEXT", "what happens to validation images"),
)
"""Flag, what may be typed, and meaning of every value of a recipe; the default of each is the
published recipe's."""

HELP = "train detectors on the embedded training set or on your own folders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", required=True, help="detectors, comma-separated, or all")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--train-suite",
        metavar="NAME",
        help="a declared training set: mini-train, forensynths-train",
    )
    data.add_argument("--train-data", metavar="DIR", help="own images, as --images of run")
    data.add_argument("--val-data", metavar="DIR", help="likewise; never a test set")
    _flags.add_columns(parser)
    data.add_argument(
        "--on-bad-image",
        choices=("error", "skip"),
        default="error",
        help="skip: train without the images that cannot be read, and list them",
    )
    _flags.add_data_root(parser)
    parser.add_argument(
        "--out",
        type=Path,
        help="with --train-suite the output folder (default: runs): trainings go to "
        "OUT/training/SUITE/DETECTOR/seedK. With --train-data the run folder itself or, of several "
        "trainings, the folder of DETECTOR/seedK",
    )
    parser.add_argument("--variant", help="training behaviour, e.g. released (default: the first)")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seed", dest="seeds", type=_flags.seeds, default=[0], help="of one training (default: 0)"
    )
    seeds.add_argument(
        "--seeds", dest="seeds", type=_flags.seeds, help="comma-separated (default: 0)"
    )
    recipe = parser.add_argument_group("recipe (what differs from the published one is recorded)")
    for name, form, about in RECIPE:
        recipe.add_argument(f"--{name}", metavar=form, help=about)
    _add_machine(parser.add_argument_group("machine"))
    parser.add_argument(
        "--overwrite",
        choices=("never", "missing", "always"),
        default="missing",
        help="never: any finished training stays; missing (default): train what is not there in "
        "exactly this form, from where an interrupted one stopped; always: train anew",
    )
    parser.add_argument(
        "--progress",
        choices=("bar", "lines", "none"),
        default="bar",
        help="how a training shows where it is",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="train nothing: images/s of the training beside those of its steps alone",
    )


def _add_machine(machine: argparse._ArgumentGroup) -> None:
    _flags.add_device(machine)
    machine.add_argument(
        "--jobs", type=_flags.positive, help="trainings at once (default: one a core)"
    )
    _flags.add_ray(machine)
    machine.add_argument(
        "--threads", type=_flags.positive, default=1, help="of one training (default: 1)"
    )
    machine.add_argument(
        "--workers", type=int, help="threads that read images ahead (default: the idle cores)"
    )
    machine.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16"),
        default="fp32",
        help="of forward and backward pass; changes weights, so it is part of what is trained",
    )
    machine.add_argument(
        "--accumulate",
        type=_flags.positive,
        default=1,
        metavar="N",
        help="a batch goes through in N parts, for little memory; batch norm sees parts",
    )
    machine.add_argument(
        "--sync-bn",
        action="store_true",
        help="under torchrun on CUDA: batch norm over all processes, not in each",
    )
    machine.add_argument(
        "--save-every",
        type=_minutes,
        default=5.0,
        metavar="MINUTES",
        help="the state is saved so often, besides at the end of epochs (default: 5)",
    )
    machine.add_argument(
        "--tensorboard", action="store_true", help="curves into RUN/tensorboard (extra)"
    )


def _minutes(text: str) -> float:
    value = float(text)
    if not value >= 0:  # NaN too
        raise argparse.ArgumentTypeError(f"minutes are 0 or more, got {text}")
    return value


def run(args: argparse.Namespace) -> int:
    from harness.commands import _train

    return _train.run(args)
