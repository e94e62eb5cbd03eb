"""Detectors against each other on the same images: one verdict for each metric and subset."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np

from harness.errors import UsageError
from harness.metrics import MARGIN, paired
from harness.metrics.friedman import RankTest, friedman
from harness.metrics.verdict import Verdict, adjusted, hopeless
from harness.results import MEAN
from harness.results.intervals import Replicates
from harness.results.predictions import read_predictions
from harness.results.rates import RATES, one_class_rate, stands_alone
from harness.results.records import Resampling, RunRecord, SubsetResult

METRICS = ("ap", "acc", "auc")
"""Of sets with both classes; a set of one class is compared by the metric that is its rate."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A row: one detector with one kind of weights on one suite.

    Args:
        name: as the user named it.
        records: one for each training seed; their metrics are averaged.
    """

    name: str
    records: tuple[RunRecord, ...]

    def value(self, subset: str, metric: str) -> float | None:
        """The metric's mean over the seeds; None where one has none."""
        found = [
            result.metrics[metric].value
            for record in self.records
            for result in record.subsets
            if result.subset == subset and metric in result.metrics
        ]
        values = [value for value in found if value is not None]
        return fmean(values) if len(values) == len(self.records) else None

    def seed_means(self, subsets: Sequence[str], metric: str) -> list[float]:
        """For each seed the metric's mean over subsets; all of them must have one."""
        alone = [dataclasses.replace(self, records=(record,)) for record in self.records]
        each = [[seed.value(subset, metric) for subset in subsets] for seed in alone]
        return [fmean(v for v in values if v is not None) for values in each]


@dataclass(frozen=True, kw_only=True)
class CrossCheck:
    """A textbook test of one checkpoint against one, of independent images.

    Args:
        test: ``McNemar, mid-p`` or ``DeLong``.
        p: two-sided; None where it is not defined, ``note`` says why.
        discordant: images that only the first, and only the second, judges rightly (McNemar).
    """

    test: str
    p: float | None
    note: str = ""
    discordant: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class RowTest:
    """One difference between two rows.

    Args:
        first, second: names of the rows.
        subset: or ``mean`` over the subsets that are in it.
        metric: ``ap``, ``acc`` or ``auc``; of a subset of one class ``real_acc`` or ``fake_acc``.
        values: of the first and the second, fractions.
        verdict: the difference; its p is adjusted over all subsets and pairs of the metric, means
            apart.
        check: of ACC and AUC by another test, where that is made for such rows and images.
    """

    first: str
    second: str
    subset: str
    metric: str
    values: tuple[float, float]
    verdict: Verdict
    check: CrossCheck | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All rows of one suite against each other.

    Args:
        suite: its name.
        subsets: compared ones; ``averaged`` are those of them that count in the mean, and
            ``without`` those of these that it lacks: they have one class, and no such metric.
        left_out: subset -> why it is not compared.
        tests: every pair, subset and metric that is defined.
        ranks: metric -> Friedman's test, for three rows or more.
        notes: what a reader must know of all tests.
    """

    suite: str
    subsets: tuple[str, ...]
    averaged: tuple[str, ...]
    without: tuple[str, ...]
    left_out: dict[str, str]
    tests: tuple[RowTest, ...]
    ranks: dict[str, RankTest]
    notes: tuple[str, ...] = ()


def compare(
    out: Path,
    contenders: Sequence[Contender],
    resampling: Resampling,
    margin: float = MARGIN,
) -> Comparison:
    """Compares rows of one suite on the subsets that all of them scored.

    Args:
        out: output folder with the kept scores.
        contenders: two or more.
        resampling: of the bootstrap.
        margin: what hardly matters, a fraction.

    Raises:
        UsageError: they have no subset of the same images in common.
    """
    contenders = [
        dataclasses.replace(
            contender,
            records=tuple(dataclasses.replace(r, resampling=resampling) for r in contender.records),
        )
        for contender in contenders
    ]
    sample = contenders[0].records[0]
    left_out = {}
    for result in sample.subsets:
        reason = _incomparable(result.subset, contenders)
        if reason:
            left_out[result.subset] = reason
    shared = [result for result in sample.subsets if result.subset not in left_out]
    if not shared:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise UsageError(f"{sample.suite}: no subset to compare on ({reasons})")
    counted = tuple(result.subset for result in shared if result.group != "controls")
    rates = {result.subset: one_class_rate(result) for result in shared}
    one_class = {name: RATES[rate.name] for name, rate in rates.items() if rate}
    without = tuple(r.subset for r in shared if r.subset in counted and stands_alone(r))
    averaged = tuple(name for name in counted if name not in without)
    subsets = tuple(result.subset for result in shared)
    pairing = _Pairing(out, subsets, averaged, margin, one_class)
    tests = _adjusted([t for a, b in combinations(contenders, 2) for t in pairing.tests(a, b)])
    return Comparison(
        suite=sample.suite,
        subsets=subsets,
        averaged=averaged,
        without=without,
        left_out=left_out,
        tests=tuple(tests),
        ranks=_ranks(contenders, averaged),
        notes=_notes(tests, shared),
    )


def _incomparable(subset: str, contenders: Sequence[Contender]) -> str:
    """Why rows cannot be compared on a subset, "" where they can."""
    images = set()
    for contender in contenders:
        for record in contender.records:
            result = record.result(subset)
            if result is None or not result.predictions:
                return f"{contender.name} has no scores"
            images.add((result.manifest, result.skipped))
    return "" if len(images) == 1 else "other images (manifests or skipped files differ)"


class _Pairing:
    """Tests pairs of rows; keeps the replicates, which every pair of a row asks for."""

    def __init__(
        self,
        out: Path,
        subsets: tuple[str, ...],
        averaged: tuple[str, ...],
        margin: float,
        one_class: Mapping[str, str],
    ) -> None:
        self.out = out
        self.subsets = subsets
        self.averaged = averaged
        self.margin = margin
        self.one_class = one_class
        self.replicates = Replicates(out, (*METRICS, *RATES.values()))

    def tests(self, first: Contender, second: Contender) -> Iterator[RowTest]:
        """Every subset and the mean, by every metric that both have."""
        for subset, rate in self.one_class.items():
            found = self._test(first, second, (subset,), rate)
            if found is not None:
                yield dataclasses.replace(found, check=self._check(found, first, second))
        for metric in METRICS:
            for subset in self.subsets:
                found = self._test(first, second, (subset,), metric)
                if found is not None:
                    check = self._check(found, first, second)
                    yield dataclasses.replace(found, check=check)
            mean = self._test(first, second, self.averaged, metric)
            if mean is not None:
                yield dataclasses.replace(mean, subset=MEAN)

    def _test(
        self, first: Contender, second: Contender, subsets: tuple[str, ...], metric: str
    ) -> RowTest | None:
        values = [[c.value(subset, metric) for subset in subsets] for c in (first, second)]
        means = [fmean(v for v in row if v is not None) for row in values if None not in row]
        if not subsets or len(means) < 2:
            return None
        sides = (first.records, second.records)
        places = [(first.records[0].suite, subset) for subset in subsets]
        verdict = self.replicates.tell(*sides, places, metric, self.margin)
        return RowTest(
            first=first.name,
            second=second.name,
            subset=subsets[0],
            metric=metric,
            values=(means[0], means[1]),
            verdict=dataclasses.replace(verdict, value=means[0] - means[1]),
        )

    def _check(self, found: RowTest, first: Contender, second: Contender) -> CrossCheck | None:
        """McNemar's test for accuracies and rates, DeLong's for areas."""
        if found.metric == "ap" or len(first.records) > 1 or len(second.records) > 1:
            return None
        sides = []
        for record in (first.records[0], second.records[0]):
            result = record.result(found.subset)
            assert result is not None  # compare() left out subsets without a result
            sides.append((read_predictions(self.out / result.predictions), record.threshold))
        kept = sides[0][0]
        if len(set(kept.units)) < len(kept.units):
            return None  # both take images as independent
        if found.metric in ("acc", *RATES.values()):
            right = [(each.scores > threshold) == (kept.labels == 1) for each, threshold in sides]
            mcnemar = paired.mcnemar(np.asarray(right[0]), np.asarray(right[1]))
            return CrossCheck(
                test="McNemar, mid-p",
                p=mcnemar.p,
                discordant=(mcnemar.only_first, mcnemar.only_second),
            )
        if min(int(kept.labels.sum()), int((kept.labels == 0).sum())) < 2:
            return None
        delong = paired.delong(kept.labels, kept.scores, sides[1][0].scores)
        return CrossCheck(test="DeLong", p=delong.p, note=delong.note)


def _adjusted(tests: Sequence[RowTest]) -> list[RowTest]:
    """Holm over all subsets and pairs of a metric; means, which repeat them, are their own."""
    found = list(tests)
    for places in _families(tests):
        verdicts = adjusted([tests[i].verdict for i in places])
        for place, verdict in zip(places, verdicts, strict=True):
            found[place] = dataclasses.replace(tests[place], verdict=verdict)
    return found


def _families(tests: Sequence[RowTest]) -> list[list[int]]:
    families: dict[tuple[str, bool], list[int]] = {}
    for place, test in enumerate(tests):
        families.setdefault((test.metric, test.subset == MEAN), []).append(place)
    return list(families.values())


def _notes(tests: Sequence[RowTest], shared: Sequence[SubsetResult]) -> tuple[str, ...]:
    units = sorted({result.unit for result in shared})
    drawn = ", ".join(unit or "images, taken as independent" for unit in units)
    reasons = [
        f"{tests[places[0]].metric.upper()}: {reason}"
        for places in _families(tests)
        if (reason := hopeless([tests[i].verdict for i in places]))
    ]
    return (f"Units drawn: {drawn}.", *reasons)


def _ranks(contenders: Sequence[Contender], subsets: Sequence[str]) -> dict[str, RankTest]:
    found = {}
    for metric in METRICS:
        rows = [[c.value(subset, metric) for c in contenders] for subset in subsets]
        whole = [[v for v in row if v is not None] for row in rows if None not in row]
        if len(contenders) > 2 and len(whole) > 1:
            found[metric] = friedman(np.array(whole))
    return found
