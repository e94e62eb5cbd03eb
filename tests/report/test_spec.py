"""Specs: every name in them exists, and a wrong key is an error that names it."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.registry.detectors import detectors
from harness.registry.suites import get_suite
from harness.report.spec import load_spec

from .synthetic import PAPER, SPECS

COUNTS = {"forensynths": 8, "gangen": 9, "diffusion": 8, "ufd": 8}
PAPER_SPECS = [spec for spec in SPECS.values() if spec.kind == "paper"]
MINI_SPECS = [spec for spec in SPECS.values() if spec.kind == "mini"]


def test_the_tables() -> None:
    assert sorted(SPECS) == [
        "diffusion",
        "forensynths",
        "gangen",
        "mini-all",
        "mini-groups",
        "mini-sets",
        "summary",
        "ufd",
    ]
    assert {s.name: sum(c.over == "subset" for c in s.columns) for s in PAPER_SPECS} == COUNTS


@pytest.mark.parametrize("spec", [*PAPER_SPECS, SPECS["summary"]], ids=lambda spec: spec.name)
def test_columns_and_rows_are_the_papers(spec) -> None:  # type: ignore[no-untyped-def]
    printed = [column for column in PAPER.columns(spec.paper) if column != "cost"]
    assert [column.paper for column in spec.columns if column.paper] == printed
    assert [row.paper for row in spec.rows] == PAPER.methods(spec.paper)
    assert set(spec.metrics) == {"ACC", "AP"}


@pytest.mark.parametrize("spec", PAPER_SPECS, ids=lambda spec: spec.name)
def test_columns_are_the_suites_subsets_in_order(spec) -> None:  # type: ignore[no-untyped-def]
    declared = [subset.name for subset in get_suite(spec.suite).subsets]
    assert [column.subset for column in spec.columns if column.subset] == declared


@pytest.mark.parametrize("spec", MINI_SPECS, ids=lambda spec: spec.name)
def test_mini_sets_are_the_suites(spec) -> None:  # type: ignore[no-untyped-def]
    shown = {name for entry in spec.sets for name in entry.sets}
    subsets = get_suite("mini").subsets
    assert shown == {subset.name for subset in subsets}
    controls = {subset.name for subset in subsets if subset.group == "controls"}
    assert {name for e in spec.sets if not e.fakes for name in e.sets} == controls
    for group in {subset.group for subset in subsets} - {"controls"}:
        members = {subset.name for subset in subsets if subset.group == group}
        if spec.name != "mini-sets":
            assert next(set(e.sets) for e in spec.sets if e.title == group) == members
        else:
            assert {e.title for e in spec.sets if e.group == group} == members


def test_every_detector_has_a_row_of_mini_all() -> None:
    assert {row.detector for row in SPECS["mini-all"].rows} == set(detectors())


def test_one_paper_name_is_one_detector_everywhere() -> None:
    pairs = {(row.paper, row.detector) for spec in SPECS.values() for row in spec.rows if row.paper}
    assert len(pairs) == len({paper for paper, _ in pairs}) == 15


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name =", "not TOML"),
        ('name = "x"\nkolumns = []', "unknown key 'kolumns'"),
        ('name = "x"\ntitle = "t"\ncaption = ""\nkind = "pie"', "kind 'pie'"),
        ('name = "x"', "missing"),
        ('name = "y"\ntitle = "t"\ncaption = ""\nkind = "mini"', "name 'y', expected"),
        ('name = "x"\nrows = [{ detector = "lfm", colour = 1 }]', "rows: unknown key 'colour'"),
        ('name = "x"\nrows = [3]', "got 3"),
    ],
)
def test_errors(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as error:
        load_spec(path)
    assert "x.toml" in str(error.value)
