"""The leaderboard: rows of runs, the paper's numbers beside ours, holes with their reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.commands import _sources
from harness.commands._tables import build
from harness.report.diff import against_paper
from harness.report.tables.mini import UNLEARNED
from harness.report.tables.paper import NetworkCost, Sources
from harness.results.records import Metric, RunRecord, WeightsRef
from harness.site.board import START, BoardRow, Leaderboard, Material
from harness.site.costs import cost_panels
from harness.site.entries import tone
from harness.site.grid import Entry
from harness.site.leaderboard import build_leaderboard, other_pages, suite_means
from harness.site.record_facts import file_name

from .synthetic import PAPER, SPECS, mini_record, paper_like

PUBLISHED = {"lfm": "released", "npr": "released", "gap": "", "chance": ""}
FAMILIES = {"lfm": "local", "npr": "local", "gap": "local", "chance": "control"}
SUITES = ("forensynths", "gangen", "diffusion", "ufd", "diffusion1k")


def material(*records: RunRecord, pages: set[str] | None = None, **costs: NetworkCost) -> Material:
    found = Sources(records=records, paper=PAPER, published=PUBLISHED, costs=costs)
    specs = list(SPECS.values())
    return Material(
        specs=specs,
        tables={spec.name: build(spec, found) for spec in specs},
        sources=found,
        cells=against_paper(specs, found),
        detectors=[
            {"name": name, "title": name.upper(), "family": family}
            for name, family in FAMILIES.items()
        ],
        suites=[],
        pages=pages or set(),
    )


def board(*records: RunRecord) -> Leaderboard:
    return build_leaderboard(material(*records))


def row(found: Leaderboard, detector: str, weights: str) -> BoardRow:
    (only,) = [r for r in found.rows if (r.detector, r.weights) == (detector, weights)]
    return only


def entry(
    found: Leaderboard, line: BoardRow, group: str, metric: str, title: str = "ours"
) -> Entry:  # fmt: skip
    places = [(c.group, c.metric, c.title) for c in found.columns]
    return line.entries[places.index((group, metric, title))]


def test_rows_have_an_entry_for_each_column_and_groups_what_is_seen_at_a_time() -> None:
    found = board(paper_like("gangen"), mini_record("lfm", 0, 0.8, 0.7))
    assert all(len(line.entries) == len(found.columns) for line in found.rows)
    for metric in ("AP", "ACC"):
        shown = [found.columns[i] for i in found.shown]
        seen = [c.group for c in shown if c.metric in (metric, "flagged as fake")]
        assert found.groups == [(g, seen.count(g)) for g in dict.fromkeys(seen)]
    assert [group for group, _ in found.groups] == ["mini", "gangen"]
    assert "ufd" in found.empty  # nothing was scored there: the paper's numbers alone are no column


def test_means_are_the_five_suites_and_the_mean_of_their_sets() -> None:
    found = suite_means(list(SPECS.values()))
    assert [target.suite for target in found] == [*SUITES, ""]


def test_ours_the_papers_and_the_difference() -> None:
    found = board(paper_like("gangen", shift=-3))
    line = row(found, "lfm", "released")
    ours = entry(found, line, "gangen", "ACC")
    paper = entry(found, line, "gangen", "ACC", "paper")
    gap = entry(found, line, "gangen", "ACC", "difference")
    printed = PAPER.value("gangen", "LFM", "mean", "ACC")
    assert ours.value is not None
    assert paper.value == printed and paper.text == f"{printed:.1f}"
    assert gap.value == pytest.approx(ours.value - printed)
    assert gap.text.startswith("−3") or gap.text.startswith("−2.9")
    assert gap.tone == "down2"
    assert gap.why.startswith("off\n")
    assert f"{printed:.1f}" not in ours.text


def test_a_suite_of_which_some_sets_are_scored_says_which_and_how_they_came_out() -> None:
    whole = paper_like("gangen")
    holes = tuple(
        r if r.subset == "began" else replace(r, status="missing", metrics={}, error="not run")
        for r in whole.subsets
    )
    own = replace(whole, subsets=holes, mean={"ap": Metric(value=None, note="no value for attgan")})
    shown = entry(board(own), row(board(own), "lfm", "released"), "gangen", "AP")
    assert (shown.text, shown.value) == ("1 of 9 sets", None)
    assert shown.why == "began: 100.0\nno value for attgan"


def test_a_suite_that_was_not_run_is_a_hole_with_the_papers_number_beside_it() -> None:
    found = board(paper_like("gangen"))
    line = row(found, "lfm", "released")
    assert entry(found, line, "ufd", "AP") == Entry()  # the row's gaps say why
    assert entry(found, line, "ufd", "AP", "paper").value == PAPER.value("ufd", "LFM", "mean", "AP")
    assert entry(found, line, "ufd", "AP", "difference") == Entry()
    assert "ufd" in line.gaps["not run"]


def test_seeds_are_one_row_with_their_mean_and_spread() -> None:
    found = board(mini_record("gap", 0, 0.8, 0.7), mini_record("gap", 1, 0.84, 0.7))
    line = row(found, "gap", "mini-train")
    shown = entry(found, line, *START)
    assert shown.value == pytest.approx(82)
    assert shown.spread == "(sd 2.8)"
    assert line.tags == ["2 seeds"]
    assert entry(
        found, line, "mini", "flagged as fake", "controls flagged as fake"
    ).value == pytest.approx(30)


def test_weights_of_ones_own_stand_apart_from_the_published_row() -> None:
    own = WeightsRef(label="mini-train/seed0", sha256="b" * 64, seed=0)
    official = paper_like("gangen", shift=-9, weights=own, variant="")
    found = board(mini_record("lfm", 0, 0.8, 0.7), official)
    mine = row(found, "lfm", "mini-train")
    published = row(found, "lfm", "released")
    assert entry(found, published, "gangen", "AP") == Entry()
    assert entry(found, published, "gangen", "AP", "paper").value is not None
    gap = entry(found, mine, "gangen", "ACC", "difference")
    assert gap.why.startswith(
        "not comparable, off\nother weights: mini-train/seed0, published: rel"
    )
    assert (gap.tone, gap.text[:2], gap.text[-1]) == ("", "(−", ")")
    assert entry(found, mine, "ufd", "AP", "paper") == Entry()


def test_each_seed_has_its_page() -> None:
    records = [mini_record("gap", seed, 0.8, 0.7) for seed in (0, 1)]
    given = material(*records, pages={file_name(record) for record in records})
    line = row(build_leaderboard(given), "gap", "mini-train")
    assert line.links == {
        "mini": [("seed0", file_name(records[0])), ("seed1", file_name(records[1]))]
    }


def test_treated_pictures_are_no_row_but_have_their_pages() -> None:
    plain = paper_like("gangen")
    others = [
        paper_like("gangen", shift=-9, **changes)
        for changes in ({"perturbation": "jpeg(90)"}, {"limit": 20}, {"preprocess": "native"})
    ]
    pages = {file_name(record) for record in (plain, *others)}
    assert len(pages) == 4
    given = material(plain, *others, pages=pages)
    found = build_leaderboard(given)
    line = row(found, "lfm", "released")
    assert line.links == {"gangen": [("page", file_name(plain))]}
    paper = entry(found, line, "gangen", "AP", "paper").value
    assert entry(found, line, "gangen", "AP").value == pytest.approx(paper, abs=0.1)
    assert {file for _, file in other_pages(given, found)} == pages - {file_name(plain)}


def test_rows_are_sorted_by_the_first_column_and_those_without_it_come_last() -> None:
    found = board(
        mini_record("gap", 0, 0.9, 0.7),
        mini_record("lfm", 0, 0.8, 0.9),
        mini_record("chance", None, 0.4, 0.5, label=""),
        paper_like("gangen"),
    )
    values = [line.entries[found.start].value for line in found.rows]
    held = [value for value in values if value is not None]
    assert held == sorted(held, reverse=True) and len(held) == 3
    assert values[3:] == [None] * (len(values) - 3)
    assert row(found, "chance", "").kind == "control"
    assert row(found, "chance", "").tags == ["control"]
    assert found.families == ["control", "local"]


def test_a_detector_without_any_record_has_a_row_that_says_so() -> None:
    found = board()
    assert {line.detector for line in found.rows} == set(PUBLISHED)
    line = row(found, "gap", "")
    assert all(e.value is None for e in line.entries)
    assert "mini" in line.gaps["not run"]
    assert not line.scored and found.scored == []


def test_the_mean_of_all_sets_needs_all_suites() -> None:
    found = board(*[paper_like(suite) for suite in SUITES if suite != "diffusion1k"])
    line = row(found, "lfm", "released")
    (overall,) = [t.title for t in suite_means(list(SPECS.values())) if not t.suite]
    assert "diffusion1k" in entry(found, line, overall, "AP").why


@pytest.mark.parametrize(
    ("delta", "expected"),
    [(0.04, ""), (-0.04, ""), (0.06, "up1"), (-0.99, "down1"), (1.0, "up2"), (-5.0, "down3")],
)
def test_tone(delta: float, expected: str) -> None:
    assert tone(delta) == expected


def test_costs_take_what_has_a_network_and_learned_something() -> None:
    unlearned = replace(
        mini_record("npr", 0, 0.45, 0.5),
        weights=WeightsRef(label="mini-train/seed0", sha256="n", seed=0, recipe={"val_ap": 0.51}),
    )
    cost = NetworkCost(macs=2e9, params=1e6)
    given = material(
        mini_record("lfm", 0, 0.8, 0.7),
        mini_record("lfm", None, 0.9, 0.8, label="released"),
        mini_record("gap", 0, 0.7, 0.7),
        unlearned,
        mini_record("chance", None, 0.4, 0.5, label=""),
        lfm=cost,
        npr=cost,
        chance=NetworkCost(macs=None, params=None),
    )
    found = build_leaderboard(given)
    assert UNLEARNED in row(found, "npr", "mini-train").notes
    ours, paper = cost_panels(found, given)
    labels = [(point.label, point.ap) for point in ours.points]
    assert labels == [
        ("LFM (mini-train)", pytest.approx(80)),
        ("LFM (released)", pytest.approx(90)),
    ]
    assert ours.points[0].macs == 2e9 and ours.points[0].family == "local"
    printed = {point.label: point for point in paper.points}
    assert printed["LFM"].macs == 1e9 * PAPER.value("summary", "LFM", "cost", "flops")
    assert set(printed) == {"LGrad", "Ojha", "NPR", "FatFormer", "SAFE", "LFM"}


def test_real_registry_and_specs_make_a_board(tmp_path: Path) -> None:
    found = _sources.gather(tmp_path)
    specs = _sources.specs()
    made = build_leaderboard(
        Material(
            specs=specs,
            tables={spec.name: build(spec, found) for spec in specs},
            sources=found,
            cells=against_paper(specs, found),
            detectors=[],
            suites=[],
            pages=(),
        )
    )
    assert {line.detector for line in made.rows} == set(found.published)
    assert {column.group for column in made.columns} >= {"mini", *SUITES}


def test_two_recipes_are_no_two_seeds_of_one_row() -> None:
    one, two = mini_record("gap", 0, 0.8, 0.7), mini_record("gap", 1, 0.84, 0.7)
    two = replace(two, weights=replace(two.weights, recipe={"val_preprocess": "center_crop(64)"}))
    found = board(one, two)
    lines = [line for line in found.rows if line.detector == "gap"]
    assert [entry(found, line, *START).value for line in lines] == pytest.approx([84, 80])
    assert {tuple(line.tags) for line in lines} == {
        ("val preprocess none",),
        ("val preprocess center_crop(64)",),
    }


def test_reservations_and_the_rule_of_ap_are_said() -> None:
    own = paper_like("gangen", published_ap="ap_sigmoid32")
    values = {**own.mean, "ap": Metric(value=0.678), "ap_sigmoid32": Metric(value=0.507)}
    results = (replace(own.subsets[0], skipped=("a.png",)), *own.subsets[1:])
    found = board(replace(own, mean=values, subsets=results))
    line = row(found, "lfm", "released")
    shown = entry(found, line, "gangen", "AP")
    assert shown.value == pytest.approx(50.7)
    assert "could not be read" in shown.why and "of the raw scores it is 67.8" in shown.why
    assert any(note.startswith("Official suites: AP ranks float32") for note in line.notes)
    assert entry(found, line, "gangen", "AP", "difference").why.startswith("not comparable")
