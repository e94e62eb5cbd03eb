"""``python -m harness score FILE_OR_DIR...``: a score, the decision and the threshold an image."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "score single images or folders: score, decision and threshold of each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="FILE_OR_DIR",
        help="image files, folders or archives of them, or ARCHIVE::MEMBER",
    )
    parser.add_argument("--method", default="lfm", help="one detector, `name` or `name:WEIGHTS`")
    _flags.add_weights(parser)
    parser.add_argument(
        "--preprocess", default="", help="override the detector's published default geometry"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="path, score, decision, threshold, error")
    form.add_argument("--json", action="store_true", help="one JSON list of the same fields")
    _flags.add_compute(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _score

    return _score.run(args)
