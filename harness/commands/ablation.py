"""``python -m harness ablation SPEC.toml``: trains every row and seed, scores it, compares rows."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "train variants of one detector from several seeds and compare them; goes on where it ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "spec",
        metavar="SPEC.toml",
        help="see harness/ablation/spec.py; tables/specs/ablation/core.toml, full.toml and k.toml "
        "come with the program",
    )
    parser.add_argument("--seeds", type=_flags.seeds, help="comma-separated (default: the spec's)")
    parser.add_argument(
        "--epochs", type=_flags.positive, help="passes of each training (default: spec's)"
    )
    parser.add_argument(
        "--train-suite",
        dest="train",
        metavar="NAME",
        help="a declared training set, such as mini-train (default: the spec's)",
    )
    parser.add_argument("--train-data", metavar="DIR", help="own training images")
    parser.add_argument("--val-data", metavar="DIR", help="own validation images")
    parser.add_argument("--suite", metavar="NAME", help="test suites, as for run")
    parser.add_argument("--images", metavar="DIR", help="own test images, as for run")
    parser.add_argument(
        "--out",
        type=Path,
        default=_flags.OUT / "ablation",
        help="trainings, predictions, results (default: %(default)s)",
    )
    parser.add_argument(
        "--to", type=Path, help="folder of the rendered tables (default: OUT/tables)"
    )
    parser.add_argument("--jobs", type=_flags.positive, help="trials at once (default: one a core)")
    _flags.add_ray(parser)
    _flags.add_device(parser)
    _flags.add_data_root(parser)
    parser.add_argument("--cell", metavar="LABEL", help=argparse.SUPPRESS)  # a child's one row


def run(args: argparse.Namespace) -> int:
    from harness.commands import _ablation

    return _ablation.run(args)
