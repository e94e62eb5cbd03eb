"""``python -m harness tsne``: what detectors make of a suite, as a picture and as numbers."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "draw detectors' features of a suite with t-SNE, and measure how far classes lie apart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", required=True, help=_flags.METHOD_HELP)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--suite", default="", help="one suite or a part of it: mini, mini:gan")
    _flags.add_images(data)
    _flags.add_columns(parser)
    _flags.add_weights(parser)
    parser.add_argument("--preprocess", default="", help="override the published geometry")
    parser.add_argument(
        "--limit",
        type=_flags.positive,
        default=0,
        help="images of each class and subset; time grows with the square of all images",
    )
    parser.add_argument(
        "--perplexity", type=float, default=30.0, help="neighbours that count in t-SNE (30)"
    )
    parser.add_argument(
        "--seed", type=_flags.count, default=0, help="of t-SNE, folds and resamples (0)"
    )
    parser.add_argument(
        "--resamples",
        type=_flags.count,
        default=1000,
        help="bootstrap resamples behind the 95%% intervals, 0 = none (default: %(default)s)",
    )
    _flags.add_on_bad_image(parser)
    _flags.add_compute(parser)
    _flags.add_data_root(parser)
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    from harness.commands import _tsne

    return _tsne.run(args)
