"""``python -m harness check``: is the data what it should be, before any detector runs?"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "look at a test set before any detector runs: counts, damage, duplicates, shortcuts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", help="for example ufd, paper, mini:gan, forensynths:biggan")
    _flags.add_images(parser)
    parser.add_argument(
        "--deep", action="store_true", help="decode every image (headers hide truncated files)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    audit = parser.add_argument_group("full audit")
    audit.add_argument(
        "--audit",
        action="store_true",
        help="also ask what the files alone tell of the class and which images look the same; "
        "writes an HTML page and a JSON file",
    )
    training = audit.add_mutually_exclusive_group()
    training.add_argument(
        "--train-suite",
        metavar="NAME",
        help="with --audit: look for the images of this training set, e.g. mini-train",
    )
    training.add_argument(
        "--train-data",
        metavar="DIR",
        help="with --audit: look for the images of a training run (its folder; where they are not "
        "at hand, for equal files by the run's list), or of one's own folder or list",
    )
    audit.add_argument(
        "--to", type=Path, help="with --audit: folder of the files (default: OUT/audit)"
    )
    _flags.add_columns(parser)
    _flags.add_data_root(parser)
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _check

    return _check.run(args)
