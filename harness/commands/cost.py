"""``python -m harness cost``: multiply-accumulates, parameters, time and memory of detectors."""

from __future__ import annotations

import argparse
import re

from harness.commands import _flags

HELP = "count MACs and parameters, time the networks, explain the paper's printed cost"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="all", help=_flags.METHOD_HELP)
    parser.add_argument(
        "--size", type=image_size, metavar="HxW", help="default: each detector's evaluation size"
    )
    _flags.add_device(parser)
    parser.add_argument("--batch-size", type=_flags.positive, default=8, help="for images/s")
    parser.add_argument(
        "--repeats", type=int, default=10, help="timed calls; 0 = count, do not time"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def image_size(text: str) -> tuple[int, int]:
    """``256x256`` -> (256, 256), height first."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 256x256, got {text!r}")
    return int(match[1]), int(match[2])


def run(args: argparse.Namespace) -> int:
    from harness.commands import _cost

    return _cost.run(args)
