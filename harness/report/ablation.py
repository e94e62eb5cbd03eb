"""Records of an ablation -> two tables: means over seeds, and differences to a reference row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from harness.metrics.differences import PairedTest, detectable, t_test, wilcoxon
from harness.metrics.paired import holm
from harness.report.measured import METRICS, Measured, subset_value
from harness.report.table import Cell, Column, Row, Table, ranked
from harness.results.records import RunRecord

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
class AblationRow:
    """One row with all of its seeds.

    Args:
        label: as printed.
        options: what was built, in words.
        records: seed -> one record a suite; empty where that seed was not trained.
    """

    label: str
    options: str
    records: Mapping[int, Sequence[RunRecord]]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Everything that the tables show.

    Args:
        name, title, caption: texts.
        detector: registered name.
        rows: in print order, all with the same seeds.
        reference: label of the row that the others are compared with.
        sets: the test sets, in order.
        statements: sentences below both tables (how it was made, what it is not).
    """

    name: str
    title: str
    caption: str
    detector: str
    rows: tuple[AblationRow, ...]
    reference: str
    sets: tuple[ScoredSet, ...]
    statements: tuple[str, ...] = ()

    @property
    def fakes(self) -> tuple[ScoredSet, ...]:
        """The sets that hold fakes: what "all" and every test is over."""
        return tuple(entry for entry in self.sets if entry.fakes)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of every row."""
        return tuple(self.rows[0].records)

    @property
    def others(self) -> int:
        """Rows that are compared with the reference."""
        return len(self.rows) - 1


def build_ablation_tables(ablation: Ablation) -> tuple[Table, Table]:
    """The table of means, and the table of differences to the reference row with their tests."""
    return _means(ablation), _differences(ablation)


# --- means ----------------------------------------------------------------------------------------


def _means(ablation: Ablation) -> Table:
    columns = [(title, sets, block) for block in BLOCKS for title, sets in _columns(ablation)]
    rows = tuple(
        _row(ablation, row, [_mean_cell(row, sets, block) for _, sets, block in columns])
        for row in ablation.rows
    )
    table = Table(
        name=ablation.name,
        title=ablation.title,
        caption=ablation.caption,
        by_metric=True,
        columns=tuple(_column(title, sets, block) for title, sets, block in columns),
        rows=rows,
        statements=(_counts(ablation), *ablation.statements),
    )
    return ranked(table)


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


def _row(ablation: Ablation, row: AblationRow, cells: Sequence[Cell]) -> Row:
    reference = " (reference)" if row.label == ablation.reference else ""
    return Row(
        key=row.label,
        title=row.label + reference,
        detector=ablation.detector,
        kind="method",
        cells=tuple(cells),
        notes=(f"{row.label}: {row.options}",),
    )


def _mean_cell(row: AblationRow, sets: Sequence[ScoredSet], block: str) -> Cell:
    if block == "AP" and not sets[0].fakes:
        return Cell(status="undefined")
    values = []
    for seed in row.records:
        for found in (means := [_value(row, seed, entry, block) for entry in sets]):
            if found.value is None:
                return Cell(status="hole", reason=f"seed {seed}: {found.reason}")
        values.append(fmean(found.value for found in means if found.value is not None))
    return Cell(
        value=fmean(values),
        status="measured",
        spread=stdev(values) if len(values) > 1 else None,
        seeds=len(values),
    )


def _value(row: AblationRow, seed: int, entry: ScoredSet, block: str) -> Measured:
    """A metric of one row and seed on one set, in percent."""
    records = [record for record in row.records[seed] if record.suite == entry.suite]
    if not records:
        return Measured(reason="not trained")
    found = subset_value(records[0], entry.name, METRICS[block])
    if found.value is None:
        return Measured(reason=f"{entry.name}: {found.reason}")
    return found


def _counts(ablation: Ablation) -> str:
    first = ablation.rows[0]
    images = 0
    for entry in ablation.fakes:
        known = (_value(row, seed, entry, "ACC") for row in ablation.rows for seed in first.records)
        images += next((found.images for found in known if found.value is not None), 0)
    return (
        f"Mean and sample standard deviation over {_seeds(ablation)}; a column is the plain mean "
        f"over its sets. All fakes: {len(ablation.fakes)} sets, {images} scores each time "
        "(a real photograph counts in each set that it is part of). The deviation is that of "
        "training again, not of other test images."
    )


def _seeds(ablation: Ablation) -> str:
    seeds = ablation.seeds
    return (
        f"{len(seeds)} training seed{'s' if len(seeds) > 1 else ''} ({', '.join(map(str, seeds))})"
    )


# --- differences ----------------------------------------------------------------------------------


_DIGITS = 9  # of percentage points: what lies below is rounding, not a difference


@dataclass(frozen=True, kw_only=True)
class _Differences:
    """A row minus the reference row, percentage points.

    Args:
        pairs: one for each seed and set.
        by_seed: one for each seed, of the means over the sets.
        hole: why there are none.
    """

    pairs: tuple[float, ...] = ()
    by_seed: tuple[float, ...] = ()
    hole: str = ""


def _differences(ablation: Ablation) -> Table:
    cells: dict[str, list[Cell]] = {row.label: [] for row in ablation.rows}
    for block in BLOCKS:
        for label, found in _difference_cells(ablation, block).items():
            cells[label] += found
    others = [row for row in ablation.rows if row.label != ablation.reference]
    return Table(
        name=f"{ablation.name}-tests",
        title=f"{ablation.title}: differences to {ablation.reference}",
        caption=(
            f"Row minus {ablation.reference}, percentage points, mean over all sets of fakes; "
            "spread over seeds. Two-sided p-values, and the same after Holm's correction over the "
            "rows."
        ),
        by_metric=True,
        columns=tuple(
            Column(key=title, title=title, metric=block, decimals=decimals, ranked=False)
            for block in BLOCKS
            for title, decimals in _TEST_COLUMNS
        ),
        rows=tuple(_row(ablation, row, cells[row.label]) for row in others),
        statements=(*_caveats(ablation), *ablation.statements),
    )


_TEST_COLUMNS = (
    ("difference", 1),
    ("pairs better", 0),
    ("pairs worse", 0),
    ("p, t over seeds", 4),
    ("p, t, Holm", 4),
    ("p, Wilcoxon over pairs", 4),
    ("p, Wilcoxon, Holm", 4),
)


def _difference_cells(ablation: Ablation, block: str) -> dict[str, list[Cell]]:
    """Row label -> a cell for each of the columns of differences."""
    reference = next(row for row in ablation.rows if row.label == ablation.reference)
    rows = [row for row in ablation.rows if row is not reference]
    found = [_compare(row, reference, ablation.fakes, block) for row in rows]
    tested = [
        column
        for test in (_over_seeds, _over_pairs)
        for column in _test_columns([test(differences) for differences in found])
    ]
    return {
        row.label: [*_described(differences), *(column[index] for column in tested)]
        for index, (row, differences) in enumerate(zip(rows, found, strict=True))
    }


def _compare(
    row: AblationRow, reference: AblationRow, sets: Sequence[ScoredSet], block: str
) -> _Differences:
    pairs, by_seed = [], []
    for seed in row.records:
        of_seed = []
        for entry in sets:
            own, other = (_value(side, seed, entry, block) for side in (row, reference))
            if own.value is None or other.value is None:
                label, reason = (
                    (row.label, own.reason)
                    if own.value is None
                    else (reference.label, other.reason)
                )
                return _Differences(hole=f"{label}, seed {seed}: {reason}")
            of_seed.append(round(own.value - other.value, _DIGITS))
        pairs += of_seed
        by_seed.append(round(fmean(of_seed), _DIGITS))
    return _Differences(pairs=tuple(pairs), by_seed=tuple(by_seed))


def _described(found: _Differences) -> list[Cell]:
    """Mean difference, pairs in which the row is better, and worse."""
    if found.hole:
        return [Cell(status="hole", reason=found.hole)] * 3
    spread = stdev(found.by_seed) if len(found.by_seed) > 1 else None
    seeds = len(found.by_seed)
    counts = (sum(d > 0 for d in found.pairs), sum(d < 0 for d in found.pairs))
    return [
        Cell(value=fmean(found.by_seed), status="measured", spread=spread, seeds=seeds),
        *(Cell(value=float(count), status="measured", seeds=seeds) for count in counts),
    ]


def _over_seeds(found: _Differences) -> PairedTest:
    return _tested(found, found.by_seed, t_test)


def _over_pairs(found: _Differences) -> PairedTest:
    return _tested(found, found.pairs, wilcoxon)


def _tested(
    found: _Differences,
    values: Sequence[float],
    test: Callable[[Sequence[float]], PairedTest],
) -> PairedTest:
    return PairedTest(reason=found.hole) if found.hole else test(values)


def _test_columns(tests: Sequence[PairedTest]) -> tuple[list[Cell], list[Cell]]:
    """The column of p-values and the column of corrected ones, over the tests that gave one."""
    plain = [test.p for test in tests]
    adjusted = iter(holm([p for p in plain if p is not None]))
    corrected = [None if p is None else next(adjusted) for p in plain]
    first, second = (
        [
            Cell(status="hole", reason=test.reason)
            if p is None
            else Cell(value=p, status="measured")
            for p, test in zip(values, tests, strict=True)
        ]
        for values in (plain, corrected)
    )
    return first, second


def _caveats(ablation: Ablation) -> tuple[str, ...]:
    seeds, sets = len(ablation.seeds), len(ablation.fakes)
    power = (
        f"{seeds} seeds are few: a t test of {seeds} differences (degrees of freedom: {seeds - 1})"
        ", and even before the correction their mean must be "
        f"{detectable(seeds):.1f} of their standard deviations away from 0 for p < 0.05; a large p "
        "is no sign that two rows are equal."
        if seeds > 1
        else "One seed: nothing can be said of a difference by a t test over seeds."
    )
    return (
        f"t: paired t test of the row's and the reference's means over {sets} sets, paired by seed "
        f"(n = {seeds}). Wilcoxon: signed-rank test over the {seeds * sets} pairs of equal seed "
        "and set, those without a difference left out (n = better + worse). Holm: over "
        f"the rows that have a p, {ablation.others} at most, separately for each test and metric. "
        "0.0000 is a p below 0.00005.",
        "The pairs of one seed share two networks, and those of one set share its images: they are "
        "not independent, so Wilcoxon's p is too small; it says whether the row is better on most "
        "of these sets with these networks, not whether it would be with others. The t test over "
        f"seeds does not have this flaw. {power}",
    )
