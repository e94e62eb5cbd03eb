"""``python -m harness dev coverage``: do intervals hold, and are equal detectors left together?"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "simulates how often intervals hold the true value, and equal detectors are told apart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--full", action="store_true", help="all settings: 12 minutes of processor time"
    )
    parser.add_argument("--repeats", type=_flags.positive, help="simulated sets of each setting")
    parser.add_argument(
        "--resamples", type=_flags.positive, default=300, help="of each set (default: %(default)s)"
    )
    parser.add_argument("--seed", type=_flags.count, default=0, help="of the simulation")
    parser.add_argument("--workers", type=_flags.positive, help="processes (default: one a core)")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="also into FILE, between its two marks"
    )
    parser.add_argument(
        "--speed",
        type=_flags.positive,
        metavar="IMAGES",
        help="time and memory of the bootstrap on so many images instead",
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands.dev import _coverage

    return _coverage.run(args)
