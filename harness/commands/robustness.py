"""``python -m harness robustness``: what detectors lose when images are treated as people do."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "score under JPEG, WebP, scaling, blur, noise, crops and chains: a table and curves"

DEFAULT = (
    "jpeg(95),jpeg(90),jpeg(75),jpeg(50),jpeg(30),scale(0.5),scale(0.75),scale(1.5),"
    "blur(1),blur(2),noise(5),noise(10),webp(80),crop(0.75),screenshot,social"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _flags.add_scoring(parser)
    _flags.add_ray(parser)
    parser.add_argument(
        "--perturbations",
        default=DEFAULT,
        metavar="TEXTS",
        help="comma-separated texts, the steps of each joined by |, or screenshot or social, which "
        "stand for a usual chain of steps",
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands import _robustness

    return _robustness.run(args)
