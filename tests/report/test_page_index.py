"""The report's first page: verdicts, environments, sections from files, what the HTML holds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import Markup

from harness.__main__ import main
from harness.errors import SchemaError
from harness.report.diff import DiffCell
from harness.site.front_page import empty, environments, verdicts
from harness.site.renderer import code, data_uri
from harness.site.sections import Part, parts

from ..conftest import write_images
from .page_material import write_artefacts, write_costs, write_records
from .synthetic import made_in, paper_like


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "runs"
    write_records(folder)
    write_costs(folder)
    write_artefacts(folder)
    return folder


@pytest.fixture(scope="module")
def html(out: Path) -> str:
    assert main(["report", "--out", str(out), "--to", str(out.parent / "to")]) == 0
    return (out.parent / "to" / "index.html").read_text(encoding="utf-8")


def test_the_page_holds_everything_in_itself(html: str) -> None:
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
    assert "<link" not in html.replace('<link rel="icon" href="data:,">', "")
    assert "@import" not in html and "url(" not in html
    assert html.count("<img ") == html.count('<img src="data:image/')


def test_ids_are_unique_and_every_anchor_has_its_target(html: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_every_section_is_there_and_filled(html: str) -> None:
    for text in ("Title of twins-mini", "Title of robustness-mini", "Audit: ", "A plane.",
                 "87.5 [84.0, 90.0]", "3.0 to 5.0", "lfm:released minus npr"):  # fmt: skip
        assert text in html
    assert "Not made yet" not in html


def test_the_same_bytes_again(out: Path, html: str) -> None:
    assert main(["report", "--out", str(out), "--to", str(out.parent / "again")]) == 0
    assert (out.parent / "again" / "index.html").read_text(encoding="utf-8") == html


def test_an_empty_folder_makes_a_page_that_says_what_to_type(tmp_path: Path) -> None:
    assert main(["report", "--out", str(tmp_path / "runs"), "--to", str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.count("Not made yet") == 5  # all sections but the committed ablation
    assert "No record yet" in text
    assert [path.name for path in tmp_path.glob("*.html")] == ["index.html"]


def named(found: list[Part], key: str) -> Part:
    (only,) = [part for part in found if part.key == key]
    return only


def test_fragments_are_told_apart_and_go_below_the_reports_headings(out: Path) -> None:
    found = parts(out, out)
    (_, twins), (_, robust) = named(found, "twins").fragments + named(found, "robustness").fragments
    assert 'id="twins-mini-note-1"' in twins and 'href="#twins-mini-note-1"' in twins
    assert 'id="robustness-mini-note-1"' in robust
    ((title, audit),) = named(found, "audit").fragments
    assert title.startswith("Audit: ")
    assert "<h1" not in audit and "<h2" not in audit and "<h3>Findings</h3>" in audit
    assert "<style" not in audit


def test_sections_sort_by_numbers(out: Path) -> None:
    (grid,) = named(parts(out, out), "features").grids
    values = dict(zip(grid.header, grid.rows[0], strict=True))
    assert values["probe (%)"].number == 87.5
    assert values["detector"].number is None
    focus, gaps = named(parts(out, out), "explain").grids
    assert focus.rows[0][4].text == "4.1" and gaps.rows[0][5].text == "-"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("explain/index.json", "{"),
        ("explain/index.json", '{"panels": [{"file": "gone.svg"}]}'),
        ("tsne/tsne-mini.json", '{"alt": ""}'),
        ("audit/audit-mini.html", "<p>no main</p>"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: str) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SchemaError, match=re.escape(str(path))):
        parts(tmp_path, tmp_path)


def cell(status: str, measured: float | None, *reasons: str) -> DiffCell:
    return DiffCell(
        suite="gangen",
        detector="lfm",
        weights="released",
        column="c",
        metric="ACC",
        measured=measured,
        reference=90.0,
        status=status,  # type: ignore[arg-type]
        reasons=reasons,
    )


def test_a_verdict_counts_and_names_the_farthest_and_the_reasons() -> None:
    cells = [
        cell("off", 95.0, "other counts"),
        cell("off", 83.0, "other counts", "other weights"),
        cell("equal", 90.0),
        cell("no data", None, "not run"),
        replace(cell("equal", 90.0), detector="npr"),
    ]
    first, second = verdicts(cells)
    assert dict(first.counts) == {"off": 2, "equal": 1, "no data": 1}
    assert first.farthest == -7.0
    assert first.reasons[0] == ("other counts", 2)
    assert (second.detector, second.farthest) == ("npr", 0.0)
    assert verdicts([cell("no data", None)])[0].farthest is None


def test_runs_without_any_number_are_a_line_each_suite() -> None:
    holes = [replace(cell("no data", None, "not run"), detector=name) for name in ("npr", "lfm")]
    found = verdicts([*holes, cell("equal", 90.0), cell("no data", None, "no data")])
    assert [each.is_empty for each in found] == [True, False]
    holes[1] = replace(holes[1], weights="")
    assert empty(verdicts(holes)) == {("not run", "gangen"): ["npr:released", "lfm"]}


def test_environments_are_counted() -> None:
    here, there = {"torch": "2.13"}, {"torch": "2.14"}
    records = [made_in(paper_like("gangen"), e) for e in (there, here, here)]
    assert environments(records) == [(here, 2), (there, 1)]


def test_backticks_are_code_and_everything_else_is_escaped() -> None:
    assert code("a `b<c` <d>") == Markup("a <code>b&lt;c</code> &lt;d&gt;")
    assert data_uri(b"<svg/>", "svg") == "data:image/svg+xml;base64,PHN2Zy8+"


def test_a_damaged_cost_file_is_an_error_and_no_page(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text(json.dumps([]), encoding="utf-8")
    assert main(["report", "--out", str(tmp_path), "--to", str(tmp_path / "to")]) == 5
    assert not (tmp_path / "to").exists()


def test_thumbnails_come_from_the_data_root_that_is_named(tmp_path: Path) -> None:
    out, data = tmp_path / "runs", tmp_path / "data"
    for kind in ("0_real", "1_fake"):
        write_images(data / "GANGen-Detection" / "AttGAN" / kind, range(2))
    run = ["run", "--method", "chance", "--suite", "gangen:attgan", "--out", str(out)]
    assert main([*run, "--data-root", str(data)]) in (0, 1)
    report = ["report", "--out", str(out), "--to", str(tmp_path / "to")]
    texts = []
    for arguments in (report, [*report, "--data-root", str(data)]):
        assert main(arguments) == 0
        (page,) = (tmp_path / "to").glob("gangen-chance-*.html")
        texts.append(page.read_text(encoding="utf-8"))
    assert "Without pictures" in texts[0] and "Thumbnail of" not in texts[0]
    assert "Without pictures" not in texts[1] and texts[1].count("Thumbnail of") == 4
