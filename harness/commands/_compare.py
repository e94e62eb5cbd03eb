"""The work of ``compare``."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev

from harness.commands import _contenders, _flags, _text
from harness.errors import UsageError
from harness.metrics.friedman import RankTest
from harness.metrics.interval import LEVEL
from harness.metrics.verdict import Verdict
from harness.report.words import flipped, p_value, say
from harness.results import MEAN
from harness.results.comparison import METRICS, Comparison, Contender, RowTest, compare
from harness.results.rates import FALSE_ALARMS, RATES
from harness.results.store import canonical_json, load_records

_EXPLANATION = (
    "Differences are the first row's less the second's, in points, with 95 % intervals. Images are "
    "drawn (paired: the same for both rows), and training seeds where a row has several (paired "
    "where both rows have the same). p: Student's t of the difference over its standard error; "
    "Holm's over the metric's subsets and pairs, means apart. * told apart: Holm's p below 0.05. "
    "= hardly matters: the interval lies inside the margin (--margin). Neither: not told apart, "
    "which does not mean equal."
)


def run(args: argparse.Namespace) -> int:
    resampling = _flags.resampling(args)
    if len(set(args.rows)) < 2 or len(set(args.rows)) < len(args.rows):
        raise UsageError(f"two or more different rows, got {' '.join(args.rows)}")
    if resampling is None:
        raise UsageError("--resamples 0 leaves nothing to compare by")
    records = load_records(args.out)
    rows = [_contenders.contenders(text, records) for text in args.rows]
    shared = [suite for suite in rows[0] if all(suite in row for row in rows)]
    suites = args.suite.split(",") if args.suite else shared
    for suite in suites:
        if suite not in shared:
            raise UsageError(f"not all of {', '.join(args.rows)} were run on {suite!r}")
    if not suites:
        raise UsageError(f"{', '.join(args.rows)} share no suite in {args.out}")
    sides = {suite: [row[suite] for row in rows] for suite in suites}
    found = [compare(args.out, side, resampling, args.margin / 100) for side in sides.values()]
    if args.json:
        print(canonical_json([dataclasses.asdict(comparison) for comparison in found]), end="")
    else:
        for comparison in found:
            print(as_text(comparison, sides[comparison.suite]) + "\n")
        print(_EXPLANATION)
    return 0


def as_text(comparison: Comparison, contenders: Sequence[Contender]) -> str:
    """One suite: the rows, a table a pair, the ranks."""
    parts = [f"{comparison.suite}: {len(comparison.subsets)} subsets"]
    if comparison.without:
        every = len(comparison.averaged) + len(comparison.without)
        names = ", ".join(comparison.without)
        parts.append(
            f"  means: over {len(comparison.averaged)} of {every} sets, one class in: {names}"
        )
    parts += [_about(contender, comparison) for contender in contenders]
    parts += [f"not compared: {name}: {why}" for name, why in comparison.left_out.items()]
    for first, second in combinations(contenders, 2):
        tests = [
            test
            for test in comparison.tests
            if (test.first, test.second) == (first.name, second.name)
        ]
        parts.append(f"\n{first.name} against {second.name}\n{_pair(comparison, tests)}")
    for metric, ranks in comparison.ranks.items():
        parts.append("\n" + _ranked(metric, ranks, contenders))
    return "\n".join([*parts, *comparison.notes])


def _about(contender: Contender, comparison: Comparison) -> str:
    shown = []
    for metric in METRICS:
        whole = all(contender.value(s, metric) is not None for s in comparison.averaged)
        if comparison.averaged and whole:
            means = contender.seed_means(comparison.averaged, metric)
            spread = f" (sd {100 * stdev(means):.1f} over seeds)" if len(means) > 1 else ""
            shown.append(f"{metric.upper()} {100 * fmean(means):.1f}{spread}")
    count = len(contender.records)
    seeds = f", {count} seeds" if count > 1 else ""
    return f"  {contender.name}{seeds}: mean {', '.join(shown) or 'not defined'}"


def _pair(comparison: Comparison, tests: Sequence[RowTest]) -> str:
    header = ["subset"]
    for metric in METRICS:
        header += [metric.upper(), "[95 %]", "p", "p Holm"]
    by_cell = {(test.subset, test.metric): test for test in tests}
    rows = []
    by_rate = {test.subset for test in tests if test.metric in RATES.values()}
    for subset in (*(name for name in comparison.subsets if name not in by_rate), MEAN):
        cells = [subset]
        for metric in METRICS:
            cells += _cells(by_cell.get((subset, metric)))
        rows.append(cells)
    means = [f"mean {t.metric.upper()}: {_said(t.verdict)}" for t in tests if t.subset == MEAN]
    return "\n".join([_text.table(header, rows), *means, *_rates(tests), *_checks(tests)])


def _rates(tests: Sequence[RowTest]) -> list[str]:
    """The sets of one class: which share of it each row flags as fake, and the difference."""
    lines = []
    for name, metric in RATES.items():
        for test in (test for test in tests if test.metric == metric):
            found, verdict = test.values, test.verdict
            if name == FALSE_ALARMS:
                found, verdict = (1 - found[0], 1 - found[1]), flipped(verdict)
            shares = " against ".join(map(_text.percent, found))
            lines.append(f"{test.subset}: {name} {shares}: {say(verdict)}")
    return lines


def _cells(test: RowTest | None) -> list[str]:
    if test is None:
        return ["-", "", "", ""]
    verdict = test.verdict
    mark = "*" if verdict.apart else "=" if verdict.equivalent else " "
    return [
        _text.points(verdict.value),
        _text.between(verdict.low, verdict.high, sign=True),
        p_value(verdict.p),
        p_value(verdict.p_holm) + mark,
    ]


def _said(verdict: Verdict) -> str:
    """``not told apart (t with 2.1 degrees of freedom over images and seeds, paired by seed)``."""
    return f"{verdict.word} ({verdict.basis})"


def _checks(tests: Sequence[RowTest]) -> list[str]:
    """How far McNemar's and DeLong's tests agree, where they were made."""
    made = [(test, test.check) for test in tests if test.check is not None]
    if not made:
        return []
    apart = [
        f"{test.subset} {test.metric.upper()} ({check.test}: {p_value(check.p)}"
        f"{f', {check.note}' if check.note else ''})"
        for test, check in made
        if (check.p is not None and check.p < LEVEL) != ((test.verdict.p or 1) < LEVEL)
    ]
    agreed = (
        f"McNemar's (mid-p) and DeLong's tests agree in {len(made) - len(apart)} of {len(made)}"
    )
    return [
        f"cross-check before Holm: {agreed}" + (f"; not in {', '.join(apart)}" if apart else "")
    ]


def _ranked(metric: str, ranks: RankTest, contenders: Sequence[Contender]) -> str:
    order = sorted(range(len(contenders)), key=lambda i: ranks.mean_ranks[i])
    shown = ", ".join(f"{contenders[i].name} {ranks.mean_ranks[i]:.2f}" for i in order)
    return (
        f"{metric.upper()}, mean ranks over {ranks.subsets} subsets: {shown}; Friedman "
        f"chi2 {ranks.statistic:.2f}, p {ranks.p:.2g}; critical difference (Nemenyi, 5 %) "
        f"{ranks.critical_difference:.2f}. It takes subsets as independent; those that share "
        "reals are not."
    )
