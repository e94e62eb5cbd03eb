"""``python -m harness run``: detectors over suites, to predictions and records."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "score detectors on suites; what is on disk is not computed again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_scoring(parser)
    _flags.add_ray(parser)
    parser.add_argument(
        "--twin",
        default="",
        metavar="NAMES",
        help="further rows on the same images put through one path, and a table of differences: "
        "comma-separated, of jpeg96, png (one size, one codec), native, center_crop, resize (one "
        "geometry for every detector), or all",
    )
    parser.add_argument(
        "--protocol",
        default="paper",
        metavar="NAME",
        help="how a published comparison was made: what is done to images before, noted with the "
        "results, which get tables of their own (docs/protocols.md); paper (default), dda, mirror, "
        "cnndetection, ufd, unbiased-genimage",
    )
    parser.add_argument(
        "--shard",
        default="",
        metavar="K/N",
        help="score only the K-th of N shares of the images, dealt by their ids, and write no "
        "record; shards may run at the same time on one --out, or on several whose predictions/ "
        "are then copied together; a last run without --shard merges them",
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands import _run

    return _run.run(args)
