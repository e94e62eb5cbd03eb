"""What ``why`` found, on disk: every condition that was tried, and what it makes of each number.

An answer is no record: no table and no mean reads one. ``diff`` and the report point to it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from harness.errors import SchemaError
from harness.results.paths import place_name
from harness.results.store import canonical_json, write_atomic

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
FOLDER = "why"
_ROUNDING = 1e-9

Verdict = Literal["explains", "possible", "excluded"]
"""``explains``: all given numbers match, and fewer than 0.05 accidental matches are expected.
``possible``: it matches as far as that is known, and nothing decides. ``excluded``: it does not."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""The surest first."""


@dataclass(frozen=True, kw_only=True)
class WantedNumber:
    """A number that was to be explained.

    Args:
        name: as typed: ``ACC``, ``gaugan.ACC``.
        subset, metric: which; the metric as records name it.
        text: the digits, in percent.
        low, high: fractions that count as a match: what is printed so, or where the images are not
            known to be the same, what other images of the kind would give.
        source: where it is printed, "" where it was typed.
    """

    name: str
    subset: str
    metric: str
    text: str
    low: float
    high: float
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Number:
    """What a condition makes of one wanted number.

    Args:
        value: a fraction; None where it is not defined.
        low, high: where it lies, if it was made from a sample of the images; else None.
        images: over how many images it is; 0 = of numbers alone.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    images: int = 0

    @property
    def ends(self) -> tuple[float, float] | None:
        """Where it lies: a number of all images at one place. None where it is not defined."""
        if self.value is None:
            return None
        low, high = (self.value if end is None else end for end in (self.low, self.high))
        return low, high

    def may_be(self, low: float, high: float) -> bool:
        """Whether it lies, or as far as a sample says may lie, between two fractions."""
        ends = self.ends
        return ends is not None and ends[0] <= high + _ROUNDING and ends[1] >= low - _ROUNDING


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """One condition, or two together.

    Args:
        name: ``resize(256)``, ``resize(256) + ACC on fakes only``.
        family: of the condition; of two, both joined by `` + ``.
        verdict: see :data:`Verdict`.
        numbers: by name of the wanted number.
        group: number of the group of conditions that the wanted numbers cannot tell apart, among
            those that are not excluded; -1 of others.
        accidental: expected accidental matches, of those that match; else None.
        changes, seen, do: as the catalogue says.
        why: of what is ``possible``: what is not decided.
    """

    name: str
    family: str
    verdict: Verdict
    numbers: dict[str, Number]
    group: int = -1
    accidental: float | None = None
    changes: str = ""
    seen: str = ""
    do: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class WhyAnswer:
    """What ``why`` found.

    Args:
        detector, weights, suite: which row; all "" of numbers without images.
        wanted: what was to be explained.
        same_images: why the numbers are taken to be of these images; "" where they are not.
        tried: how many conditions, and pairs of them, were tried: not fewer than outcomes, since
            pairs of which one part matches alone are none; 0 = as many.
        outcomes: those that explain first, then the nearest.
        not_tried: name -> why a condition of the catalogue was not tried.
        deciding: what would tell the possible ones apart, in sentences.
        remarks: what the digits allow and other things that must be known, in sentences.
        remains: where nothing matches: what is left, in sentences.
        by_subset: subset -> names of the conditions that match all of its numbers, where no
            condition matches those of all.
        keys: digests of the manifest of each subset, so that an answer about other images is known.
        schema: of this form.
    """

    detector: str = ""
    weights: str = ""
    suite: str = ""
    wanted: tuple[WantedNumber, ...] = ()
    same_images: str = ""
    tried: int = 0
    outcomes: tuple[ConditionResult, ...] = ()
    not_tried: dict[str, str] = field(default_factory=dict)
    deciding: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    by_subset: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        object.__setattr__(self, "tried", max(self.tried, len(self.outcomes)))

    def frame(self) -> pd.DataFrame:
        """A row a condition and wanted number: ``condition``, ``family``, ``verdict``, ``group``,
        ``number`` (its name), ``wanted`` (percent, as printed), ``value``, ``low``, ``high`` (what
        the condition makes of it, in percent; NaN where that is not known) and ``matches``.
        """
        rows = [
            {
                "condition": each.name,
                "family": each.family,
                "verdict": each.verdict,
                "group": each.group,
                "number": wanted.name,
                "wanted": wanted.text,
                **_percent(each.numbers[wanted.name], wanted),
            }
            for each in self.outcomes
            for wanted in self.wanted
        ]
        columns = ["condition", "family", "verdict", "group", "number", "wanted"]
        columns += ["value", "low", "high", "matches"]
        import pandas as pd  # here: it takes a while to import

        frame: pd.DataFrame = pd.DataFrame(rows, columns=columns)
        return frame

    def of(self, verdict: Verdict) -> tuple[ConditionResult, ...]:
        """The outcomes of one verdict."""
        return tuple(each for each in self.outcomes if each.verdict == verdict)


def _percent(number: Number, wanted: WantedNumber) -> dict[str, object]:
    low, high = number.ends or (None, None)
    edges = {"value": number.value, "low": low, "high": high}
    shown = {name: None if edge is None else 100 * edge for name, edge in edges.items()}
    return {**shown, "matches": number.may_be(wanted.low, wanted.high)}


def answer_path(out: Path, answer: WhyAnswer) -> Path:
    """``why/<suite>/<detector>.<digest of what was asked>.json`` below an output folder."""
    asked = [answer.detector, answer.weights, answer.suite, sorted(answer.keys.items())]
    asked += [[each.subset, each.metric, each.text] for each in answer.wanted]
    digest = hashlib.sha256(json.dumps(asked).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    name = f"{place_name(answer.detector or 'numbers')}.{digest}.json"
    return out / FOLDER / place_name(answer.suite or "numbers") / name


def save_answer(out: Path, answer: WhyAnswer) -> Path:
    """Writes it and returns where."""
    path = answer_path(out, answer)
    write_atomic(path, canonical_json(dataclasses.asdict(answer)).encode())
    return path


def load_answers(out: Path) -> list[WhyAnswer]:
    """Every answer below an output folder, in a fixed order.

    Raises:
        SchemaError: a file is damaged or of a later form.
    """
    return [_read(path) for path in sorted((out / FOLDER).glob("*/*.json"))]


def _read(path: Path) -> WhyAnswer:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise SchemaError(f"{path}: answer schema {data['schema']}, expected {SCHEMA}")
        data["wanted"] = tuple(WantedNumber(**each) for each in data["wanted"])
        data["outcomes"] = tuple(
            ConditionResult(
                **{**each, "numbers": {n: Number(**v) for n, v in each["numbers"].items()}}
            )
            for each in data["outcomes"]
        )
        data["by_subset"] = {name: tuple(found) for name, found in data["by_subset"].items()}
        for name in ("deciding", "remarks", "remains"):
            data[name] = tuple(data[name])
        return WhyAnswer(**data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SchemaError(
            f"{path}: not an answer of this version ({type(error).__name__}: {error})",
            hint=f"delete {path} and run `python -m harness why` again",
        ) from error
