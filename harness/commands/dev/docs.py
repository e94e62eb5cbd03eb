"""``python -m harness dev docs``: the reference pages, written from the registry and the suites."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write docs/: detectors with their deviations, suites, the paper's inconsistencies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, help="folder (default: docs, of a checkout)")


def run(args: argparse.Namespace) -> int:
    from harness.commands.dev import _docs

    return _docs.run(args)
