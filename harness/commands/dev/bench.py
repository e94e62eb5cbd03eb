"""``python -m harness dev bench``: images a second, beside a plain loop and the machine's limit."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "measure images/s of the evaluation beside a plain loop and the machine's limit"

IMAGES = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        default="lfm",
        help="`name` or `name:WEIGHTS`; several, comma-separated, or `all` give one table",
    )
    parser.add_argument(
        "--images", type=Path, help="folder of images (default: synthetic 256x256 PNG files)"
    )
    parser.add_argument(
        "--n",
        type=_flags.positive,
        help=f"images (default: {IMAGES}; of several detectors, fewer for large networks)",
    )
    parser.add_argument(
        "--rounds", type=_flags.positive, default=5, help="passes of every loop (default: 5)"
    )
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    parser.add_argument(
        "--runtime",
        choices=("all", "torch", "onnxruntime", "torch-public"),
        default="all",
        help="of ours (default: every one that is installed); torch-public is torch without the "
        "private operators that `torch` uses",
    )
    parser.add_argument("--workers", type=_flags.positive, help="threads of ours (default: cores)")
    parser.add_argument(
        "--memory",
        action="store_true",
        help="also peak memory at 1,000 and 20,000 images (minutes)",
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")


def run(args: argparse.Namespace) -> int:
    from harness.commands.dev import _bench

    return _bench.run(args)
