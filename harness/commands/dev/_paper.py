"""The work of ``dev paper``."""

from __future__ import annotations

import argparse

from harness.commands import _sources, _text
from harness.report.inconsistencies import findings
from harness.report.printed import load_paper
from harness.report.render import Renderer
from harness.report.reruns import said_of
from harness.results.paths import REFERENCES, TABLES


def run(args: argparse.Namespace) -> int:
    found = findings(load_paper(REFERENCES / "paper"))
    others = _sources.others()
    if args.markdown:
        print(Renderer(TABLES / "templates").findings(found, others), end="")
        return 0
    for number, finding in enumerate(found, start=1):
        print(f"{number}. {finding.title}\n\n{finding.text}\n")
        if finding.rows:
            print(_text.table(finding.header, finding.rows), end="\n\n")
        for condition in finding.conditions:
            print(f"- {condition}")
        if finding.conditions:
            print()
    print("What others measured of these rows (--markdown shows all of it):\n")
    for line in said_of(others):
        print(line)
    return 0
