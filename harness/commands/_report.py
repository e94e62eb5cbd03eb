"""The work of ``report``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from harness.commands import _sources
from harness.commands._list import detector_facts, suite_facts
from harness.commands._tables import build
from harness.registry import detectors as registry
from harness.registry.suites import all_suites
from harness.report.diff import against_paper
from harness.report.measured import is_treated
from harness.report.tables.paper import Sources
from harness.results.answers import load_answers
from harness.results.paths import TABLES
from harness.results.store import write_atomic
from harness.site import record_page
from harness.site.board import Material
from harness.site.costs import cost_panels
from harness.site.front_page import index_page
from harness.site.leaderboard import build_leaderboard
from harness.site.renderer import PageRenderer
from harness.site.sections import sections
from harness.site.timeline import over_time


def run(args: argparse.Namespace) -> int:
    sources = _sources.gather(args.out)
    renderer = PageRenderer(TABLES / "templates")
    paged = [r for r in sources.records if args.all_pages or not is_treated(r)]
    answers = load_answers(args.out)
    pages = record_page.write(args.out, args.to, paged, renderer, args.data_root, answers=answers)
    material = gathered(sources, args.data_root, [path.name for path in pages])
    board = build_leaderboard(material)
    found = [over_time(sources.records), *sections(args.out, _ablations(args.out))]
    text = index_page(renderer, material, board, cost_panels(board, material), found)
    write_atomic(args.to / "index.html", text.encode())
    for path in (*pages, args.to / "index.html"):
        print(path)
    return 0


def gathered(sources: Sources, data_root: Path | None, pages: Iterable[str] = ()) -> Material:
    """What the leaderboard is made from.

    Args:
        sources: records and the paper's numbers.
        data_root: folder of the official test sets.
        pages: names of the records' pages that were written.
    """
    specs = _sources.specs()
    return Material(
        specs=specs,
        tables={spec.name: build(spec, sources) for spec in specs},
        sources=sources,
        cells=against_paper(specs, sources),
        detectors=[detector_facts(spec) for spec in registry.detectors().values()],
        suites=[suite_facts(suite, data_root) for suite in all_suites().values()],
        pages=frozenset(pages),
    )


def _ablations(out: Path) -> Path:
    """The folder of the ablations' tables: one's own, else (in a checkout) the committed ones."""
    own = out / "ablation" / "tables"
    return own if any(own.glob("ablation-*.csv")) else TABLES / "out"
