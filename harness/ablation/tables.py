"""Records of an ablation -> two tables: means over seeds, and differences to a reference row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import fmean, stdev

from harness.ablation.spec import AblationSpec, RowOptions
from harness.errors import SchemaError
from harness.metrics.verdict import Verdict, adjusted, hopeless
from harness.report.measured import METRICS
from harness.report.table import Cell, Column, Row, Table, fill, ranked
from harness.report.tables.means import Measure, difference, over_seeds
from harness.report.words import Tell, no_verdict, say
from harness.results.records import RunRecord
from harness.results.rows import seed_group, told_apart

Records = Mapping[tuple[str, int], Sequence[RunRecord]]
BLOCKS = ("AP", "ACC")
CONTROLS = "controls"


@dataclass(frozen=True, kw_only=True)
class ScoredSet:
    """One test set.

    Args:
        suite, name: as in the records.
        group: its column; sets without one are in the column of their suite.
        seen: its generator made training images.
    """

    suite: str
    name: str
    group: str = ""
    seen: bool = False

    @property
    def fakes(self) -> bool:
        """False for controls, which hold real images only."""
        return self.group != CONTROLS


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Everything that the tables show.

    Args:
        spec: rows, seeds and texts.
        records: (label of a row, seed) -> one record a suite; none where that was not trained.
        sets: the test sets, in order.
        made: a sentence on how it was made.
        tell: judges differences; from the kept scores.
    """

    spec: AblationSpec
    records: Records
    sets: tuple[ScoredSet, ...]
    made: str = ""
    tell: Tell = no_verdict

    @property
    def fakes(self) -> tuple[ScoredSet, ...]:
        """The sets that hold fakes: what "all" and every test is over."""
        return tuple(entry for entry in self.sets if entry.fakes)

    @property
    def statements(self) -> tuple[str, ...]:
        """Sentences below both tables."""
        return (self.made, *self.spec.footnotes)

    def trainings(self, label: str) -> list[Sequence[RunRecord]]:
        """The records of each seed of a row."""
        return [self.records.get((label, seed), ()) for seed in self.spec.seeds]


def build_ablation_tables(ablation: Ablation) -> tuple[Table, Table]:
    """The table of means, and the table of differences to the reference row with their tests.

    Raises:
        SchemaError: records of one row differ in more than the seed.
    """
    for row in ablation.spec.rows:
        found = chain.from_iterable(ablation.trainings(row.label))
        groups = {seed_group(record): (record,) for record in found}
        if len(groups) > 1:
            apart = "; ".join(", ".join(texts) for texts in told_apart(groups).values())
            raise SchemaError(
                f"row {row.label!r} holds trainings that differ in more than the seed: {apart}",
                hint="give the ablation another --out, or delete its folder and run again",
            )
    return _means(ablation), _differences(ablation)


def _row(spec: AblationSpec, row: RowOptions) -> Row:
    reference = " (reference)" if row.label == spec.reference else ""
    return Row(
        key=row.label,
        title=row.label + reference,
        detector=spec.detector,
        kind="method",
        notes=(f"{row.label}: {row.variant.replace(',', ', ')}",),
    )


def _measure(sets: Sequence[ScoredSet], block: str) -> Measure:
    """AP needs both classes: controls have none. What they have as ACC is that of reals."""
    metric = METRICS[block]
    if not sets[0].fakes:
        metric = "" if block == "AP" else "real_acc"
    places = tuple((entry.suite, entry.name) for entry in sets)
    return Measure(places=places, metric=metric)


# --- means ----------------------------------------------------------------------------------------


def _means(ablation: Ablation) -> Table:
    columns = [
        (_column(title, sets, block), _measure(sets, block))
        for block in BLOCKS
        for title, sets in _columns(ablation)
    ]
    spec = ablation.spec
    table = Table(
        name=spec.name,
        title=spec.title,
        caption=spec.caption,
        statements=(_counts(ablation), *ablation.statements),
    )

    def cell(label: str, measure: Measure) -> Cell:
        if not measure.metric:
            return Cell(status="undefined")
        found = zip(spec.seeds, map(measure.of, ablation.trainings(label)), strict=True)
        return over_seeds(
            [replace(each, reason=f"seed {seed}: {each.reason}") for seed, each in found]
        )

    return ranked(fill(table, [(_row(spec, r), r.label) for r in spec.rows], columns, cell))


def _columns(ablation: Ablation) -> list[tuple[str, tuple[ScoredSet, ...]]]:
    """Each group of fakes, all of them, the unseen ones where some are seen, then controls."""
    groups: dict[str, tuple[ScoredSet, ...]] = {}
    for entry in ablation.sets:
        title = entry.group or entry.suite
        groups[title] = (*groups.get(title, ()), entry)
    controls = groups.pop(CONTROLS, ())
    unseen = tuple(entry for entry in ablation.fakes if not entry.seen)
    columns = list(groups.items())
    if len(groups) > 1:
        columns.append(("all fakes", ablation.fakes))
    if 0 < len(unseen) < len(ablation.fakes):
        columns.append(("unseen fakes", unseen))
    return [*columns, (CONTROLS, controls)] if controls else columns


def _column(title: str, sets: Sequence[ScoredSet], block: str) -> Column:
    seen = any(entry.seen for entry in sets)
    note = "Holds a generator that made training images." if seen else ""
    return Column(key=title, title=title, metric=block, ranked=sets[0].fakes, note=note)


def _counts(ablation: Ablation) -> str:
    spec = ablation.spec
    trainings = [found for row in spec.rows for found in ablation.trainings(row.label)]
    images = 0
    for entry in ablation.fakes:
        known = (_measure([entry], "ACC").of(records).images for records in trainings)
        images += next(filter(None, known), 0)
    seeds = f"{len(spec.seeds)} training seed{'s' if len(spec.seeds) > 1 else ''}"
    return (
        f"Mean and sample standard deviation over {seeds} ({', '.join(map(str, spec.seeds))}); a "
        f"column is the plain mean over its sets. All fakes: {len(ablation.fakes)} sets, {images} "
        "scores each time (a real photograph counts in each set that it is part of). The "
        "deviation is that of training again, not of other test images."
    )


# --- differences ----------------------------------------------------------------------------------


_DIGITS = 9  # of percentage points: what lies below is rounding, not a difference
_ABOUT = (
    "A p is that of Student's t of the mean difference over its standard error, for which images "
    "and training seeds are both drawn, seeds in pairs; Holm is over the rows that have one, for "
    "each metric by itself. With 3 seeds only differences of some 2.5 of their standard deviations "
    "over seeds are told apart: a row that is not told apart is not shown to be equal. Pairs: sets "
    "and seeds in which the row is better, and worse. 0.0000 is a p below 0.00005."
)
_TEST_COLUMNS = {"difference": 1, "pairs better": 0, "pairs worse": 0, "p": 4, "p, Holm": 4}
"""Title -> decimals."""


@dataclass(frozen=True, kw_only=True)
class _Gap:
    """A row minus the reference row by one metric, in percentage points.

    Args:
        pairs: one for each seed and set.
        by_seed: one for each seed, of the means over the sets.
        verdict: on the two rows; where there are no differences it says why.
    """

    pairs: tuple[float, ...] = ()
    by_seed: tuple[float, ...] = ()
    verdict: Verdict

    def cell(self, column: str) -> Cell:
        """The cell of a test column."""
        if not self.by_seed:
            return Cell(reason=self.verdict.reason)
        seeds, judged = len(self.by_seed), self.verdict
        if column == "difference":
            spread = stdev(self.by_seed) if seeds > 1 else None
            return difference(fmean(self.by_seed), judged, seeds, spread)
        if column in ("p", "p, Holm"):
            p = judged.p if column == "p" else judged.p_holm
            return Cell(reason=judged.reason) if p is None else Cell(value=p, status="measured")
        better = sum(d > 0 if column == "pairs better" else d < 0 for d in self.pairs)
        return Cell(value=float(better), status="measured", seeds=seeds)


def _differences(ablation: Ablation) -> Table:
    spec = ablation.spec
    others = [row for row in spec.rows if row.label != spec.reference]
    gaps: dict[tuple[str, str], _Gap] = {}
    said: list[str] = []
    for block in BLOCKS:
        found = [_gap(ablation, row.label, block) for row in others]
        verdicts = adjusted([gap.verdict for gap in found])
        for row, gap, verdict in zip(others, found, verdicts, strict=True):
            gaps[row.label, block] = replace(gap, verdict=verdict)
            told = say(verdict) if gap.by_seed else verdict.reason
            said.append(f"{block}, {row.label}: {told}.")
        if reason := hopeless(verdicts):
            said.append(f"{block}: {reason}")
    columns = [
        (
            Column(
                key=title,
                title=title,
                metric=block,
                decimals=decimals,
                ranked=False,
                signed=title == "difference",
            ),
            (block, title),
        )
        for block in BLOCKS
        for title, decimals in _TEST_COLUMNS.items()
    ]
    table = Table(
        name=f"{spec.name}-tests",
        title=f"{spec.title}: differences to {spec.reference}",
        caption=(
            f"Row minus {spec.reference}, percentage points, mean over all sets of fakes. "
            "Two-sided p-values, and the same after Holm's correction over the rows."
        ),
        statements=(*said, _ABOUT, *ablation.statements),
    )
    rows = [(_row(spec, row), row.label) for row in others]
    return fill(table, rows, columns, lambda row, by: gaps[row, by[0]].cell(by[1]))


def _gap(ablation: Ablation, label: str, block: str) -> _Gap:
    """A row against the reference row by one metric."""
    labels = (label, ablation.spec.reference)
    own, other = map(ablation.trainings, labels)
    pairs, by_seed = [], []
    for seed, sides in zip(ablation.spec.seeds, zip(own, other, strict=True), strict=True):
        of_seed = []
        for entry in ablation.fakes:
            values = []
            for side, records in zip(labels, sides, strict=True):
                found = _measure([entry], block).of(records)
                if found.value is None:
                    return _Gap(verdict=Verdict(reason=f"{side}, seed {seed}: {found.reason}"))
                values.append(found.value)
            of_seed.append(round(values[0] - values[1], _DIGITS))
        pairs += of_seed
        by_seed.append(round(fmean(of_seed), _DIGITS))
    verdict = _measure(ablation.fakes, block).verdict(own, other, ablation.tell)
    return _Gap(
        pairs=tuple(pairs),
        by_seed=tuple(by_seed),
        verdict=replace(verdict, value=fmean(by_seed) / 100),
    )
