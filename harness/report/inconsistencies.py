"""The paper's own inconsistencies, each recomputed from ``tables/references/paper``.

Each is a check as data, with one function that looks for it; :func:`findings` evaluates them all.
The same texts are the footnotes of the tables, the reasons that ``diff``
gives, the output of ``python -m harness dev paper`` and ``tables/out/paper_inconsistencies.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from statistics import fmean

from harness.report.paper_faults import (
    FITS,
    PRINTS,
    SETS,
    SUMMARY_OVER,
    exchanged_sets,
    of_own_mean,
    rules_of,
)
from harness.report.printed import CellKey, Paper
from harness.report.table_faults import COPIED, EQUAL, PAIR, TRANSPOSED, weighted
from harness.report.table_verdicts import equal_groups, told

SET_TABLES = ("forensynths", "gangen", "diffusion", "ufd")
TEST_SETS = {
    "Test Set1": "forensynths",
    "Test Set2": "gangen",
    "Test Set3": "diffusion",
    "Test Set4": "ufd",
}


@dataclass(frozen=True, kw_only=True)
class Inconsistency:
    """What one check found.

    Args:
        key: short name.
        title: one line.
        text: what was recomputed and what came out.
        header, rows: a small table of the recomputed numbers; may be empty.
        conditions: the table faults that make the numbers, in the words of ``why``.
        marks: cells of the paper that it touches -> footnote.
    """

    key: str
    title: str
    text: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    conditions: tuple[str, ...] = ()
    marks: Mapping[CellKey, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Look:
    """One recomputed number: its row, a sentence for the text, the fault that makes it, and the
    cells that are wrong."""

    row: tuple[str, ...] = ()
    said: str = ""
    fault: str = ""
    marks: Mapping[CellKey, str] = field(default_factory=dict)


_CHECKS: list[tuple[Inconsistency, Callable[[Paper], Iterator[_Look]]]] = []


def _check(
    *, key: str, title: str, text: str, header: tuple[str, ...] = ()
) -> Callable[[Callable[[Paper], Iterator[_Look]]], None]:
    """A check of the paper, as data beside the function that looks.

    Its text may name {all} numbers, {odd} of them that are wrong, {fit}, and what is {said}.
    """
    about = Inconsistency(key=key, title=title, text=text, header=header)
    return lambda look: _CHECKS.append((about, look))


def findings(paper: Paper) -> list[Inconsistency]:
    """Every inconsistency that the numbers really show, in a fixed order."""
    found = []
    for about, look in _CHECKS:
        looks = list(look(paper))
        odd = sum(bool(each.marks) for each in looks)
        if not odd:
            continue
        noted: dict[CellKey, str] = {}
        for each in looks:
            noted = {**each.marks, **noted}  # the first note of a cell stays
        said = " ".join(each.said for each in looks)
        found.append(
            replace(
                about,
                text=about.text.format(all=len(looks), odd=odd, fit=len(looks) - odd, said=said),
                rows=tuple(each.row for each in looks if each.row),
                conditions=tuple(dict.fromkeys(each.fault for each in looks if each.fault)),
                marks=noted,
            )
        )
    return found


def marks(paper: Paper) -> dict[CellKey, tuple[str, ...]]:
    """Cell of the paper -> its footnotes."""
    notes: dict[CellKey, tuple[str, ...]] = {}
    for finding in findings(paper):
        for cell, note in finding.marks.items():
            notes[cell] = (*notes.get(cell, ()), note)
    return notes


@_check(
    key="copied-cost",
    title="FLOPs equal to parameters",
    text="{said}",
)
def _copied_cost(paper: Paper) -> Iterator[_Look]:
    """A row whose FLOPs and parameters are the same digits."""
    methods = paper.methods("summary")
    for method in methods:
        flops, params = (paper.value("summary", method, "cost", m) for m in ("flops", "params"))
        same = equal_groups({"FLOPs": (flops,), "Params": (params,)}, 0.005, len(methods))
        if not same:
            continue
        note = f"{method}: FLOPs {flops:.2f}B and Params {params:.2f}M are the same digits"
        facts = [
            f"{fact.counter} {fact.value / scale:.2f}{unit}"
            for quantity, scale, unit in (("flops", 1e9, "G"), ("params", 1e6, "M"))
            for fact in paper.facts_of(method, quantity).values()
        ]
        yield _Look(
            said=f"{note}; one is a copy of the other. Counted: {', '.join(facts)}.",
            fault=told(COPIED.at(f"{method}, FLOPs and Params").name, same[0].accidental),
            marks={("summary", method, "cost", metric): note for metric in ("flops", "params")},
        )


@_check(
    key="transposed-pair",
    title="ACC and AP exchanged",
    text="The Mean of the row, recomputed over 38 subsets / over 5 sets with the pair as "
    "printed and exchanged: only the exchanged pair fits what is printed as Mean.",
    header=("cell", "ACC / AP", "ACC mean", "printed", "AP mean", "printed"),
)
def _transposed_pair(paper: Paper) -> Iterator[_Look]:
    """An ACC / AP pair printed the other way round than the row's Mean needs."""
    for method in paper.methods("summary"):
        printed = {
            key[1:]: cell.as_printed
            for key, cell in paper.cells.items()
            if key[:2] == ("summary", method) and key[3] in PAIR
        }
        for found in of_own_mean(printed, method):
            column = next((c for c in SETS if found.attempt.fault == TRANSPOSED.at(c)), "")
            if not column:
                continue
            acc, ap = (printed[method, column, metric] for metric in PAIR)
            note = (
                f"{method} {column}: printed ACC {acc:.1f}, AP {ap:.1f}; "
                f"the row's Mean fits only the exchanged pair, which is shown"
            )
            for order, pair in (("as printed", (acc, ap)), ("exchanged", (ap, acc))):
                cells = [f"{method} {column}, {order}", f"{pair[0]:.1f} / {pair[1]:.1f}"]
                for metric, value in zip(PAIR, pair, strict=True):
                    over_38, over_5 = _means(paper, method, metric, {column: value})
                    cells.append(f"{over_38:.2f} / {over_5:.2f}")
                    cells.append(f"{paper.value('summary', method, 'mean', metric):.1f}")
                yield _Look(
                    row=tuple(cells),
                    fault=f"{method}: {found}",
                    marks={("summary", method, column, metric): note for metric in PAIR},
                )


@_check(
    key="swapped-sets",
    title="Test Set 3 and 4 exchanged",
    text="Test Set 4 is UniversalFakeDetect. These rows print as Test Set 3 what is known of "
    "them on UniversalFakeDetect. Both sets have 8 subsets, so that the Mean cannot tell.",
    header=("row", "metric", "Test Set3", "Test Set4", "UniversalFakeDetect elsewhere", "by"),
)
def _swapped_sets(paper: Paper) -> Iterator[_Look]:
    """Rows whose Test Set 3 is what others report for UniversalFakeDetect, which is set 4."""
    for method, metric in product(paper.methods("summary"), PAIR):
        third, fourth = (paper.value("summary", method, SETS[i], metric) for i in (2, 3))
        exchanged = exchanged_sets(paper, method)
        facts = [
            fact
            for fact in paper.facts_of(method, f"UniversalFakeDetect {metric}").values()
            if fact.counter in exchanged
        ]
        said = "; ".join(f"{fact.source}: {metric} {fact.value:.2f}" for fact in facts)
        note = f"{method}: Test Set3 and Test Set4 look exchanged ({said} on UniversalFakeDetect)"
        for fact in facts:
            shown = (f"{number:.1f}" for number in (third, fourth))
            yield _Look(
                row=(method, metric, *shown, f"{fact.value:.2f}", fact.counter),
                fault=f"{method}, by {fact.counter}: {exchanged[fact.counter]}",
                marks={
                    ("summary", method, column, each): note
                    for column, each in product(SETS[2:4], PAIR)
                },
            )


@_check(
    key="mean-rule",
    title="Mean over 38 subsets or over 5 sets",
    text="The column Mean is the plain mean over the 38 subsets (8 + 9 + 8 + 8 + 5) in "
    "{fit} of {all} cells, recomputed from the printed set means; {odd} follow another rule.",
    header=("row", "metric", "printed", "over 38 subsets", "over 5 sets", "fits"),
)
def _mean_rule(paper: Paper) -> Iterator[_Look]:
    """Which mean the column Mean of the summary is, row by row."""
    rules = rules_of(paper)
    for method, metric in product(paper.methods("summary"), PAIR):
        printed = paper.value("summary", method, "mean", metric)
        over_38, over_5 = _means(paper, method, metric)
        fits_38, fits_5 = (abs(mean - printed) <= FITS for mean in (over_38, over_5))
        verdict = "38 subsets" if fits_38 else "5 sets" if fits_5 else "neither"
        rule = "is the mean over the 5 sets" if fits_5 else "fits neither mean"
        note = (
            f"{method}: the printed Mean {metric} {printed:.1f} {rule} "
            f"(over 38 subsets {over_38:.2f}, over 5 sets {over_5:.2f})"
        )
        yield _Look(
            row=(method, metric, f"{printed:.1f}", f"{over_38:.2f}", f"{over_5:.2f}", verdict),
            fault=rules.get((method, "mean", metric), ""),
            marks={} if fits_38 else {("summary", method, "mean", metric): note},
        )


@_check(
    key="row-means",
    title="Row means that do not fit their cells",
    text="Means of the printed cells that do not round to the printed mean, with the cells as "
    "read and with the characters of the scan. Up to 0.1 can come from rounding the cells.",
    header=("table", "row", "metric", "printed mean", "of cells as read", "as scanned"),
)
def _row_means(paper: Paper) -> Iterator[_Look]:
    """Rows of the four set tables whose printed mean is not the mean of their cells."""
    for table in SET_TABLES:
        columns = [column for column in paper.columns(table) if column != "mean"]
        for method, metric in product(paper.methods(table), PAIR):
            cells = [paper.cells[table, method, column, metric] for column in columns]
            printed = paper.value(table, method, "mean", metric)
            read = fmean(cell.value for cell in cells)
            scan = fmean(cell.as_printed for cell in cells)
            if max(abs(read - printed), abs(scan - printed)) <= PRINTS + 1e-9:
                continue
            note = (
                f"{method}: the printed mean {metric} is {printed:.1f}; the row's cells give "
                f"{read:.2f}" + (f", as scanned {scan:.2f}" if scan != read else "")
            )
            yield _Look(
                row=(table, method, metric, f"{printed:.1f}", f"{read:.2f}", f"{scan:.2f}"),
                marks={(table, method, "mean", metric): note},
            )


@_check(
    key="set-means",
    title="Summary against the sets' own tables",
    text="The same number printed twice with different digits (the scan may be at fault).",
    header=("row", "column", "metric", "summary", "own table"),
)
def _set_means(paper: Paper) -> Iterator[_Look]:
    """Summary cells that differ from the mean in the set's own table."""
    for column, table in TEST_SETS.items():
        for method, metric in product(paper.methods("summary"), PAIR):
            own = paper.get(table, method, "mean", metric)
            cell = paper.cells["summary", method, column, metric]
            if own is None or cell.as_printed == own.value:
                continue
            note = (
                f"{method} {column}: the summary prints {metric} {cell.as_printed:.1f}, the "
                f"table of that set {own.value:.1f}; shown is {cell.value:.1f}"
            )
            yield _Look(
                row=(method, column, metric, f"{cell.as_printed:.1f}", f"{own.value:.1f}"),
                marks={("summary", method, column, metric): note},
            )


@_check(
    key="shared-reals",
    title="One accuracy in four columns",
    text="{said}",
)
def _shared_reals(paper: Paper) -> Iterator[_Look]:
    """Subsets of GANGen in which a row has one and the same ACC: their reals are shared."""
    columns = [column for column in paper.columns("gangen") if column != "mean"]
    methods = paper.methods("gangen")
    for method in methods:
        values = {column: (paper.value("gangen", method, column, "ACC"),) for column in columns}
        for same in equal_groups(values, PRINTS, len(methods)):
            if same.verdict != "explains":
                continue
            alike = ", ".join(same.columns)
            note = (
                f"{method}: ACC {same.values[0]:.1f} in {alike} alike; these subsets "
                f"probably share their real images"
            )
            yield _Look(
                said=f"{note}, so that one false-alarm rate counts {len(same.columns)} times in "
                f"the mean.",
                fault=f"{method}: {told(EQUAL.at(f'{alike}, ACC').name, same.accidental)}",
                marks={("gangen", method, column, "ACC"): note for column in same.columns},
            )


@_check(
    key="counters",
    title="FLOPs by another counter",
    text="The printed FLOPs are multiply-accumulates by more than one counter. LFM's and "
    "Ojha's are thop's: batch norm at 4 per element, layers of unknown type skipped, among "
    "them all of CLIP's attention. NPR's, SAFE's and LGrad's follow from fvcore on networks "
    "left in training mode (batch norm at 5 per element); this project uses fvcore in "
    "evaluation mode (at 2). LFM's 0.72M parameters are 0.7256M cut, not rounded. "
    "`python -m harness cost` recomputes every cell. Counts of the released networks:",
    header=("row", "quantity", "printed", "counted"),
)
def _counters(paper: Paper) -> Iterator[_Look]:
    """The cost columns against counts made from the released networks."""
    units = (("flops", 1e9, "B", "FLOPs"), ("params", 1e6, "M", "Params"))
    for method, (quantity, scale, unit, title) in product(paper.methods("summary"), units):
        printed = paper.value("summary", method, "cost", quantity)
        facts = paper.facts_of(method, quantity).values()
        counts = {fact.counter: fact.value / scale for fact in facts}
        if not counts:
            continue
        shown = ", ".join(f"{name} {value:.3f}{unit}" for name, value in counts.items())
        own = [counts[name] for name in ("fvcore", "network in use") if name in counts]
        counted = (own or list(counts.values())[-1:])[0]
        note = f"{method} {title}: printed {printed:.2f}{unit}, counted {shown}"
        odd = round(counted, 2) != printed
        yield _Look(
            row=(method, title, f"{printed:.2f}{unit}", shown),
            marks={("summary", method, "cost", quantity): note} if odd else {},
        )


def _means(
    paper: Paper, method: str, metric: str, instead: Mapping[str, float] | None = None
) -> tuple[float, float]:
    """Mean over the 38 subsets and over the 5 sets, from the summary's set means."""
    values = [paper.value("summary", method, column, metric) for column in SETS]
    if instead:
        values = [instead.get(column, v) for column, v in zip(SETS, values, strict=True)]
    by_set = dict(zip(SETS, values, strict=True))
    return weighted(by_set, SUMMARY_OVER["38 subsets"]), weighted(by_set, SUMMARY_OVER["5 sets"])
