"""``python -m harness import FILE``: scores that something else made, judged like any other."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "take scores from a file (CSV, TSV, JSON Lines, Parquet): records as of any detector"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help=".csv, .tsv, .jsonl or .parquet, a row an image"
    )
    parser.add_argument(
        "--name",
        required=True,
        help="what the detector is called here; of several columns each is NAME-COLUMN",
    )
    _add_meaning(parser)
    _add_columns(parser)
    _add_images(parser)
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="an image without a score is an error, or is left out, counted and listed",
    )
    parser.add_argument(
        "--one-class", action="store_true", help="take a file of reals alone, or of fakes alone"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace other scores of this name"
    )
    _flags.add_resampling(parser)
    _flags.add_data_root(parser)
    _flags.add_out(parser)


def _add_meaning(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what a score is; nothing is guessed from the values")
    group.add_argument(
        "--kind",
        choices=("logit", "probability", "uncalibrated"),
        required=True,
        help="probability: of fake, 0 to 1; uncalibrated: any number",
    )
    group.add_argument(
        "--threshold",
        type=float,
        help="an image is called fake above it (default: 0 of logits, 0.5 of probabilities)",
    )
    group.add_argument(
        "--lower-is-fake",
        action="store_true",
        help="a smaller score is more fake: scores and threshold are negated (1 less it, of a "
        "probability)",
    )


def _add_columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("columns, where names leave a doubt")
    group.add_argument("--id", default="", metavar="COLUMN", help="names the image")
    group.add_argument(
        "--score",
        action="append",
        default=[],
        metavar="COLUMN",
        help="scores of a detector; may be given several times",
    )
    group.add_argument(
        "--scores", default="", metavar="PATTERN", help="such columns by a pattern: 'prob_*'"
    )
    group.add_argument("--label", default="", metavar="COLUMN", help="says which are fake")
    group.add_argument(
        "--fake-label", default="", metavar="VALUE", help="means fake; every other value real"
    )
    group.add_argument("--group", default="", metavar="COLUMN", help="names the subset")
    group.add_argument(
        "--unit", default="", metavar="COLUMN", help="what images share that are not independent"
    )
    group.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only rows with this value; may be given several times",
    )


def _add_images(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which images these are").add_mutually_exclusive_group()
    group.add_argument(
        "--suite", default="", help="a known suite or a part of it: mini, mini:gan, ufd"
    )
    group.add_argument(
        "--images", default="", metavar="PLACE", help="own data that is at hand, as for `run`"
    )
    group.add_argument(
        "--data",
        default="",
        metavar="NAME",
        help="no images: what the data set is called, the same for every file about it (default: "
        "made from ids and labels)",
    )
    parser.add_argument(
        "--reals",
        default="",
        metavar="POOL",
        help="the reals that every group of fakes alone is paired with: a group of reals alone; "
        "with --images also a place",
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands import _import

    return _import.run(args)
