"""Intervals, p-values and verdicts in words: one way to print each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.metrics.verdict import Verdict
from harness.report.layout import between, signed
from harness.results.intervals import Place
from harness.results.rates import Rate
from harness.results.records import RunRecord

Tell = Callable[[Sequence[RunRecord], Sequence[RunRecord], Sequence[Place], str], Verdict]
"""Whether the rows of two sets of records (a record a seed and suite) are told apart by a metric's
plain mean over places."""


def no_verdict(
    first: Sequence[RunRecord], second: Sequence[RunRecord], places: Sequence[Place], metric: str
) -> Verdict:
    """What stands for a :data:`Tell` where the scores are not at hand."""
    return Verdict(reason="the scores are not at hand")


def say_rate(rate: Rate) -> str:
    """``false alarms 4.2 [1.9, 9.1]``, in percent."""
    low, high = (None if edge is None else 100 * edge for edge in (rate.low, rate.high))
    return f"{rate.name} {100 * rate.value:.1f} {between(low, high)}".rstrip()


def p_value(p: float | None) -> str:
    """``0.026``, ``<0.001``, or a dash where it is not defined."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def flipped(verdict: Verdict) -> Verdict:
    """The verdict on what is missing to the whole: the same, with the difference negated."""
    if verdict.value is None:
        return verdict
    low, high = (None if edge is None else -edge for edge in (verdict.high, verdict.low))
    return replace(verdict, value=-verdict.value, low=low, high=high)


def say(verdict: Verdict) -> str:
    """``difference +2.0 [−1.2, +5.2], p 0.13 (t with 2.4 degrees of ...): not told apart``."""
    if verdict.value is None:
        return f"not told apart: {verdict.reason}"
    value, low, high = (
        None if v is None else 100 * v for v in (verdict.value, verdict.low, verdict.high)
    )
    edges = f" {between(low, high, sign=True)}" if low is not None else ""
    shown = f"difference {signed(value or 0.0, 1)}{edges}"
    if verdict.p is None:
        return f"{shown}: not told apart, {verdict.reason}"
    p = f"p {p_value(verdict.p)}"
    if verdict.p_holm != verdict.p:
        p += f", Holm {p_value(verdict.p_holm)}"
    return f"{shown}, {p} ({verdict.basis}): {verdict.word}"
