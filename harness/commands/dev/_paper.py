"""The work of ``dev paper``."""

from __future__ import annotations

import argparse

from harness.commands import _text
from harness.report.inconsistencies import findings
from harness.report.printed import load_paper
from harness.report.render import Renderer
from harness.results.paths import REFERENCES, TABLES


def run(args: argparse.Namespace) -> int:
    found = findings(load_paper(REFERENCES / "paper"))
    if args.markdown:
        print(Renderer(TABLES / "templates").findings(found), end="")
        return 0
    for number, finding in enumerate(found, start=1):
        print(f"{number}. {finding.title}\n\n{finding.text}\n")
        if finding.rows:
            print(_text.table(finding.header, finding.rows), end="\n\n")
    return 0
