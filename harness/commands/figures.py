"""``python -m harness figures``: the picture of the README, from the records."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags, _sources
from harness.commands.tables import build
from harness.figures.dots import dot_plot
from harness.results.store import write_atomic

HELP = "draw the mini table as a vector figure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``figures``."""
    _flags.add_out(parser)
    parser.add_argument("--to", type=Path, default=Path("docs"), help="folder (default: docs)")


def run(args: argparse.Namespace) -> int:
    """Draws and prints the file's name."""
    (spec,) = [spec for spec in _sources.specs() if spec.name == "mini-groups"]
    path = args.to / "mini-groups.svg"
    write_atomic(path, dot_plot(build(spec, _sources.gather(args.out)), "AP"))
    print(path)
    return 0
