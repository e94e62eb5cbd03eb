"""The work of ``tables``."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import _sources
from harness.errors import unknown_name
from harness.registry.suites import all_suites
from harness.report.inconsistencies import findings
from harness.report.protocols import load_protocol
from harness.report.render import Renderer
from harness.report.spec import TableSpec
from harness.report.table import Table
from harness.report.tables.mini import build_mini_table
from harness.report.tables.paper import Sources, build_paper_table
from harness.report.tables.protocol import build_protocol_table
from harness.report.tables.sets import sets_spec
from harness.results.paths import PROTOCOLS, TABLES


def run(args: argparse.Namespace) -> int:
    to = args.to or args.out / "tables"
    if args.suite:
        return _of_suite(args, to)
    if args.protocol:
        return _of_protocol(args, to)
    specs = {spec.name: spec for spec in _sources.specs()}
    for name in (args.table, args.skip):
        if name and name not in specs:
            raise unknown_name("table", name, specs)
    sources = _sources.gather(args.out)
    renderer = Renderer(TABLES / "templates")
    if args.table:
        written = renderer.write([build(specs[args.table], sources)], to)
    else:
        tables = [build(spec, sources) for spec in specs.values() if spec.name != args.skip]
        written = renderer.write(tables, to)
        written += renderer.write_overview(tables, findings(sources.paper), to, _sources.others())
    for path in written:
        print(path)
    return 0


def _of_suite(args: argparse.Namespace, to: Path) -> int:
    """The table of one suite, whatever its sets."""
    sources = _sources.gather(args.out)
    known = {record.suite for record in sources.records}
    if args.suite not in known:
        raise unknown_name("suite", args.suite, known, said="no run is on a suite")
    table = build(sets_spec(args.suite, sources.records), sources)
    for path in Renderer(TABLES / "templates").write([table], to):
        print(path)
    return 0


def _of_protocol(args: argparse.Namespace, to: Path) -> int:
    """The table of one protocol, and of no other's numbers."""
    protocol = load_protocol(PROTOCOLS, args.protocol)
    table = build_protocol_table(protocol, _sources.gather(args.out).records, all_suites())
    for path in Renderer(TABLES / "templates").write([table], to):
        print(path)
    return 0


def build(spec: TableSpec, sources: Sources) -> Table:
    """The table of a spec."""
    return (build_mini_table if spec.kind == "mini" else build_paper_table)(spec, sources)
