"""Release dates of generators, and accuracy over them: what is placed, and what is not."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from harness.figures.timeline import timeline, year_of
from harness.registry.suites import all_suites
from harness.report.table import Cell, Row
from harness.results.records import RunRecord
from harness.site.timeline import ROWS, dated_sets, over_time
from harness.suites._generators import GENERATORS, born
from tests.evidence import keep, scores_of

# --- the dates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", GENERATORS, ids=lambda each: each.name)
def test_a_date_is_a_month_with_a_source(each) -> None:  # type: ignore[no-untyped-def]
    assert re.fullmatch(r"20[12]\d-(0[1-9]|1[0-2])", each.month)
    assert each.source
    paper = re.fullmatch(r"arXiv:(\d\d)(\d\d)\.\d{5}", each.source)
    if paper:  # the number of a paper begins with the month of its first version
        assert each.month == f"20{paper[1]}-{paper[2]}"
    else:
        assert each.month[:4] in each.source or each.name.startswith(("sdv", "sd1.3"))


def test_no_name_means_two_generators() -> None:
    for each in GENERATORS:
        for name in (each.name, *each.aliases):
            assert born([name]) is each


def test_what_no_source_dates_has_no_date() -> None:
    for names in ((), ("midjourney",), ("dalle",), ("wukong",), ("deepfake",), ("sdxl", "progan")):
        assert born(names) is None
    found = born(("Stable-Diffusion 2.1",))
    assert found is not None and (found.name, found.month) == ("sd2.1", "2022-12")


def test_most_subsets_of_the_suites_have_a_date() -> None:
    """A generator's name that is written in two ways would lose its date in silence."""
    undated = {
        name
        for suite in all_suites().values()
        for subset in suite.subsets
        if not suite.embedded and born(subset.generators) is None
        for name in subset.generators
    }
    assert undated == {
        "blip",
        "controlnet-sd2.1",
        "controlnet-sdxl",
        "dalle",
        "deepfake",
        "faceswap",
        "inswap",
        "midjourney",
        "sd1.5-inpainting",
        "sdxl-inpainting",
        "wukong",
    }


# --- the figure -----------------------------------------------------------------------------------


def _row(name: str, *values: float | None) -> Row:
    cells = tuple(Cell() if v is None else Cell(value=v, status="measured") for v in values)
    return Row(key=name, title=name, detector=name, kind="method", cells=cells)


def test_a_later_month_lies_further_to_the_right() -> None:
    assert year_of("2022-01") < year_of("2022-12") < year_of("2023-01")
    assert year_of("2022-07") == pytest.approx(2022 + 6.5 / 12)


def test_the_same_rows_give_the_same_file_and_every_number_a_dot() -> None:
    rows, months = (
        [_row("a", 90.0, None, 50.0), _row("b", 80.0, 70.0, 60.0)],
        ("2019-01", "2021-02", "2023-03"),
    )
    svg = timeline(rows, months, "t", "ACC")
    assert svg == timeline(rows, months, "t", "ACC")
    fewer = timeline([_row("a", 90.0, None, None), rows[1]], months, "t", "ACC")
    assert _marks(svg) == _marks(fewer) + 3  # the dot, and the caps of its interval


def _marks(svg: bytes) -> int:
    """Dots, ticks and caps of a drawing."""
    return sum(element.tag.endswith("use") for element in ElementTree.fromstring(svg).iter())


# --- the section ----------------------------------------------------------------------------------


def _ufd(out: Path, detector: str, *names: str, strength: float = 1.0) -> RunRecord:
    scores = {name: scores_of(at, strength) for at, name in enumerate(names)}
    return keep(out, detector, scores, suite="ufd")


def test_sets_are_in_the_order_of_their_generators_and_undated_ones_are_named(
    tmp_path: Path,
) -> None:
    record = _ufd(tmp_path, "lfm", "dalle", "glide_50_27", "guided", strength=1.5)
    section = over_time([record])
    (grid,), (image,) = section.grids, section.images
    assert [row[0].text for row in grid.rows] == ["ADM", "Glide_50_27"]
    assert [row[1].text for row in grid.rows] == ["2021-05", "2021-12"]
    assert grid.notes == [
        "No known release date, so in no picture: DALLE.",
        "Not scored by any of these: Glide_100_10, Glide_100_27, LDM_100, LDM_200, LDM_200_cfg.",
    ]
    assert grid.header == ("Set", "Released", "Known from", "LFM")
    value = record.subsets[2].metrics["acc"].value
    assert value is not None
    assert grid.rows[0][3].text == f"{100 * value:.1f}"
    half = _ufd(tmp_path, "npr", "guided")
    assert over_time([record, half]).grids[0].rows[1][4].text == "-"  # not run
    assert "2021-05 to 2021-12" in image.alt and "LFM" in image.alt


def test_without_dates_or_plain_runs_nothing_is_drawn(tmp_path: Path) -> None:
    assert over_time([]).empty
    own = keep(tmp_path, "lfm", {"dalle": scores_of(0, 1.0)}, suite="own-x-12345678")
    mini = keep(tmp_path, "lfm", {"gan_tconv": scores_of(0, 1.0)}, suite="mini")
    undated = _ufd(tmp_path, "npr", "dalle")
    assert over_time([own, mini, undated]).empty
    plain = _ufd(tmp_path, "lfm", "guided")
    treated = replace(plain, perturbation="jpeg(90)")
    assert over_time([treated, replace(plain, limit=20)]).empty
    assert not over_time([treated, plain]).empty


def test_fakes_alone_show_their_hits(tmp_path: Path) -> None:
    record = keep(tmp_path, "lfm", {"alone": scores_of(0, 0.3)}, suite="evalgen")
    (result,) = record.subsets
    record = replace(record, subsets=(replace(result, subset="nova"),))
    (grid,) = over_time([record]).grids
    assert "EvalGEN: hits in percent" in grid.caption
    value = result.metrics["fake_acc"].value
    assert value is not None and 0 < value < 1
    (row,) = [row for row in grid.rows if row[0].text == "NOVA"]
    assert row[3].text == f"{100 * value:.1f}"


def test_subsets_that_the_data_names_are_dated_by_their_names(tmp_path: Path) -> None:
    names = ("flux_1_dev", "stable_diffusion_3", "something_else")
    record = keep(tmp_path, "lfm", {name: scores_of(0, 1.0) for name in names}, suite="mnw")
    dated, undated = dated_sets("mnw", [record])
    assert [(each.name, each.born.name) for each in dated] == [
        ("stable_diffusion_3", "sd3"),
        ("flux_1_dev", "flux"),
    ]
    assert undated == ("something_else",)


def test_many_detectors_share_no_picture_and_two_weights_have_two_names(tmp_path: Path) -> None:
    base = _ufd(tmp_path, "lfm", "guided", "glide_50_27")
    many = [replace(base, detector=f"d{i}", title=f"D{i}") for i in range(ROWS + 1)]
    assert len(over_time(many).images) == 2
    other = replace(base, weights=replace(base.weights, label="mine"))
    (grid,) = over_time([base, other]).grids
    assert grid.header[3:] == ("LFM (released)", "LFM (mine)")
