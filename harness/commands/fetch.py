"""``python -m harness fetch``: test sets and checkpoints, from where they are published."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "fetch test sets and published checkpoints: resumable, checked, several files at once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="SUITE, SUITE:SUBSET or paper, into --data-root; DETECTOR or DETECTOR:CHECKPOINT, "
        "into $LFM_WEIGHTS or weights/ (`ojha` is the detector, `ufd` the suite); without a name "
        "the suites' sources are listed",
    )
    _flags.add_data_root(parser)
    parser.add_argument(
        "--source", metavar="SOURCE", default="", help="another source than the first"
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="only list the sources, with size, licence, and how sure each is",
    )
    parser.add_argument(
        "--accept-licence",
        action="store_true",
        help="accept the terms that are shown, without being asked",
    )
    parser.add_argument(
        "--accept-unverified",
        action="store_true",
        help="take files whose sha256 is not known here, too; a result made with one says so",
    )
    parser.add_argument(
        "--jobs", type=_flags.positive, default=4, help="files at once (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands import _fetch

    return _fetch.run(args)
