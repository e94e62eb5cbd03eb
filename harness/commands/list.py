"""``python -m harness list``: what can be run, on what, and what is known of it."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "show detectors and suites; --long NAME tells everything of one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--long", metavar="NAME", help="everything of one detector or suite")
    parser.add_argument("--json", action="store_true")
    _flags.add_data_root(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _list

    return _list.run(args)
