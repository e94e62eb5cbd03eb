"""``python -m harness export``: kept scores and the leaderboard, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "write kept scores as one tidy Parquet or CSV file, or the leaderboard as CSV or JSON"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="scores, .parquet or .csv: a row an image and detector; FILE.croissant.json beside it "
        "describes them",
    )
    parser.add_argument(
        "--leaderboard", type=Path, metavar="FILE", help="the leaderboard, .csv or .json"
    )
    parser.add_argument(
        "--suite",
        default="",
        help="suites or parts of them, comma-separated: mini, mini:gan (default: all with scores)",
    )
    parser.add_argument(
        "--method",
        default="",
        help="rows, comma-separated: NAME, or NAME:LABEL with the weights' label (default: all)",
    )
    parser.add_argument(
        "--about",
        action="append",
        default=[],
        metavar="KEY=TEXT",
        help="for the description, what only you know: license, url, creator, datePublished, "
        "citeAs, version; may be given several times",
    )
    _flags.add_data_root(parser)
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _export

    return _export.run(args)
