"""``python -m harness explain IMAGE...``: where detectors see evidence, drawn and measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags

HELP = "draw Grad-CAM and exact maps of images side by side, and measure how local they are"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="IMAGE",
        help="image files, folders or archives of them, or ARCHIVE::MEMBER",
    )
    parser.add_argument("--suite", default="", help="images of a suite instead: mini:gan")
    parser.add_argument(
        "--limit",
        type=_flags.positive,
        default=4,
        help="images of each class and subset, evenly spread (default: %(default)s)",
    )
    parser.add_argument(
        "--panels",
        type=_flags.count,
        default=16,
        help="how many images are drawn, those that are named first, the others evenly spread; "
        "all are measured (default: %(default)s)",
    )
    parser.add_argument("--method", required=True, help=_flags.METHOD_HELP)
    _flags.add_weights(parser)
    parser.add_argument(
        "--layer", default="", help="of Grad-CAM (default: the last map on the way to the score)"
    )
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    _flags.add_device(parser)
    parser.add_argument("--to", type=Path, help="folder of the panels (default: OUT/explain)")
    _flags.add_data_root(parser)
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _explain

    return _explain.run(args)
