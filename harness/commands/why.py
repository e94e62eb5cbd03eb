"""``python -m harness why``: which known condition makes a number that differs."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "find the condition (a resize, a class order, an average) that makes a number"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_wanted(parser)
    _flags.add_contents(parser, method_required=False)
    _flags.add_on_bad_image(parser)
    _add_effort(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    # The row is scored first, as `run` does it without further flags.
    parser.set_defaults(preprocess="", overwrite="missing", resamples=1000, resample="images")


def _add_wanted(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is to be explained (one of the first four)")
    group.add_argument(
        "--number",
        action="append",
        default=[],
        metavar="[SUBSET.]METRIC=DIGITS",
        help="in percent, as printed: ACC=62.3, gaugan.AP=99.8, mean.ACC=91.4; metrics ACC, AP, "
        "AUC, real ACC, fake ACC, balanced ACC; may be given several times",
    )
    group.add_argument(
        "--reference",
        default="",
        metavar="NAME",
        help="every number of the row that is off: paper, or a folder of tables/references",
    )
    group.add_argument(
        "--scores",
        default="",
        metavar="FILE",
        help="scores of another program for the same images, as `import` takes them",
    )
    group.add_argument(
        "--numbers",
        default="",
        metavar="FILE",
        help="no images: a table of numbers (suite,subset,method,metric,value) to be compared "
        "with --reference",
    )
    group.add_argument(
        "--other-images",
        action="store_true",
        help="the numbers were measured on other images of the kind: their sampling counts",
    )
    group.add_argument(
        "--order",
        default="",
        metavar="FILE",
        help="ids in another order, one a line (what os.listdir gave there)",
    )
    group.add_argument(
        "--training-reals",
        default="",
        metavar="PLACE",
        help="the real images of the training set, anything that --images takes",
    )


def _add_effort(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how much is tried")
    group.add_argument(
        "--budget",
        type=_flags.duration,
        default=900.0,
        metavar="TIME",
        help="when to stop scoring images: 90s, 15m (default), 2h; what was scored is kept, and "
        "the same command goes on",
    )
    group.add_argument(
        "--free", action="store_true", help="only what needs no image: seconds, from kept scores"
    )
    group.add_argument("--no-pairs", action="store_true", help="only single conditions")
    group.add_argument(
        "--family",
        default="",
        metavar="NAMES",
        help="only these, comma-separated: metric, labels, images, table, geometry, decoding, "
        "codec, normalisation, network, weights",
    )


def run(args: argparse.Namespace) -> int:
    from harness.commands import _why

    return _why.run(args)
