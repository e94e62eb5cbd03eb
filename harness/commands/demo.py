"""``python -m harness demo``: a local page where one drops an image."""

from __future__ import annotations

import argparse

from harness.commands import _flags
from harness.demo import LOOPBACK, PORT

HELP = "a local web page: drop an image, see scores, decisions, maps and what its file says"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        default="all",
        help=f"{_flags.METHOD_HELP} (default: all whose weights are here)",
    )
    _flags.add_weights(parser)
    parser.add_argument(
        "--port",
        type=_flags.count,
        help=f"0 = any free one (default: {PORT}, or the next free one)",
    )
    parser.add_argument(
        "--host", default=LOOPBACK[0], help="address to serve at (default: %(default)s)"
    )
    _flags.add_compute(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _demo

    return _demo.run(args)
