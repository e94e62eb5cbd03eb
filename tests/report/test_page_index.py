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
from harness.results.store import load_records, save_record
from harness.site.board import BoardRow, Leaderboard
from harness.site.front_page import empty, environments, footnotes, verdicts
from harness.site.overview import equality, reproduced
from harness.site.record_facts import file_name
from harness.site.renderer import code, data_uri
from harness.site.sections import Section, sections

from ..conftest import write_images
from ..evidence import keep, scores_of
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
    for text in ("twins-mini: AP, percent", "robustness-mini: AP, percent", "Audit: ", "A plane.",
                 "87.5 [84.0, 90.0]", "3.0 to 5.0", "lfm:released minus npr"):  # fmt: skip
        assert text in html
    assert "Not made yet" not in html


def test_the_same_bytes_again(out: Path, html: str) -> None:
    assert main(["report", "--out", str(out), "--to", str(out.parent / "again")]) == 0
    assert (out.parent / "again" / "index.html").read_text(encoding="utf-8") == html


def test_an_empty_folder_makes_a_page_that_says_what_to_type(tmp_path: Path) -> None:
    assert main(["report", "--out", str(tmp_path / "runs"), "--to", str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.count("Not made yet") == 6  # all sections but the committed ablation
    assert "No record yet" in text
    assert [path.name for path in tmp_path.glob("*.html")] == ["index.html"]


def named(found: list[Section], key: str) -> Section:
    (only,) = [section for section in found if section.key == key]
    return only


def test_tables_are_read_from_their_data(out: Path) -> None:
    found = sections(out, out)
    for key in ("twins", "robustness"):
        (grid,) = named(found, key).grids
        assert grid.header == ("Detector", "as-run")
        assert [(row[0].text, row[1].text, row[1].value) for row in grid.rows] == [
            ("lfm", "90.0", 90.0),
            ("npr", "80.0", 80.0),
        ]
        assert grid.notes[:2] == ["lfm: Read with care.", "npr: Read with care."]
        assert f"{key}/{key}-mini.md" in grid.notes[-1]


def test_a_table_keeps_intervals_spreads_signs_and_holes(tmp_path: Path) -> None:
    head = "row,column,metric,value,spread,low,high,status,notes\n"
    rows = [
        "lfm,first,AP,90.04,1.25,85.0,95.0,measured,",
        "lfm,jpeg difference,AP,-3.2,,-4.0,-1.0,measured,",
        "lfm,blur,AP,,,,,hole,",
        "npr,first,AP,,,,,hole,",
        "lfm,first,ACC,80.0,,,,measured,",
    ]
    path = tmp_path / "twins" / "twins-mini.csv"
    path.parent.mkdir()
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    ap, acc = named(sections(tmp_path, tmp_path), "twins").grids
    assert ap.header == ("Detector", "as run", "jpeg difference", "blur")
    (line,) = ap.rows  # npr has no number at all
    texts = [value.text for value in line]
    assert texts == ["lfm", "90.0 [85.0, 95.0] (sd 1.2)", "−3.2 [−4.0, −1.0]", "—"]
    assert [value.value for value in line] == [None, 90.04, -3.2, None]
    assert acc.rows[0][1].text == "80.0"


def test_the_audit_is_read_from_its_data(out: Path) -> None:
    (grid,) = named(sections(out, out), "audit").grids
    (line,) = grid.rows
    assert [value.value for value in line[1:3]] == [3, 4]
    assert grid.header[-1] == "Former JPEGs, real / fake"
    assert line[-1].text == "0 of 3 / 0 of 4"
    assert grid.caption.startswith("Audit: ")
    assert any("audit/audit-" in note for note in grid.notes)


def test_sections_sort_by_numbers(out: Path) -> None:
    (grid,) = named(sections(out, out), "features").grids
    values = dict(zip(grid.header, grid.rows[0], strict=True))
    assert values["probe (%)"].value == 87.5
    assert values["detector"].value is None
    focus, gaps = named(sections(out, out), "explain").grids
    assert focus.rows[0][4].text == "4.1" and gaps.rows[0][5].text == "-"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("explain/index.json", "{"),
        ("explain/index.json", '{"panels": [{"file": "gone.svg"}]}'),
        ("tsne/tsne-mini.json", '{"alt": ""}'),
        ("audit/audit-mini.json", "{}"),
        ("twins/twins-mini.csv", "row,metric\nlfm,AP\n"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: str) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SchemaError, match=re.escape(str(path))):
        sections(tmp_path, tmp_path)


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


def compared(measured: float | None, **changes: object) -> DiffCell:
    return replace(cell("equal", measured), **changes)  # type: ignore[arg-type]


def test_what_is_reproduced_is_one_sentence() -> None:
    assert reproduced([compared(None, status="no data")] * 3) == (
        "None of the paper's 3 numbers is measured here yet."
    )
    cells = [
        compared(90.0),
        compared(90.04, status="within rounding"),
        compared(80.0, status="off"),
        compared(85.0, status="off", comparable=False),
        compared(None, status="no data"),
        compared(50.0, status="no reference", reference=None),
    ]
    assert reproduced(cells) == (
        "3 of the paper's 5 numbers are measured with its weights: 2 agree, 1 is off. "
        "1 more is not comparable: other weights or other images."
    )


def test_measured_numbers_are_drawn_against_the_papers() -> None:
    assert equality([compared(None)]) is None
    drawn = equality(
        [compared(90.0), compared(70.0, status="off"), compared(50.0, comparable=False)]
    )
    assert drawn is not None
    dots = re.findall(r'class="series (\w+)" cx="([\d.]+)" cy="([\d.]+)"', drawn)
    kinds, across, down = zip(*dots, strict=True)
    assert kinds == ("reference", "c0", "c1")  # the comparable ones lie on top
    assert len(set(across)) == 1  # one printed number
    assert float(down[1]) < float(down[2]) < float(down[0])  # 90, 70, 50 from the top


def test_the_first_screen_answers_before_any_table(html: str) -> None:
    first = html[: html.index("<table")]
    assert first.count('<li class="method"') + first.count('<li class="control"') == 3
    assert "of reals flagged as fake" in first
    assert "of the paper&#39;s" in first and 'class="series c1"' in first
    assert "Not here: the published weights of" in first


def test_rows_without_a_number_are_one_line_a_family(html: str) -> None:
    board = html[html.index('id="board"') : html.index('id="paper"')]
    body = board[: board.index("</table>")]
    assert body.count('<th scope="row"') == 6
    assert body.count("gaps") == 0
    lines = re.findall(r"<summary>([a-z ]+): (\d+) without a number</summary>", board)
    assert len(lines) == len({family for family, _ in lines}) >= 5
    assert sum(int(count) for _, count in lines) > 15


def test_what_is_true_of_many_rows_is_no_mark_at_each() -> None:
    def noted(*notes: str) -> BoardRow:
        return BoardRow(
            detector="d", title=f"D{len(notes)}", weights="", family="", kind="method", scored=True,
            tags=(), notes=notes, gaps={"not run": ["ufd"], "damaged": ["gangen"]} if notes else {},
            links={}, flagged={}, entries=(),
        )  # fmt: skip

    rows = [noted(), noted("all but one"), noted("all but one", "one"), noted("all but one")]
    found = footnotes(Leaderboard(columns=(), rows=rows, start=0))
    assert [(note.text, list(note.rows), note.marked) for note in found] == [
        ("all but one", [1, 2, 3], False),
        ("gangen: damaged", [1, 2, 3], False),
        ("one", [2], True),
    ]
    assert found[0].names == ["D1", "D2", "D1"]


def test_pages_of_treated_runs_are_made_on_request(out: Path, html: str) -> None:
    keep(out.parent / "treated", "npr", {"mine": scores_of(1, 1.0)})
    folder = out.parent / "treated"
    (plain,) = load_records(folder)
    save_record(folder, replace(plain, perturbation="jpeg(90)"))
    pages = {}
    for name, more in (("plain", []), ("all", ["--all-pages"])):
        to = out.parent / name
        assert main(["report", "--out", str(folder), "--to", str(to), *more]) == 0
        pages[name] = {path.name for path in to.glob("own-*.html")}
    assert pages["plain"] == {file_name(plain)}
    assert pages["all"] == pages["plain"] | {file_name(replace(plain, perturbation="jpeg(90)"))}


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
