"""What is declared of a detector from elsewhere, and what it is once it is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from harness.api import DetectorSpec, ScoreSpec
from harness.data.hashing import file_sha256
from harness.errors import UsageError
from harness.results.records import Origin

Scores = TypeVar("Scores", float, np.ndarray[Any, np.dtype[np.float64]])
Kind = Literal["logit", "probability", "uncalibrated"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BETWEEN: Mapping[str, float] = {"probability": 0.5, "logit": 0.0}
"""The threshold that the word itself means; of uncalibrated scores nobody knows one."""
CITATION = "not part of lfm-bench"
NOTES = "a detector from elsewhere: its record says where it comes from"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the flags say of a detector from elsewhere; what they leave out, it says itself.

    Args:
        kind: of its scores, "" = not said.
        threshold: on the scale of its scores, as it gives them; None = not said.
        lower_is_fake: a lower score is more fake; None = not said.
        takes: what a function takes: ``path``, ``image``, ``paths`` or ``images``; "" = not said.
        fake_label: which of its outputs is fake: a label's name or an output's number; "" = not
            said.
    """

    kind: str = ""
    threshold: float | None = None
    lower_is_fake: bool | None = None
    takes: str = ""
    fake_label: str = ""


NOTHING = Declared()


@dataclass(frozen=True, kw_only=True)
class Outsider:
    """A detector from elsewhere.

    Args:
        spec: what the harness knows of it.
        origin: what it comes from.
        declared: what the flags said of it.
    """

    spec: DetectorSpec
    origin: Origin
    declared: Declared = NOTHING


def score_spec(place: str, said: Declared) -> ScoreSpec:
    """What scores are that are larger for fakes: turned where lower ones are declared to be.

    Raises:
        UsageError: kind or threshold are not declared. They are never guessed.
    """
    if said.kind not in KINDS:
        raise UsageError(
            f"{place}: is its score a logit, a probability or uncalibrated?"
            + (f" It says {said.kind!r}" if said.kind else ""),
            hint=f"--kind {'|'.join(KINDS)}, or the function's attribute `kind`",
        )
    threshold = said.threshold if said.threshold is not None else BETWEEN.get(said.kind)
    if threshold is None:
        raise UsageError(
            f"{place}: its scores are uncalibrated, and no threshold is declared",
            hint="--threshold NUMBER, or the function's attribute `threshold`",
        )
    threshold = turned(threshold, said.kind, said.lower_is_fake)
    return ScoreSpec(kind=said.kind, threshold=threshold, published_ap="ap")


def turned(value: Scores, kind: str, lower_is_fake: bool | None) -> Scores:
    """Scores so that larger means fake: of a probability the other class's, else the negative."""
    if not lower_is_fake:
        return value
    return 1 - value if kind == "probability" else -value


def origin(
    kind: Literal["spec", "function", "hf", "onnx", "timm"],
    place: str,
    files: Mapping[str, Path],
    deciding: Mapping[str, str],
    known: Mapping[str, str] | None = None,
) -> Origin:
    """Where a detector comes from; equal files and equal decisions are one origin.

    Args:
        kind, place: as in the class.
        files: name -> file that decides its scores; each one's sha256 is a fact.
        deciding: what else decides its scores, by name.
        known: what else must be known of it.
    """
    digests = {name: file_sha256(path) for name, path in files.items()}
    said = json.dumps([sorted(digests.items()), sorted(deciding.items())])
    facts = {**{f"sha256 of {name}": digest for name, digest in digests.items()}, **deciding}
    return Origin(
        kind=kind,
        place=place,
        sha256=hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
        facts={name: value for name, value in {**facts, **(known or {})}.items() if value},
    )
