"""``python -m harness audit``: what ``check --audit`` was called, for one version more."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.commands import check

HELP = "the former name of check --audit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``check``, and the old ``--against``."""
    check.add_arguments(parser)
    parser.set_defaults(audit=True)
    parser.add_argument(
        "--against", metavar="TRAINING", help="what --train-suite and --train-data were called"
    )


def run(args: argparse.Namespace) -> int:
    """What ``check --audit`` returns."""
    print(
        "audit is now called check --audit; the old name works in this version only",
        file=sys.stderr,
    )
    if args.against:
        from harness.training import datasets  # here: it takes a while to import

        if args.against in datasets.DECLARED:
            args.train_suite = args.against
        else:
            args.train_data = Path(args.against)
    return check.run(args)
