"""``python -m harness bench``: images a second beside a plain loop, or what many images cost."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "measure images/s beside a plain loop and the machine's limit, or what many images cost"

IMAGES = 128
METHOD, SCALE_METHOD = "lfm", "chance,npr"
LEAST = 2_000
"""Images of the largest of the three runs, so that the smallest has ten of each class."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        default="",
        help="`name` or `name:WEIGHTS`; several, comma-separated, or `all` give one table "
        f"(default: {METHOD}, with --scale {SCALE_METHOD})",
    )
    parser.add_argument(
        "--scale",
        type=_many,
        metavar="N",
        help="instead: memory and the seconds of every stage of a run, at N/100, N/10 and N "
        "synthetic images of 32x32, which are made in memory and scored at that size",
    )
    parser.add_argument(
        "--commands",
        action="store_true",
        help="with --scale: also check (all depths), compare, and the pages of report",
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


def _many(text: str) -> int:
    value = int(text)
    if value < LEAST:
        raise argparse.ArgumentTypeError(f"must be at least {LEAST:,}, got {value}")
    return value


def run(args: argparse.Namespace) -> int:
    if args.scale:
        from harness.commands import _bench_scale

        return _bench_scale.run(args)
    from harness.commands import _bench

    return _bench.run(args)
