"""``python -m harness dev paper``: the paper's own inconsistencies, recomputed."""

from __future__ import annotations

import argparse

HELP = "recompute the inconsistencies inside the paper's own tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print Markdown")


def run(args: argparse.Namespace) -> int:
    from harness.commands.dev import _paper

    return _paper.run(args)
