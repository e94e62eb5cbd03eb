"""``python -m harness diff``: every number against the paper's, or against another run."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "compare every number with the paper's or with another run's, and say why they differ"
PAPER = "paper"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_out(parser)
    parser.add_argument(
        "--against",
        default=PAPER,
        metavar="paper|RUN_DIR",
        help="the reference: the paper (default), or another output folder; tables/expected and "
        "tables/trained come with the program",
    )
    parser.add_argument(
        "--reference",
        default=PAPER,
        metavar="NAME",
        help="whose published numbers: paper (default), or another folder of tables/references",
    )
    parser.add_argument("--suite", default="", metavar="NAMES", help="only these, comma-separated")
    parser.add_argument(
        "--method",
        default="",
        metavar="ROWS",
        help="only these, comma-separated: a detector, or detector:LABEL of its weights",
    )
    parser.add_argument(
        "--fail-over",
        type=float,
        metavar="PP",
        help="exit with 1 if a comparable number is off by more than PP percentage points, if the "
        "other run holds a number that is not here, or if there is no comparable number at all",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--brief", action="store_true", help="print how many numbers agree, and which are off, only"
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands import _diff

    return _diff.run(args)
