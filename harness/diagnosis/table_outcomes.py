"""Judged faults of a table as outcomes and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.diagnosis.own_faults import OwnFault
from harness.metrics.digits import Digits
from harness.report.table_faults import FAMILY, Key, Numbers
from harness.report.table_verdicts import Judged
from harness.results.answers import ConditionResult, Number

_UNDECIDED = "more numbers would match by accident than can be excluded"
_NO_COUNT = "a detector that guesses gives it too"


def named(key: Key, prefix: str = "") -> str:
    """A cell as it is called in an answer: ``NPR gaugan.ACC``."""
    return f"{prefix}{key[0]} {key[1]}.{key[2]}"


def outcomes_of(
    judged: Sequence[Judged], own: Sequence[OwnFault] = (), prefix: str = ""
) -> list[ConditionResult]:
    """One outcome a fault and row; those that account for the same cells are one group.

    Args:
        judged: against a reference.
        own: of the table by itself.
        prefix: before every name.
    """
    groups: dict[tuple[str, ...], int] = {}

    def group(cells: Sequence[Key]) -> int:
        return groups.setdefault(tuple(sorted(named(key, prefix) for key in cells)), len(groups))

    found = [
        ConditionResult(
            name=f"{prefix}{_row(each.numbers)}: {each.fault.name}",
            family=FAMILY,
            verdict=each.verdict,
            numbers=_numbers(each.numbers, prefix),
            group=group(list(each.numbers)),
            accidental=each.accidental,
            changes=each.fault.changes,
            seen=each.fault.seen,
            do=each.fault.do,
            why=_NO_COUNT if each.verdict == "possible" else "",
        )
        for each in own
    ]
    for each in judged:
        fault, numbers = each.attempt.fault, each.attempt.numbers
        found.append(
            ConditionResult(
                name=f"{prefix}{_row(numbers)}: {fault.name}",
                family=FAMILY,
                verdict=each.verdict,
                numbers=_numbers(numbers, prefix),
                group=group(each.cells) if each.cells else -1,
                accidental=each.accidental,
                changes=fault.changes,
                seen=fault.seen,
                do=fault.do,
                why=_UNDECIDED if each.verdict == "possible" else "",
            )
        )
    return found


def _row(numbers: Numbers) -> str:
    return ", ".join(dict.fromkeys(key[0] for key in numbers))


def _numbers(numbers: Numbers, prefix: str) -> dict[str, Number]:
    return {named(key, prefix): Number(value=value / 100) for key, value in numbers.items()}


def deciding(
    judged: Sequence[Judged], given: Mapping[Key, Digits], prefix: str = ""
) -> Iterator[str]:
    """For cells that several faults may make: the number, not given, in which they differ most."""
    together: dict[tuple[Key, ...], list[Judged]] = {}
    for each in judged:
        if each.verdict == "possible":
            together.setdefault(tuple(sorted(each.cells)), []).append(each)
    for rivals in together.values():
        spread: dict[Key, dict[str, float]] = {}
        for each in rivals:
            for key, value in each.attempt.numbers.items():
                if key not in given:
                    spread.setdefault(key, {})[each.attempt.fault.name] = value
        apart = {k: v for k, v in spread.items() if len({round(x, 1) for x in v.values()}) > 1}
        if apart:
            key = max(apart, key=lambda k: max(apart[k].values()) - min(apart[k].values()))
            said = ", ".join(f"{value:.1f} under {name}" for name, value in apart[key].items())
            yield f"{named(key, prefix)} would be {said}."


def remains(
    judged: Sequence[Judged],
    off: Sequence[Key],
    given: Mapping[Key, Digits],
    known: Numbers,
    prefix: str = "",
) -> Iterator[str]:
    """A sentence for every cell that no fault makes, with the nearest that was tried."""
    made = {key for each in judged for key in each.cells}
    for key in [key for key in off if key not in made]:
        tried = [each.attempt for each in judged if key in each.attempt.numbers]
        said = f"none of {len(tried)} faults of a table makes {named(key, prefix)} "
        said += given[key].text
        if key in known:
            said += f" (the reference: {known[key]:g})"
        if tried:
            near = min(tried, key=lambda each: abs(each.numbers[key] - given[key].percent))
            said += f"; the nearest is {near.numbers[key]:.1f} ({near.fault.name})"
        yield f"{said}. What remains: other images, weights or code, which numbers cannot tell."
