"""``python -m harness dev why-bench``: is a planted cause named?"""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "plant known causes into numbers of small detectors, and count how often `why` names them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_out(parser)
    parser.add_argument("--seed", type=_flags.count, default=0, help="of training and of the pairs")
    parser.add_argument(
        "--families", default="", help="plant those of these families only, joined by commas"
    )
    parser.add_argument(
        "--only", type=_flags.count, default=0, help="so many causes of each family, 0 = all"
    )
    parser.add_argument(
        "--workers", type=_flags.positive, default=2, help="processes, a detector each"
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands.dev import _why_bench

    return _why_bench.run(args)
