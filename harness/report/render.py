"""Printed tables -> Markdown, LaTeX, HTML (jinja2 templates) and CSV, written to one folder."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.report.inconsistencies import Inconsistency
from harness.report.layout import Head, PrintedTable, Text, lay_out
from harness.report.reruns import NEAR, Rerun, said_of
from harness.report.table import Cell, Table
from harness.results.store import write_atomic

CSV_FIELDS = (
    "table",
    "row",
    "detector",
    "kind",
    "group",
    "column",
    "metric",
    "value",
    "paper",
    "difference",
    "spread",
    "seeds",
    "low",
    "high",
    "status",
    "emphasis",
    "paper_emphasis",
    "certainty",
    "comparable",
    "reason",
    "notes",
)
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "≈": r"$\approx$",
    "−": r"$-$",
    "—": "---",
    "–": "--",
    "×": r"$\times$",
    "²": r"$^2$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
}


def escape_tex(text: str) -> str:
    """LaTeX that prints the text; a character outside ASCII and the list becomes its code point."""
    return "".join(
        _TEX.get(char, char if char.isascii() else f"[U+{ord(char):04X}]") for char in text
    ).replace("\n", " ")


def escape_markdown(text: str) -> str:
    """GitHub Markdown, safe inside a table cell, that prints the text."""
    text = re.sub(r"([\\`*|<>\[\]])", r"\\\1", text)
    # Numbers in brackets that nothing follows are no link: intervals stay readable in the source.
    text = re.sub(r"(?<!!)\\\[([+−0-9., ]+)\\\](?![(\[:])", r"[\1]", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\_", text).replace("\n", " ")


def render_csv(table: Table) -> str:
    """One line a cell, numbers unrounded to 4 decimals."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        for cell, column in zip(row.cells, table.columns, strict=True):
            numbers = {
                "value": cell.value,
                "paper": cell.paper,
                "difference": cell.difference,
                "spread": cell.spread,
                "low": cell.low,
                "high": cell.high,
            }
            writer.writerow(
                {
                    **{key: "" if v is None else f"{v:.4f}" for key, v in numbers.items()},
                    "table": table.name,
                    "row": row.title,
                    "detector": row.detector,
                    "kind": row.kind,
                    "group": column.group,
                    "column": column.key,
                    "metric": column.metric,
                    "seeds": cell.seeds or "",
                    "status": cell.status,
                    "emphasis": cell.emphasis,
                    "paper_emphasis": cell.paper_emphasis,
                    "certainty": cell.certainty,
                    "comparable": _comparable(cell),
                    "reason": cell.reason,
                    "notes": " ".join((*row.notes, *cell.notes, *cell.paper_notes)),
                }
            )
    return buffer.getvalue()


def _comparable(cell: Cell) -> str:
    """Whether ours may stand beside the paper's, "" where there are no two."""
    if cell.value is None or cell.paper is None:
        return ""
    return "yes" if cell.comparable else "no"


class Renderer:
    """Renders tables with the templates of one folder."""

    def __init__(self, templates: Path) -> None:
        self._markdown = _environment(templates, escape_markdown)
        self._tex = _environment(templates, escape_tex, tex=True)
        self._html = html_environment(templates)

    def markdown(self, layout: PrintedTable) -> str:
        """GitHub Markdown; neighbouring columns of one header are one column."""
        spans = [group.span for group in layout.groups] if layout.joined else []
        return self._markdown.get_template("table.md.j2").render(
            layout=layout,
            heads=_joined_heads(layout) if layout.joined else layout.heads,
            joined=lambda cells: _joined(cells, spans),
        )

    def tex(self, layout: PrintedTable) -> str:
        """A table environment for booktabs and graphicx."""
        return self._tex.get_template("table.tex.j2").render(layout=layout, rules=_rules(layout))

    def tex_document(self, names: Sequence[str]) -> str:
        """A document that inputs the tables and compiles."""
        return self._tex.get_template("all.tex.j2").render(names=names)

    def html(self, layout: PrintedTable) -> str:
        """A self-contained page."""
        return self._html.get_template("table.html.j2").render(layout=layout)

    def findings(self, found: Sequence[Inconsistency], others: Sequence[Rerun] = ()) -> str:
        """The paper's inconsistencies as Markdown, and what others measured of its rows."""
        return self._markdown.get_template("findings.md.j2").render(
            findings=found,
            reruns=others,
            near=NEAR,
            notes=list(dict.fromkeys((each.source, each.note) for each in others if each.note)),
            said=said_of(others),
        )

    def audit(self, evidence: Mapping[str, Any], remarks: Sequence[str]) -> str:
        """A self-contained page about a test set; ``evidence`` as in its JSON file."""
        return self._html.get_template("audit.html.j2").render(audit=evidence, remarks=remarks)

    def write(self, tables: Sequence[Table], folder: Path) -> list[Path]:
        """Writes tables in every format; returns the written files, in order."""
        files: dict[str, str] = {}
        for table in tables:
            layout = lay_out(table)
            files[f"{table.name}.md"] = self.markdown(layout)
            files[f"{table.name}.tex"] = self.tex(layout)
            files[f"{table.name}.html"] = self.html(layout)
            files[f"{table.name}.csv"] = render_csv(table)
        return _write(files, folder)

    def write_overview(
        self,
        tables: Sequence[Table],
        found: Sequence[Inconsistency],
        folder: Path,
        others: Sequence[Rerun] = (),
    ) -> list[Path]:
        """Writes the LaTeX document of all tables and the paper's inconsistencies."""
        files = {
            "all.tex": self.tex_document([table.name for table in tables]),
            "paper_inconsistencies.md": self.findings(found, others),
        }
        return _write(files, folder)


def _write(files: Mapping[str, str], folder: Path) -> list[Path]:
    for name, text in files.items():
        write_atomic(folder / name, text.encode())
    return [folder / name for name in files]


def html_environment(templates: Path) -> Environment:
    """Templates whose printed values are escaped for HTML; an unknown name in one raises."""
    return _environment(templates, None)


@cache
def _environment(
    templates: Path, escape: Callable[[str], str] | None, *, tex: bool = False
) -> Environment:
    """An environment in which every printed value is escaped (HTML by jinja itself)."""

    def finalize(value: object) -> object:
        if escape is None or isinstance(value, Markup):
            return value
        return Markup(escape(str(value)))

    marks = {"variable": ("<<", ">>"), "block": ("<%", "%>"), "comment": ("<#", "#>")}
    delimiters = {
        f"{kind}_{side}_string": text
        for kind, pair in marks.items()
        for side, text in zip(("start", "end"), pair, strict=True)
    }
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.overlay(**delimiters) if tex else environment  # type: ignore[arg-type]


def _joined_heads(layout: PrintedTable) -> list[Head]:
    """One header for each group: ``AttGAN: ACC / AP``."""
    ends = list(accumulate(group.span for group in layout.groups))
    heads = []
    for group, end in zip(layout.groups, ends, strict=True):
        metrics = [head.text for head in layout.heads[end - group.span : end] if head.text]
        text = f"{group.text}: {' / '.join(metrics)}" if metrics else group.text
        heads.append(Head(text=text, notes=group.notes))
    return heads


def _joined(cells: Sequence[Text], spans: Sequence[int]) -> list[list[Text]]:
    """Cells in groups of the spans; each by itself when there is none."""
    if not spans:
        return [[cell] for cell in cells]
    ends = list(accumulate(spans))
    return [list(cells[end - span : end]) for span, end in zip(spans, ends, strict=True)]


def _rules(layout: PrintedTable) -> list[tuple[int, int]]:
    """First and last column (from 1, after the two label columns) of every wide header."""
    ends = list(accumulate(group.span for group in layout.groups))
    return [
        (end - group.span + 3, end + 2)
        for group, end in zip(layout.groups, ends, strict=True)
        if group.span > 1 and group.text
    ]
