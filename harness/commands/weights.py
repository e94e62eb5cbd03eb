"""``python -m harness weights``: every known checkpoint, and fetching them."""

from __future__ import annotations

import argparse

HELP = "list the published checkpoints and what training starts from, or fetch them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fetch",
        metavar="NAME",
        help="DETECTOR, DETECTOR:CHECKPOINT, several with commas, or all; into $LFM_WEIGHTS or "
        "weights/, resumable and checked",
    )
    parser.add_argument(
        "--accept-unverified",
        action="store_true",
        help="with --fetch: take files whose sha256 is not known here, too; every result made with "
        "one says so",
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(args: argparse.Namespace) -> int:
    from harness.commands import _weights

    return _weights.run(args)
