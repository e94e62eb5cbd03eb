"""Tables, suites and detectors name the same things."""

from __future__ import annotations

from harness.commands import _sources
from harness.registry import detectors as registry
from harness.registry.suites import GROUPS, all_suites


def test_table_columns_are_declared_subsets_in_the_papers_order() -> None:
    suites = all_suites()
    for name in ("forensynths", "gangen", "diffusion", "ufd"):
        (spec,) = [spec for spec in _sources.specs() if spec.name == name]
        columns = [column.subset for column in spec.columns if column.subset]
        assert columns == [subset.name for subset in suites[name].subsets], name


def test_the_paper_has_38_subsets() -> None:
    assert sum(len(all_suites()[name].subsets) for name in GROUPS["paper"]) == 38


def test_the_papers_rows_name_registered_detectors() -> None:
    rows = [row for spec in _sources.specs() for row in spec.rows if row.paper]
    known = [row for row in rows if row.detector in registry.detectors()]
    # Every row of every table has its detector by now.
    assert {row.detector for row in rows} <= set(registry.detectors())
    for row in known:
        assert registry.detector(row.detector).paper_name == row.paper


def test_mini_tables_show_every_embedded_set_once() -> None:
    declared = [subset.name for subset in all_suites()["mini"].subsets]
    (spec,) = [spec for spec in _sources.specs() if spec.name == "mini-sets"]
    assert [name for column in spec.sets if not column.reals for name in column.sets] == declared
