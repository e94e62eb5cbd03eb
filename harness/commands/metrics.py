"""``python -m harness metrics ROW``: every metric of a row with its interval and its meaning."""

from __future__ import annotations

import argparse

from harness.commands import _flags
from harness.results import MEAN

HELP = "every metric of a detector with its 95 % interval, each named as what it is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("row", metavar="ROW", help=_flags.ROW_HELP)
    parser.add_argument("--suite", default="mini", help="default: %(default)s")
    parser.add_argument("--subset", default=MEAN, help="default: the mean over the suite's subsets")
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _metrics

    return _metrics.run(args)
