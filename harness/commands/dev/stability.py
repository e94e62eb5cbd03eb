"""``python -m harness dev stability``: do order, batches, workers or threads move a score?"""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "score the same images in other orders, batches, workers, threads, and compare"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_contents(parser)
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")


def run(args: argparse.Namespace) -> int:
    from harness.commands.dev import _stability

    return _stability.run(args)
