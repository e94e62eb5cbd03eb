"""All detectors on all suites as one table: rows of runs, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.report.inconsistencies import marks
from harness.report.measured import (
    METRICS,
    PLAIN,
    RULES,
    Measured,
    about_resampling,
    about_training,
    about_weights,
    conditions,
    is_scored,
    newest,
    overall_value,
    published_metric,
    suite_value,
    with_raw,
)
from harness.report.printed import CellKey, PaperValue
from harness.report.spec import RowSpec, TableSpec
from harness.report.table import Cell, Row
from harness.report.tables.means import over_seeds
from harness.report.tables.mini import row_key, shown_records
from harness.report.tables.paper import paper_notes
from harness.results.records import RunRecord
from harness.results.rows import seed_group, told_apart, weights_kind
from harness.site.board import (
    START,
    Board,
    BoardColumn,
    BoardRow,
    Entry,
    Material,
    Target,
)
from harness.site.entries import NO_RECORD, difference_of, ours_of, some_sets
from harness.site.record_facts import file_name, title_of

MINI = "mini-all"
"""The table with every detector on the embedded suite."""
SHOWN = {
    "AP": ("all fakes", "unseen fakes"),
    "ACC": ("all fakes", "unseen fakes"),
    "called fake": ("real photographs", "controls"),
}
"""Its columns that the leaderboard shows."""
METRICS_SHOWN = ("AP", "ACC")
"""Of the official suites."""
_TAGS = {"control": "control", "trivial": "trivial reference"}


class RunKey(NamedTuple):
    """What a row is about: records that differ in nothing but the seed, or a run that is missing.

    Args:
        detector, variant, weights: weights without the seed.
        group: :func:`harness.results.rows.seed_group`; None where nothing was run.
    """

    detector: str
    variant: str
    weights: str
    group: Hashable = None


def build_leaderboard(material: Material) -> Board:
    """The leaderboard of everything that was run, and of every number that the paper prints."""
    return _Builder(material).board()


def targets(specs: Sequence[TableSpec]) -> list[Target]:
    """The official suites in the summary's order, then the mean over all of their sets.

    A suite's own table comes before the summary as the source of the paper's mean.
    """
    (summary,) = [spec for spec in specs if spec.kind == "summary"]
    own = {
        spec.suite: (spec, column)
        for spec in specs
        if spec.kind == "paper"
        for column in spec.columns
        if column.over == "suite"
    }
    found = []
    for column in summary.columns:
        if column.over == "suite":
            printed = [own[column.suite]] if column.suite in own else []
            printed.append((summary, column))
            found.append(Target(title=column.suite, suite=column.suite, printed=printed))
        elif column.over == "all-subsets":
            found.append(Target(title=column.title, suite="", printed=[(summary, column)]))
    return found


class _Builder:
    def __init__(self, material: Material) -> None:
        self.material = material
        self.sources = material.sources
        self.targets = targets(material.specs)
        self.suites = [target.suite for target in self.targets if target.suite]
        self.marks = marks(self.sources.paper)
        self.families = {facts["name"]: facts["family"] for facts in material.detectors}
        self.titles = {facts["name"]: facts["title"] for facts in material.detectors}
        self.cells = {
            (cell.suite, cell.detector, cell.weights, cell.column, cell.metric): cell
            for cell in material.cells
        }
        self.mini = material.tables[MINI]
        (spec,) = [spec for spec in material.specs if spec.name == MINI]
        self.mini_suite = spec.suite
        self.mini_records = self._by_key(shown_records(spec.suite, self.sources.records))
        self.mini_rows = {row.key: row for row in self.mini.rows}
        self.official = self._by_key(
            record
            for record in newest(self.sources.records)
            if record.suite in self.suites and conditions(record) == PLAIN
        )

        self.groups = dict.fromkeys([*self.mini_records, *self.official])
        self.apart = told_apart(
            {key.group: self.mini_records.get(key) or self.official[key] for key in self.groups}
        )

    @staticmethod
    def _by_key(records: Iterable[RunRecord]) -> dict[RunKey, list[RunRecord]]:
        found: dict[RunKey, list[RunRecord]] = {}
        for record in records:
            kind = weights_kind(record)
            key = RunKey(record.detector, record.variant, kind, seed_group(record))
            found.setdefault(key, []).append(record)
        return found

    def board(self) -> Board:
        """All of it."""
        columns = self._columns()
        start = next(
            i for i, column in enumerate(columns)
            if (column.group, column.metric, column.title) == START
        )  # fmt: skip
        rows = [self._row(key) for key in self._keys()]
        rows.sort(key=lambda row: _order(row, start))
        seen = [column for column in columns if column.metric != "ACC"]
        groups = dict.fromkeys(column.group for column in columns)
        return Board(
            columns=columns,
            groups=[(group, sum(column.group == group for column in seen)) for group in groups],
            rows=rows,
            families=sorted({row.family for row in rows if row.family}),
            start=start,
        )

    def _columns(self) -> list[BoardColumn]:
        columns = [
            BoardColumn(group=self.mini_suite, title=_heading(metric, title), metric=metric)
            for metric, titles in SHOWN.items()
            for title in titles
        ]
        for target in self.targets:
            for metric in METRICS_SHOWN:
                columns += [
                    BoardColumn(group=target.title, title=source, metric=metric, source=source)
                    for source in ("ours", "paper", "difference")
                ]
        return columns

    def _keys(self) -> list[RunKey]:
        """Every run; and where the paper prints numbers of a detector, or where there is no run of
        it at all, the row of its published weights.
        """
        keys = dict(self.groups)
        for detector, label in self.sources.published.items():
            has = [key for key in keys if key.detector == detector]
            printed = any(
                self._method(spec, detector)
                for target in self.targets
                for spec, _ in target.printed
            )
            if not has or (printed and not any(key.weights == label for key in has)):
                keys[RunKey(detector, has[0].variant if has else "", label)] = None
        return list(keys)

    @staticmethod
    def _method(spec: TableSpec, detector: str) -> RowSpec | None:
        return next((row for row in spec.rows if row.detector == detector and row.paper), None)

    def _row(self, key: RunKey) -> BoardRow:
        detector, variant, weights, group = key
        mini = self.mini_records.get(key, [])
        official = self.official.get(key, [])
        built = self.mini_rows.get(row_key(mini[0])) if mini else None
        records = [*mini, *official]
        plain = built or next((r for r in self.mini.rows if r.detector == detector), None)
        kind = plain.kind if plain else "method"
        several = {k.variant for k in self.groups if k[:3:2] == key[:3:2]}
        tags = [_TAGS[kind]] if kind in _TAGS else []
        tags += [variant] if variant and len(several) > 1 else []
        tags += self.apart.get(group, ())
        seeds = len({record.weights.sha256 for record in mini})
        tags += [f"{seeds} seeds"] if seeds > 1 else []
        entries = self._mini_entries(built)
        for target in self.targets:
            for metric in METRICS_SHOWN:
                entries += self._official_entries(key, official, target, metric)
        return BoardRow(
            detector=detector,
            title=records[0].title if records else self.titles.get(detector, detector),
            weights=weights,
            family=self.families.get(detector, ""),
            kind=kind,
            tags=tags,
            notes=list(dict.fromkeys(self._notes(built, official))),
            gaps=self._gaps(built, official),
            links=self._links(records),
            entries=entries,
        )

    @staticmethod
    def _notes(built: Row | None, official: Sequence[RunRecord]) -> list[str]:
        notes = list(built.notes) if built else []
        rules = dict.fromkeys(RULES[r.published_ap] for r in official if is_scored(r))
        return [
            *notes,
            *about_weights(official),
            *about_training(official),
            *(f"Official suites: {rule}" for rule in rules),
            *about_resampling(official),
        ]

    def _gaps(self, built: Row | None, official: Sequence[RunRecord]) -> list[str]:
        """Suites without numbers, each with its reason, those of one reason together."""
        reasons: dict[str, list[str]] = {}
        if built is None or not any(cell.status == "measured" for cell in built.cells):
            holes = [cell.reason for cell in built.cells if cell.reason] if built else []
            reasons.setdefault((holes or [NO_RECORD])[0], []).append(self.mini_suite)
        for suite in self.suites:
            own = [record for record in official if record.suite == suite]
            if not own:
                reasons.setdefault(NO_RECORD, []).append(suite)
            elif not any(map(is_scored, own)):
                first = suite_value(own[0], METRICS["AP"]).reason
                reasons.setdefault(first, []).append(suite)
        return [f"{', '.join(suites)}: {why}" for why, suites in reasons.items()]

    def _links(self, records: Sequence[RunRecord]) -> dict[str, list[tuple[str, str]]]:
        links: dict[str, list[tuple[str, str]]] = {}
        for record in records:
            file = file_name(record)
            if file in self.material.pages:
                seeded = weights_kind(record) != record.weights.label
                text = record.weights.label.rpartition("/")[2] if seeded else "page"
                links.setdefault(record.suite, []).append((text, file))
        return links

    def _mini_entries(self, row: Row | None) -> list[Entry]:
        places = {
            (column.metric, column.title): index for index, column in enumerate(self.mini.columns)
        }
        entries = []
        for metric, titles in SHOWN.items():
            for title in titles:
                hole = Cell(status="hole", reason=f"{NO_RECORD} on {self.mini_suite}")
                entries.append(ours_of(hole if row is None else row.cells[places[metric, title]]))
        return entries

    def _official_entries(
        self, key: RunKey, records: Sequence[RunRecord], target: Target, metric: str
    ) -> list[Entry]:
        """Ours, the paper's, the difference."""
        cell = self._cell(records, target, metric)
        ours = ours_of(cell)
        if cell.value is None:
            ours = some_sets(records, target, metric, cell.reason) or ours
        place = self._printed(key[0], target, metric)
        published = self.sources.published.get(key[0], "")
        if place is None or (cell.value is None and key[2] != published):
            return [ours, Entry(), Entry()]
        printed, spec, cell_key = place
        paper = Entry(
            text=f"{printed.value:.1f}",
            value=printed.value,
            why="\n".join(paper_notes(cell_key, printed, self.marks)),
        )
        if cell.value is None:
            return [ours, paper, Entry()]
        labels = {record.weights.label for record in records}
        label = labels.pop() if len(labels) == 1 else ""
        compared = self.cells.get((spec.suite or spec.name, key[0], label, cell_key[2], metric))
        return [ours, paper, difference_of(cell.value - printed.value, compared)]

    def _cell(self, records: Sequence[RunRecord], target: Target, metric: str) -> Cell:
        """A mean of an official suite, or of all of them; AP by the rule of the release."""
        runs: dict[str, dict[str, RunRecord]] = {}
        for record in records:
            runs.setdefault(record.weights.label, {})[record.suite] = record
        found = []
        for run in runs.values():
            if target.suite and target.suite not in run:
                continue
            rules = {published_metric(record, metric) for record in run.values()}
            by_rule = [self._mean(run, target, name) for name in (*rules, METRICS[metric])]
            found.append(with_raw(by_rule[0], by_rule[-1]))
        if not found:
            return Cell(status="hole", reason=NO_RECORD)
        only = found[0]
        edges = None if only.low is None or only.high is None else (only.low, only.high)
        # Of several seeds only the mean and its spread: their intervals are not of one run.
        cell = over_seeds(found, lambda: edges if len(found) == 1 else None)
        return replace(cell, comparable=all(each.comparable for each in found))

    def _mean(self, run: dict[str, RunRecord], target: Target, name: str) -> Measured:
        if target.suite:
            return suite_value(run[target.suite], name)
        return overall_value(run, self.suites, name, over_sets=False)

    def _printed(
        self, detector: str, target: Target, metric: str
    ) -> tuple[PaperValue, TableSpec, CellKey] | None:
        """The paper's number, the table that prints it, and its place there."""
        for spec, column in target.printed:
            row = self._method(spec, detector)
            if row is None:
                continue
            key = (spec.paper, row.paper, column.paper, metric)
            printed = self.sources.paper.get(*key)
            if printed is not None:
                return printed, spec, key
        return None


def _heading(metric: str, title: str) -> str:
    """The mini table prints its metrics in blocks, here they stand side by side."""
    return title if metric in METRICS_SHOWN else f"{title} {metric}"


def _order(row: BoardRow, start: int) -> tuple[bool, float, str, str]:
    value = row.entries[start].value
    return value is None, -(value or 0.0), row.title.lower(), row.weights


def other_pages(material: Material, board: Board) -> list[tuple[str, str]]:
    """(text, file) of the pages to which no row of the board leads, by their names."""
    linked = {
        file for row in board.rows for links in row.links.values() for _, file in links
    }  # fmt: skip
    found = {
        file_name(record): title_of(record)
        for record in material.sources.records
        if file_name(record) in material.pages and file_name(record) not in linked
    }
    return sorted((title, file) for file, title in found.items())
