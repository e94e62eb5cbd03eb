"""All runs on all suites as one table, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

from harness.report.diff import DiffCell
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
from harness.report.spec import TableSpec
from harness.report.table import Cell, Row
from harness.report.tables.means import over_seeds
from harness.report.tables.mini import row_key, shown_records
from harness.results.records import RunRecord
from harness.results.rows import seed_group, told_apart, weights_kind
from harness.site.board import START, BoardColumn, BoardRow, Leaderboard, Material
from harness.site.entries import NOT_RUN, difference, ours, some_sets
from harness.site.grid import Entry
from harness.site.record_facts import file_name, title_of

MINI = "mini-all"
"""The table with every detector on the embedded suite."""
SHOWN = {
    "AP": ("all fakes", "unseen fakes"),
    "ACC": ("all fakes", "unseen fakes"),
    "flagged as fake": ("real photographs", "controls"),
}
"""Its columns that the leaderboard shows."""
METRICS_SHOWN = ("AP", "ACC")
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


@dataclass(frozen=True, kw_only=True)
class SuiteMean:
    """What three columns are about: a suite's mean, or ("" = suite) the mean of all suites' sets.

    Args:
        title: of the group.
        suite: name.
        printed: (table, column) where the paper prints it, the best place first.
    """

    title: str
    suite: str
    printed: Sequence[tuple[str, str]]


def suite_means(specs: Sequence[TableSpec]) -> list[SuiteMean]:
    """The official suites in the summary's order, then the mean over all of their sets.

    A suite's own table comes before the summary as the source of the paper's mean.
    """
    (summary,) = [spec for spec in specs if spec.kind == "summary"]
    own = {
        spec.suite: (spec.suite, column.paper)
        for spec in specs
        if spec.kind == "paper"
        for column in spec.columns
        if column.over == "suite"
    }
    found = []
    for column in summary.columns:
        place = (summary.name, column.paper)
        if column.over == "suite":
            printed = [own[column.suite], place] if column.suite in own else [place]
            found.append(SuiteMean(title=column.suite, suite=column.suite, printed=printed))
        elif column.over == "all-subsets":
            found.append(SuiteMean(title=column.title, suite="", printed=[place]))
    return found


def build_leaderboard(material: Material) -> Leaderboard:
    """The leaderboard of everything that was run, and of every number that the paper prints."""
    builder = _Builder(material)
    columns = list(builder.columns())
    rows = [builder.row(key) for key in builder.run_keys()]
    start = _start(columns, rows)
    rows.sort(key=lambda row: _order(row, start))
    return Leaderboard(columns=columns, rows=rows, start=start)


def other_pages(material: Material, board: Leaderboard) -> list[tuple[str, str]]:
    """(text, file) of the pages to which no row of the board leads, by their names."""
    linked = {file for row in board.rows for links in row.links.values() for _, file in links}
    found = {file_name(record): title_of(record) for record in material.sources.records}
    unlinked = [file for file in found if file in material.pages and file not in linked]
    return sorted((found[file], file) for file in unlinked)


class _Builder:
    def __init__(self, material: Material) -> None:
        self.material = material
        self.sources = material.sources
        self.means = suite_means(material.specs)
        self.suites = [mean.suite for mean in self.means if mean.suite]
        self.facts = {facts["name"]: facts for facts in material.detectors}
        self.cells: dict[tuple[str, str, str, str], list[DiffCell]] = {}
        for cell in material.cells:
            if cell.reference is not None:
                place = (cell.suite, cell.column, cell.metric, cell.detector)
                self.cells.setdefault(place, []).append(cell)
        self.mini = material.tables[MINI]
        (self.mini_suite,) = [spec.suite for spec in material.specs if spec.name == MINI]
        self.mini_records = _by_key(shown_records(self.mini_suite, self.sources.records))
        self.official = _by_key(
            record
            for record in newest(self.sources.records)
            if record.suite in self.suites and conditions(record) == PLAIN
        )
        self.runs = dict.fromkeys([*self.mini_records, *self.official])
        self.apart = told_apart(
            {key.group: self.mini_records.get(key) or self.official[key] for key in self.runs}
        )

    def columns(self) -> Iterator[BoardColumn]:
        """Those of the embedded suite, then three for each mean and metric."""
        for metric, titles in SHOWN.items():
            for title in titles:
                named = title if metric in METRICS_SHOWN else f"{title} {metric}"
                yield BoardColumn(group=self.mini_suite, title=named, metric=metric)
        for mean in self.means:
            for metric in METRICS_SHOWN:
                for source in ("ours", "paper", "difference"):
                    yield BoardColumn(group=mean.title, title=source, metric=metric, source=source)

    def run_keys(self) -> list[RunKey]:
        """Every run; and where the paper prints numbers of a detector, or where there is no run of
        it at all, the row of its published weights.
        """
        keys = dict(self.runs)
        for detector, label in self.sources.published.items():
            has = [key for key in keys if key.detector == detector]
            printed = any(
                (*place, "AP", detector) in self.cells
                for mean in self.means
                for place in mean.printed
            )
            if not has or (printed and not any(key.weights == label for key in has)):
                keys[RunKey(detector, has[0].variant if has else "", label)] = None
        return list(keys)

    def row(self, key: RunKey) -> BoardRow:
        """One row with all its numbers."""
        mini, official = self.mini_records.get(key, []), self.official.get(key, [])
        records = [*mini, *official]
        built = next((r for r in self.mini.rows if mini and r.key == row_key(mini[0])), None)
        entries = self._mini_entries(built)
        for mean in self.means:
            for metric in METRICS_SHOWN:
                entries += self._official_entries(key, official, mean, metric)
        kind = self._kind(key, built)
        facts = self.facts.get(key.detector, {})
        return BoardRow(
            detector=key.detector,
            title=records[0].title if records else facts.get("title", key.detector),
            weights=key.weights,
            family=facts.get("family", ""),
            kind=kind,
            scored=any(map(is_scored, records)),
            tags=self._tags(key, kind, mini),
            notes=list(dict.fromkeys([*(built.notes if built else ()), *_about(official)])),
            gaps=self._gaps(built, official),
            links=self._links(records),
            flagged=self._flagged(built, official),
            entries=entries,
        )

    def _kind(self, key: RunKey, built: Row | None) -> str:
        known = built or next((r for r in self.mini.rows if r.detector == key.detector), None)
        return known.kind if known else "method"

    def _tags(self, key: RunKey, kind: str, mini: Sequence[RunRecord]) -> list[str]:
        same = {(run.detector, run.weights, run.variant) for run in self.runs}
        variants = {v for detector, weights, v in same if (detector, weights) == key[:3:2]}
        seeds = len({record.weights.sha256 for record in mini})
        tags = [_TAGS[kind]] if kind in _TAGS else []
        tags += [key.variant] if key.variant and len(variants) > 1 else []
        tags += self.apart.get(key.group, ())
        return [*tags, f"{seeds} seeds"] if seeds > 1 else tags

    def _gaps(
        self, built: Row | None, official: Sequence[RunRecord]
    ) -> Mapping[str, Sequence[str]]:
        reasons: dict[str, list[str]] = {}
        if built is None or not any(cell.status == "measured" for cell in built.cells):
            holes = [cell.reason for cell in built.cells if cell.reason] if built else []
            reasons.setdefault((holes or [NOT_RUN])[0], []).append(self.mini_suite)
        for suite in self.suites:
            own = [record for record in official if record.suite == suite]
            if not own:
                reasons.setdefault(NOT_RUN, []).append(suite)
            elif not any(map(is_scored, own)):
                reason = suite_value(own[0], METRICS["AP"]).reason
                reasons.setdefault(reason, []).append(suite)
        return reasons

    def _links(self, records: Sequence[RunRecord]) -> dict[str, list[tuple[str, str]]]:
        links: dict[str, list[tuple[str, str]]] = {}
        for record in records:
            file = file_name(record)
            if file in self.material.pages:
                seeded = weights_kind(record) != record.weights.label
                text = record.weights.label.rpartition("/")[2] if seeded else "page"
                links.setdefault(record.suite, []).append((text, file))
        return links

    def _flagged(self, built: Row | None, official: Sequence[RunRecord]) -> dict[str, float]:
        """Group -> reals flagged as fake."""
        shares: dict[str, list[float]] = {}
        for record in official:
            kept = suite_value(record, "real_acc").value
            if kept is not None:
                shares.setdefault(record.suite, []).append(100 - kept)
        found = {suite: fmean(values) for suite, values in shares.items()}
        own = self._mini_cell(built, "flagged as fake", "real photographs").value
        return found if own is None else {self.mini_suite: own, **found}

    def _mini_cell(self, built: Row | None, metric: str, title: str) -> Cell:
        if built is None:
            return Cell(reason=NOT_RUN)
        places = [(column.metric, column.title) for column in self.mini.columns]
        return built.cells[places.index((metric, title))]

    def _mini_entries(self, built: Row | None) -> list[Entry]:
        return [
            ours(self._mini_cell(built, metric, title))
            for metric, titles in SHOWN.items()
            for title in titles
        ]

    def _official_entries(
        self, key: RunKey, records: Sequence[RunRecord], mean: SuiteMean, metric: str
    ) -> list[Entry]:
        """Ours, the paper's, the difference."""
        cell = self._cell(records, mean, metric)
        own = ours(cell)
        if cell.value is None:
            own = some_sets(records, mean.suite, metric, cell.reason) or own
        printed = next(
            (
                found
                for place in mean.printed
                if (found := self.cells.get((*place, metric, key.detector)))
            ),
            [],
        )
        published = self.sources.published.get(key.detector, "")
        if not printed or (cell.value is None and key.weights != published):
            return [own, Entry(), Entry()]
        reference = printed[0].reference or 0.0
        paper = Entry(text=f"{reference:.1f}", value=reference)
        if cell.value is None:
            return [own, paper, Entry()]
        labels = {record.weights.label for record in records}
        same = [each for each in printed if labels == {each.weights}]
        return [own, paper, difference(cell.value - reference, same[0] if same else None)]

    def _cell(self, records: Sequence[RunRecord], mean: SuiteMean, metric: str) -> Cell:
        """A mean of an official suite, or of all of them; AP by the rule of the release."""
        runs: dict[str, dict[str, RunRecord]] = {}
        for record in records:
            runs.setdefault(record.weights.label, {})[record.suite] = record
        found = []
        for run in runs.values():
            if mean.suite and mean.suite not in run:
                continue
            rules = {published_metric(record, metric) for record in run.values()}
            by_rule = [self._mean(run, mean, name) for name in (*rules, METRICS[metric])]
            found.append(with_raw(by_rule[0], by_rule[-1]))
        if not found:
            return Cell(reason=NOT_RUN)
        only = found[0]
        edges = None if only.low is None or only.high is None else (only.low, only.high)
        # Of several seeds only the mean and its spread: their intervals are not of one run.
        cell = over_seeds(found, lambda: edges if len(found) == 1 else None)
        return replace(cell, comparable=all(each.comparable for each in found))

    def _mean(self, run: dict[str, RunRecord], mean: SuiteMean, name: str) -> Measured:
        if mean.suite:
            return suite_value(run[mean.suite], name)
        return overall_value(run, self.suites, name, over_sets=False)


def _by_key(records: Iterable[RunRecord]) -> dict[RunKey, list[RunRecord]]:
    found: dict[RunKey, list[RunRecord]] = {}
    for record in records:
        key = RunKey(record.detector, record.variant, weights_kind(record), seed_group(record))
        found.setdefault(key, []).append(record)
    return found


def _about(official: Sequence[RunRecord]) -> Iterator[str]:
    yield from about_weights(official)
    yield from about_training(official)
    rules = dict.fromkeys(RULES[r.published_ap] for r in official if is_scored(r))
    yield from (f"Official suites: {rule}" for rule in rules)
    yield from about_resampling(official)


def _start(columns: Sequence[BoardColumn], rows: Sequence[BoardRow]) -> int:
    """The column of AP in which most rows have a number; :data:`START` before the others."""
    first = next(i for i, c in enumerate(columns) if (c.group, c.metric, c.title) == START)
    others = [i for i, c in enumerate(columns) if c.metric == "AP" and c.source == "ours"]
    return max(
        (first, *reversed(others)),
        key=lambda i: sum(row.entries[i].value is not None for row in rows),
    )


def _order(row: BoardRow, start: int) -> tuple[bool, float, str, str]:
    value = row.entries[start].value
    return value is None, -(value or 0.0), row.title.lower(), row.weights
