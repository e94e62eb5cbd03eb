"""``python -m harness compare A B``: are two detectors told apart by these images?"""

from __future__ import annotations

import argparse

from harness.commands import _flags
from harness.metrics import MARGIN

HELP = "whether detectors are told apart, from kept scores: differences, intervals, p-values"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rows", nargs="+", metavar="ROW", help=_flags.ROW_HELP)
    parser.add_argument(
        "--suite", default="", help="suites, comma-separated (default: all that the rows share)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--margin",
        type=_points,
        default=100 * MARGIN,
        metavar="POINTS",
        help="a difference that certainly lies within this hardly matters (default: %(default)g)",
    )
    # They give a standard error, known to 1.6 % then; p has no floor that more would lower.
    _flags.add_resampling(parser, resamples=2_000)
    _flags.add_out(parser)


def _points(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 100:
        raise argparse.ArgumentTypeError(f"points between 0 and 100, got {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    from harness.commands import _compare

    return _compare.run(args)
