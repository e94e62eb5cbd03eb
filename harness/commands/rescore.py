"""``python -m harness rescore``: metrics made anew from kept scores, without images."""

from __future__ import annotations

import argparse

from harness.commands import _flags

HELP = "make every record's metrics anew from the kept scores, without images or a GPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--calibrate-on",
        default="",
        metavar="SUITE:SUBSET",
        help="also acc_calibrated: accuracy at the threshold that is best on this set, whose "
        "scores must be kept; sets that share images with it are not judged",
    )
    parser.add_argument(
        "--calibrate-shared",
        action="store_true",
        help="with --calibrate-on: also judge sets that share images with it (the real photographs "
        "of mini and of UniversalFakeDetect are the same in every set)",
    )
    _flags.add_resampling(parser)
    _flags.add_out(parser)


def run(args: argparse.Namespace) -> int:
    from harness.evaluation.rescore import rescore
    from harness.results.records import row_name

    rescored = rescore(
        args.out, _flags.resampling(args), args.calibrate_on, shared=args.calibrate_shared
    )
    for record in rescored:
        row = row_name(record.detector, record.weights.label)
        scored = sum(bool(result.predictions) for result in record.subsets)
        print(f"{record.suite}  {row}  {scored} subsets rescored")
    return 0
