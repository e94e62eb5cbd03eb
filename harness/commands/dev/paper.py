"""``python -m harness dev paper``: the paper's own inconsistencies, recomputed."""

from __future__ import annotations

import argparse

from harness.commands import _text
from harness.report.inconsistencies import findings
from harness.report.printed import load_paper
from harness.report.render import Renderer
from harness.results.paths import TABLES

HELP = "recompute the inconsistencies inside the paper's own tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``paper``."""
    parser.add_argument("--markdown", action="store_true", help="print Markdown")


def run(args: argparse.Namespace) -> int:
    """Prints every finding."""
    found = findings(load_paper(TABLES / "paper"))
    if args.markdown:
        print(Renderer(TABLES / "templates").findings(found), end="")
        return 0
    for number, finding in enumerate(found, start=1):
        print(f"{number}. {finding.title}\n\n{finding.text}\n")
        if finding.rows:
            print(_text.table(finding.header, finding.rows), end="\n\n")
    return 0
