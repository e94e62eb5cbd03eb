"""Rendering: golden files for each format, escapes, identical bytes, LaTeX that compiles.

``LFM_UPDATE_GOLDEN=1 pytest tests/report/test_render.py`` writes the golden files anew.
"""

import csv
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.inconsistencies import findings
from harness.report.layout import between, lay_out, signed
from harness.report.render import Renderer, escape_markdown, escape_tex, render_csv
from harness.report.spec import TableSpec
from harness.report.table import Cell, Column, Row, Table
from harness.report.tables.mini import build_mini_table
from harness.report.tables.paper import build_paper_table
from harness.results.records import RunRecord
from tests import program

from .synthetic import PAPER, ROOT, SPECS, mini_record, paper_like, sources

GOLDEN = Path(__file__).parent / "golden"
RENDERER = Renderer(ROOT / "tables" / "templates")


def small_paper() -> Table:
    """Three rows, two subsets and the mean; NPR lacks one subset, CNNDetection does not exist."""
    full = SPECS["gangen"]
    rows = tuple(row for row in full.rows if row.paper in ("CNNDetection", "NPR", "LFM"))
    columns = tuple(c for c in full.columns if c.paper in ("AttGAN", "S3GAN", "mean"))
    spec = replace(full, name="small-paper", rows=rows, columns=columns)
    npr = paper_like("gangen", "NPR", shift=-1.25, detector="npr", title="NPR")
    results = tuple(
        replace(r, status="missing", metrics={}) if r.subset == "s3gan" else r for r in npr.subsets
    )
    partial = paper_like("gangen", shift=-9, limit=50)
    records = (paper_like("gangen", shift=0.04), replace(npr, subsets=results, mean={}), partial)
    return build_paper_table(spec, sources(*records))


def small_mini() -> Table:
    full = SPECS["mini-groups"]
    rows = tuple(row for row in full.rows if row.detector in ("lfm", "npr", "trivial"))
    spec: TableSpec = replace(full, name="small-mini", rows=rows, compare=("lfm", "trivial"))
    records = [mini_record("lfm", s, 0.9 + s / 100, 0.8) for s in range(3)]
    records += [mini_record("trivial", s, 0.7 + s / 50, 0.6) for s in range(3)]
    return build_mini_table(spec, replace(sources(*records), interval=interval))


def interval(
    records: Sequence[RunRecord], subsets: Sequence[str], metric: str
) -> tuple[float, float]:
    """One that holds the other AP but not the other ACC, and for reals one without width."""
    return {"real_acc": (0.9, 0.9), "ap": (0.7, 0.94)}.get(metric, (0.75, 0.84))


RENDERED = {
    f"{name}.{ending}": text
    for name, table in (("small-paper", small_paper()), ("small-mini", small_mini()))
    for ending, text in (
        ("md", RENDERER.markdown(lay_out(table))),
        ("tex", RENDERER.tex(lay_out(table))),
        ("html", RENDERER.html(lay_out(table))),
        ("csv", render_csv(table)),
    )
}


@pytest.mark.parametrize("name", RENDERED)
def test_golden(name: str) -> None:
    if os.environ.get("LFM_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(RENDERED[name], encoding="utf-8")
    assert (GOLDEN / name).read_text(encoding="utf-8") == RENDERED[name]


def test_markdown_shows_the_three_lines() -> None:
    lines = RENDERED["small-paper.md"].splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| **LFM** | paper"))
    cells = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines[at : at + 3]]
    assert cells[0][:2] == ["paper", "**100.0** / **100.0**"]
    assert cells[1][0].startswith("ours")
    assert cells[2][:2] == ["difference", "0.0 / 0.0"]
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert widths == {6}


def test_holes_are_shown_with_their_reason() -> None:
    text = RENDERED["small-paper.md"]
    number = next(line[0] for line in text.splitlines() if "no data for this subset" in line)
    assert f"ours<sup>1 {number}</sup>" in text
    assert f"{number}. Empty: S3GAN: no data for this subset; " in text
    assert "Without a number of ours: CNNDetection (detector not implemented yet)." in text
    assert "—" not in text


def test_rows_without_a_number_are_one_line() -> None:
    text = RENDERER.markdown(lay_out(build_paper_table(SPECS["gangen"], sources())))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 11  # the header, and the paper's
    assert "—" not in text and "| ours" not in text
    (said,) = [line for line in text.splitlines() if line.startswith("Without a number of ours")]
    assert "NPR, LFM (not run with its published weights (released))" in said


def test_reservations_stand_in_every_format() -> None:
    made = paper_like("gangen")
    skipped = replace(made.subsets[1], skipped=("a_b.png",))
    weights = replace(made.weights, verified=False, note="no sha256 is known")
    results = tuple(skipped if r.subset == "began" else r for r in made.subsets)
    table = build_paper_table(
        SPECS["gangen"], sources(replace(made, subsets=results, weights=weights))
    )
    layout = lay_out(table)
    for text in (RENDERER.markdown(layout), RENDERER.tex(layout), RENDERER.html(layout)):
        assert "1 of 2001 images could not be read or scored and are left out: a" in text
        assert "weights not verified: no sha256 is known" in text
    (began,) = [
        line
        for line in csv.DictReader(io.StringIO(render_csv(table)))
        if (line["row"], line["column"], line["metric"]) == ("LFM", "BEGAN", "ACC")
    ]
    assert (began["value"], began["paper"], began["difference"]) == ("99.9000", "99.9000", "")
    assert began["comparable"] == "no"
    assert "a_b.png" in began["notes"] and "not verified" in began["notes"]


def test_intervals_in_brackets() -> None:
    assert between(90.21, 95.38) == "[90.2, 95.4]"
    assert between(-1.26, 0.5, sign=True) == "[−1.3, +0.5]"
    assert between(None, 95.0) == between(100.0, 100.0) == ""
    assert between(99.97, 100.0) == "[99.97, 100.00]"  # no width is never printed
    assert between(50.0101, 50.0102) == "[50.0101, 50.0102]"
    assert escape_markdown("93.0 [91.8, 94.2] (sd 0.4)") == "93.0 [91.8, 94.2] (sd 0.4)"
    assert escape_markdown("[1](x) [2]: y") == r"\[1\](x) \[2\]: y"


class _Grid(HTMLParser):
    """Counts columns of every table row, spans included, and collects ids and links."""

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.scopes = 0
        self.left = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "tr":
            self.widths.append(1 if self.left > 1 else 0)
            self.left = max(0, self.left - 1)
        if tag in ("td", "th"):
            self.widths[-1] += int(found.get("colspan", 1))
            self.scopes += tag == "th" and "scope" in found
            if found.get("scope") == "rowgroup":
                self.left = int(found["rowspan"])
        if found.get("href", "").startswith("#"):
            self.links.add(found["href"][1:])
        if "id" in found:
            self.ids.add(found["id"])


@pytest.mark.parametrize("name", ["small-paper.html", "small-mini.html"])
def test_html_is_self_contained_and_whole(name: str) -> None:
    text = RENDERED[name]
    grid = _Grid()
    grid.feed(text)
    assert grid.links <= grid.ids
    assert grid.links
    assert text.count("<th ") == grid.scopes
    assert "<caption>" in text
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text
    assert "<script" not in text
    body = grid.widths[2:] if name == "small-paper.html" else grid.widths[1:]
    assert len(set(body)) == 1


def test_csv_has_one_line_a_cell() -> None:
    table = small_paper()
    rows = list(csv.DictReader(io.StringIO(RENDERED["small-paper.csv"])))
    assert len(rows) == len(table.rows) * len(table.columns)
    found = next(r for r in rows if (r["row"], r["column"], r["metric"]) == ("LFM", "S3GAN", "AP"))
    assert (found["value"], found["paper"], found["difference"]) == ("95.5400", "95.5000", "0.0400")
    assert (found["status"], found["certainty"]) == ("measured", "ambiguous")


def nasty(text: str) -> Table:
    column = Column(key="k", title=text, metric="ACC", note=text)
    row = Row(
        key="r",
        title=text,
        detector="d",
        kind="paper",
        cells=(Cell(paper=1.0, reason=text, paper_notes=(text,)),),
        notes=(text,),
    )
    return Table(
        name="nasty",
        title=text,
        caption=text,
        by_metric=False,
        columns=(column,),
        rows=(row,),
        statements=(text,),
    )


NASTY = r"""a_b & 50% $x$ #1 {y} ~z ^w \n <i>"q"</i> | [l](u) *s* `c` ± − — é → 漢 @"""


def test_html_escapes() -> None:
    text = RENDERER.html(lay_out(nasty("<script>alert(1)</script> & '\"")))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_markdown_escapes() -> None:
    text = RENDERER.markdown(lay_out(nasty("a|b *c* <d> _e_ f_g `h`")))
    assert r"a\|b \*c\* \<d\> \_e\_ f_g \`h\`" in text


@given(st.text(max_size=30))
def test_escapes_lose_nothing_dangerous(text: str) -> None:
    tex = escape_tex(text)
    assert tex.isascii()
    for char in "&%#_":
        assert tex.replace("\\" + char, "").count(char) == 0
    markdown = escape_markdown(text)
    assert markdown.replace("\\\\", "").replace("\\|", "").count("|") == 0
    assert "\n" not in tex + markdown


def test_signed() -> None:
    assert signed(0.04, 1) == signed(-0.04, 1) == "0.0"
    assert signed(0.06, 1) == "+0.1"
    assert signed(-1.26, 1) == "−1.3"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_compiles(tmp_path: Path) -> None:
    tables = [small_paper(), small_mini(), nasty(NASTY)]
    RENDERER.write(tables, tmp_path)
    RENDERER.write_overview(tables, [], tmp_path)
    done = program.run(
        "pdflatex", "-interaction=batchmode", "-halt-on-error", "all.tex", cwd=tmp_path, text=False
    )
    log = (tmp_path / "all.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull \\hbox" not in log
    assert (tmp_path / "all.pdf").stat().st_size > 1000


def test_second_render_is_byte_identical(tmp_path: Path) -> None:
    contents = []
    for folder in ("one", "two"):
        tables = [small_paper(), small_mini()]
        written = Renderer(ROOT / "tables" / "templates").write(tables, tmp_path / folder)
        written += RENDERER.write_overview(tables, findings(PAPER), tmp_path / folder)
        contents.append({path.name: path.read_bytes() for path in written})
    assert len(contents[0]) == 10
    assert contents[0] == contents[1]


def test_findings_markdown_has_every_title_and_whole_tables() -> None:
    text = RENDERER.findings(findings(PAPER))
    for finding in findings(PAPER):
        assert f"## {finding.title}" in text
        for row in finding.rows:
            assert f"| {' | '.join(row)} |" in text
