"""Flags that several commands share."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.remote import shown_place
from harness.errors import printable
from harness.results.records import Resampling

if TYPE_CHECKING:
    from harness.data.columns import Columns
    from harness.outside.declared import Declared

OUT = Path("runs")
DEVICES = ("auto", "cpu", "cuda", "mps")
METHOD_HELP = (
    "detectors, comma-separated, or `all`; `name:WEIGHTS` picks a published checkpoint by its "
    "label, a file or a training run folder; from elsewhere: mine.py:NAME, package.module:NAME, "
    "hf:OWNER/NAME, onnx:FILE, timm:NAME"
)
WEIGHTS_HELP = (
    "checkpoint file, training run folder, or a folder of them as `train` leaves it "
    "(DETECTOR/seed0, ...: every seed is a row of its own)"
)
ROW_HELP = (
    "a row on disk: `name`, or `name:LABEL` with the weights' label as in the tables (released, "
    "mini-train for all its seeds, mini-train/seed0 for one)"
)


def add_out(parser: argparse.ArgumentParser) -> None:
    """``--out``: the folder of predictions, results, trained weights and caches."""
    parser.add_argument(
        "--out", type=Path, default=OUT, help="output folder (default: %(default)s)"
    )


def require_writable(folder: Path) -> None:
    """OSError where a folder cannot be made or nothing be written into it; leaves no trace."""
    folder = folder.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        error.filename = str(existing)
        raise


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """``--data-root``: the folder that holds the official test sets."""
    default = os.environ.get("LFM_DATA")
    parser.add_argument(
        "--data-root",
        type=Path,
        default=Path(default) if default else None,
        help="folder of the official test sets (default: the environment's LFM_DATA)",
    )


def add_resampling(parser: argparse.ArgumentParser, resamples: int = 1000) -> None:
    """``--resamples``, ``--resample``: how the 95 % intervals are made."""
    parser.add_argument(
        "--resamples",
        type=count,
        default=resamples,
        help="bootstrap resamples behind the 95%% intervals, 0 = none (default: %(default)s)",
    )
    parser.add_argument(
        "--resample",
        choices=("images", "subsets"),
        default="images",
        help="in the intervals of suite means: the images inside the subsets (default), or the "
        "subsets as well, for a statement about other generators of the kind",
    )


def resampling(args: argparse.Namespace) -> Resampling | None:
    """What the flags of :func:`add_resampling` ask for."""
    if not args.resamples:
        return None
    return Resampling(resamples=args.resamples, unit=args.resample)


def text(value: object) -> str:
    """A flag's value as records keep it; several are joined by commas."""
    values = value if isinstance(value, list) else [value]
    return printable(",".join(shown_place(str(each)) for each in values))


def count(text: str) -> int:
    """An integer of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {value}")
    return value


def positive(text: str) -> int:
    """An integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def duration(text: str) -> float:
    """Seconds of ``90s``, ``15m``, ``2h``; a bare number is seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"a time such as 90s, 15m or 2h, got {text!r}")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def seeds(text: str) -> list[int]:
    """Different whole numbers from 0 on, comma-separated."""
    found = [int(part) for part in text.split(",")]
    if len(set(found)) < len(found) or min(found) < 0:
        raise argparse.ArgumentTypeError(f"seeds are different whole numbers, 0 or more: {text}")
    return found


def add_device(parser: argparse._ActionsContainer) -> None:
    """``--device``: where the networks run."""
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto: CUDA, else MPS, else the CPU"
    )


def add_compute(parser: argparse.ArgumentParser) -> None:
    """``--device``, ``--precision``, ``--runtime``, ``--batch-size``, ``--workers``."""
    add_device(parser)
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 is faster and changes numbers; it is part of a result's key",
    )
    parser.add_argument(
        "--runtime",
        choices=("torch", "onnxruntime"),
        default="torch",
        help="onnxruntime is faster on CPUs (extra `onnx`); fp32 scores agree within 1e-4",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=None,
        help="images in a forward pass (default: 1 on a CPU, where small is fastest; 32 elsewhere)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=None,
        help="threads that read, decode and, on a CPU, score (default: one a core)",
    )


def add_ray(parser: argparse._ActionsContainer) -> None:
    """``--ray``, ``--allow-mixed``: the work is dealt to a Ray cluster."""
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        default="",
        metavar="ADDRESS",
        help="deal the work to a Ray cluster (extra `ray`): HOST:PORT of its head, or auto on one "
        "of its machines; without an address a local one is started and stopped. Each machine "
        "needs this program, the data and the weights at the same paths",
    )
    parser.add_argument(
        "--allow-mixed",
        action="store_true",
        help="with --ray: accept machines with other versions or processors, which may move "
        "scores in their last digits; the record keeps each environment. Other weights or other "
        "data are never accepted: scores are named by them",
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    """``--weights``, ``--variant``: which weights, for detectors that do not name their own; and
    what is declared of one from elsewhere."""
    _add_outside(parser)
    parser.add_argument("--weights", type=Path, help=WEIGHTS_HELP)
    parser.add_argument(
        "--variant",
        default="",
        help="training behaviour that a weights file is of, where the file does not say it",
    )


def _add_outside(parser: argparse.ArgumentParser) -> None:
    """``--kind``, ``--threshold``, ``--lower-is-fake``, ``--takes``, ``--fake-label``."""
    group = parser.add_argument_group(
        "a detector from elsewhere (mine.py:predict, hf:..., timm:...)",
        "what it does not say itself",
    )
    group.add_argument(
        "--kind",
        choices=("logit", "probability", "uncalibrated"),
        default="",
        help="what its scores are",
    )
    group.add_argument(
        "--threshold",
        type=float,
        help="above it is fake (default: 0 of logits, 0.5 of probabilities)",
    )
    group.add_argument(
        "--lower-is-fake", action="store_true", default=None, help="a lower score is more fake"
    )
    group.add_argument(
        "--takes",
        choices=("path", "image", "paths", "images"),
        default="",
        help="what a function takes: a path, a PIL picture, or a list of them",
    )
    _add_fake_label(parser)


def _add_fake_label(parser: argparse.ArgumentParser) -> None:
    """``--fake-label``, once: data and detectors have labels."""
    if not any("--fake-label" in action.option_strings for action in parser._actions):
        parser.add_argument(
            "--fake-label",
            default="",
            metavar="VALUE",
            help="means fake: in a table's label column, where every other value is real; of an "
            "hf: classifier its label, of a timm: one with two outputs 0 or 1",
        )


def declared(args: argparse.Namespace) -> Declared:
    """What these flags say of a detector from elsewhere; nothing where a command has none."""
    from harness.outside.declared import Declared  # here: it imports torch

    return Declared(
        kind=getattr(args, "kind", ""),
        threshold=getattr(args, "threshold", None),
        lower_is_fake=getattr(args, "lower_is_fake", None),
        takes=getattr(args, "takes", ""),
        fake_label=getattr(args, "fake_label", ""),
    )


def add_on_bad_image(parser: argparse.ArgumentParser) -> None:
    """``--on-bad-image``: what becomes of a set with an image that cannot be read."""
    parser.add_argument(
        "--on-bad-image",
        choices=("error", "skip"),
        default="error",
        help="an image that cannot be read is an error of its subset, or is left out and named",
    )


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """The flags that say what is scored and how."""
    add_contents(parser)
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    parser.add_argument(
        "--overwrite",
        choices=("never", "missing", "always"),
        default="missing",
        help="never: kept scores stay as they are; missing: score what is not there under "
        "these very settings; always: score anew",
    )
    add_on_bad_image(parser)
    add_resampling(parser)


def add_images(parser: argparse._ActionsContainer) -> None:
    """``--images``: one's own data."""
    parser.add_argument(
        "--images",
        action="append",
        default=[],
        metavar="PLACE",
        help="own data: a folder or archive with 0_real/1_fake below, a list (CSV or Parquet: "
        "path, label, group, unit), a table of images (Parquet files, a saved Hugging Face data "
        "set), WebDataset shards (test-{000..007}.tar), or a URL; may be given several times",
    )
    parser.add_argument(
        "--reals",
        default="",
        metavar="POOL",
        help="with --images: the reals of every group that holds fakes alone, shared by all of "
        "them: a group of reals alone, or a place of its own (anything that --images takes)",
    )


COLUMN_FLAGS = ("image_column", "label_column", "group_column", "fake_label")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """``--image-column``, ``--label-column``, ``--group-column``, ``--fake-label``."""
    group = parser.add_argument_group("tables of images, where names leave a doubt")
    group.add_argument("--image-column", default="", help="holds the encoded images")
    group.add_argument("--label-column", default="", help="says which are fake")
    group.add_argument("--group-column", default="", help="names the subset")
    _add_fake_label(parser)


def columns(args: argparse.Namespace) -> Columns:
    """What the flags of :func:`add_columns` say."""
    from harness.data.columns import Columns  # here: it imports pyarrow

    return Columns(
        image=args.image_column,
        label=args.label_column,
        group=args.group_column,
        fake=args.fake_label,
    )


def add_contents(parser: argparse.ArgumentParser, *, method_required: bool = True) -> None:
    """The flags that say which detectors see which images, and what they run on."""
    parser.add_argument("--method", required=method_required, default="", help=METHOD_HELP)
    parser.add_argument(
        "--suite",
        default="",
        help="suites, comma-separated, or a group: paper, mini, mini:gan, forensynths:biggan",
    )
    add_images(parser)
    add_columns(parser)
    add_weights(parser)
    parser.add_argument(
        "--limit",
        type=positive,
        default=0,
        help="score only so many images of each class, evenly spread; results are marked partial",
    )
    parser.add_argument(
        "--skip-absent", action="store_true", help="go on without suites that are not on disk"
    )
    add_compute(parser)
    add_data_root(parser)
    add_out(parser)
