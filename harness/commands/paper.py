"""``python -m harness paper``: the paper's own inconsistencies, recomputed."""

from __future__ import annotations

import argparse

from harness.commands import _sources, _text
from harness.report.findings import findings
from harness.report.paper import load_paper
from harness.report.render import Renderer

HELP = "recompute the inconsistencies inside the paper's own tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``paper``."""
    parser.add_argument("--markdown", action="store_true", help="print Markdown")


def run(args: argparse.Namespace) -> int:
    """Prints every finding."""
    found = findings(load_paper(_sources.TABLES / "paper"))
    if args.markdown:
        print(Renderer(_sources.TABLES / "templates").findings(found), end="")
        return 0
    for number, finding in enumerate(found, start=1):
        print(f"{number}. {finding.title}\n\n{finding.text}\n")
        if finding.rows:
            print(_text.table(finding.header, finding.rows), end="\n\n")
    return 0
