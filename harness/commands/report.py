"""``python -m harness report``: everything that was measured, as pages that open from disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "write the report: one page that opens from disk, and one for each detector and suite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_out(parser)
    parser.add_argument(
        "--to", type=Path, default=Path("report"), help="folder (default: %(default)s)"
    )
    parser.add_argument(
        "--all-pages",
        action="store_true",
        help="also a page for each run on treated images: perturbations, and other geometries "
        "than the published one (default: pages of plain runs)",
    )
    _flags.add_data_root(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _report

    return _report.run(args)
