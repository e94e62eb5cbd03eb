"""``python -m harness dev kill-test``: workers and drivers of a dealt run are killed at random."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "kill workers and drivers of a run on a local Ray cluster, and compare what it leaves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", type=_flags.positive, default=20_000, help="synthetic images to score"
    )
    parser.add_argument(
        "--actors",
        type=_flags.positive,
        default=4,
        help="workers of the first driver; the next ones get one less, one more, two less",
    )
    parser.add_argument(
        "--actor-kills", type=_flags.count, default=20, help="workers to kill, at random moments"
    )
    parser.add_argument(
        "--driver-kills", type=_flags.count, default=3, help="drivers to kill, at random moments"
    )
    parser.add_argument("--seed", type=_flags.count, default=0, help="of the random moments")


def run(args: argparse.Namespace) -> int:
    from harness.commands.dev import _kill_test

    return _kill_test.run(args)
