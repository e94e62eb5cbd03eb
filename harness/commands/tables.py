"""``python -m harness tables``: the paper's tables and the mini tables, in every format."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "render the tables as Markdown, LaTeX, HTML and CSV"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_out(parser)
    parser.add_argument(
        "--to", type=Path, help="folder of the rendered files (default: OUT/tables)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--table", default="", metavar="NAME", help="only this table")
    which.add_argument(
        "--suite", default="", metavar="NAME", help="one of any suite's runs, own data's too"
    )
    which.add_argument(
        "--protocol",
        default="",
        metavar="NAME",
        help="the runs that follow one protocol, over its own sets; never mixed with others",
    )
    which.add_argument("--skip", default="", metavar="NAME", help="all tables but this one")


def run(args: argparse.Namespace) -> int:
    from harness.commands import _tables

    return _tables.run(args)
