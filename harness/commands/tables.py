"""``python -m harness tables``: the paper's tables and the mini tables, in every format."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _flags, _sources
from harness.errors import unknown_name
from harness.report.inconsistencies import findings
from harness.report.render import Renderer
from harness.report.spec import TableSpec
from harness.report.table import Table
from harness.report.tables.mini import build_mini_table
from harness.report.tables.paper import Sources, build_paper_table
from harness.results.paths import TABLES

HELP = "render the tables as Markdown, LaTeX, HTML and CSV"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``tables``."""
    _flags.add_out(parser)
    parser.add_argument(
        "--to",
        type=Path,
        default=TABLES / "out",
        help="folder of the rendered files (default: tables/out)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--table", default="", metavar="NAME", help="only this table")
    which.add_argument("--skip", default="", metavar="NAME", help="all tables but this one")


def run(args: argparse.Namespace) -> int:
    """Renders and prints the names of the written files."""
    specs = {spec.name: spec for spec in _sources.specs()}
    for name in (args.table, args.skip):
        if name and name not in specs:
            raise unknown_name("table", name, specs)
    sources = _sources.gather(args.out)
    renderer = Renderer(TABLES / "templates")
    if args.table:
        written = renderer.write([build(specs[args.table], sources)], args.to)
    else:
        tables = [build(spec, sources) for spec in specs.values() if spec.name != args.skip]
        written = renderer.write(tables, args.to)
        written += renderer.write_overview(tables, findings(sources.paper), args.to)
    for path in written:
        print(path)
    return 0


def build(spec: TableSpec, sources: Sources) -> Table:
    """The table of a spec."""
    return (build_mini_table if spec.kind == "mini" else build_paper_table)(spec, sources)
