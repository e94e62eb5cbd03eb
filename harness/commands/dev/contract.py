"""``python -m harness dev contract NAME``: does a detector keep its contract?"""

from __future__ import annotations

import argparse

from harness.engine.contracts import CHECKS
from harness.errors import DetectorError
from harness.registry import detectors as registry

HELP = "check that a detector behaves: shapes, determinism, sizes, loading (for authors)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", nargs="+", help="registered detectors, or `all`")


def run(args: argparse.Namespace) -> int:
    """Runs every check on every named detector; 4 when one fails."""
    failed = 0
    for spec in registry.usable(",".join(args.method)):
        for check in CHECKS:
            try:
                check(spec)
                verdict = "pass"
            except DetectorError as error:
                failed += 1
                verdict = f"FAIL: {error.message}"
            name = check.__name__.removeprefix("check_").replace("_", " ")
            print(f"{spec.name:12} {name:24} {verdict}")
    return DetectorError.exit_code if failed else 0
