"""``python -m harness figures``: the picture of the README, and reliability diagrams."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "draw the mini table, or how far a detector's probabilities can be trusted, as vectors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_out(parser)
    parser.add_argument("--to", type=Path, help="folder (default: OUT/figures)")
    parser.add_argument(
        "--reliability",
        default="",
        metavar="ROW",
        help="a reliability diagram instead (SVG, PDF, its data as JSON) of " + _flags.ROW_HELP,
    )
    parser.add_argument("--suite", default="mini", help="of the reliability diagram")


def run(args: argparse.Namespace) -> int:
    from harness.commands import _figures

    return _figures.run(args)
