"""A recipe's fields as text: what may be typed for each, and reading it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness.api import Recipe
from harness.errors import UsageError, unknown_name

OVERRIDABLE = tuple(field.name for field in fields(Recipe) if field.name != "source")

_KINDS: dict[str, Any] = get_type_hints(Recipe)
_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "lr_step": 1,
    "lr": 0.0,
    "eps": 0.0,
    "weight_decay": 0.0,
    "lr_gamma": 1e-9,
    "min_lr": 0.0,
    "min_gain": 0.0,
    "warmup": 0,
    "patience": 0,
}
_NO_START = "none"


def flag(field: str) -> str:
    """``lr_step`` -> ``--lr-step``."""
    return "--" + field.replace("_", "-")


def form(field: str) -> str:
    """What may be typed for a field, for help and errors, e.g. ``true|false``."""
    kind = _KINDS[field]
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    named = {"betas": "B1,B2", "start": "NAME|none"}
    return named.get(field) or {bool: "true|false", int: "N", float: "X"}.get(kind, "TEXT")


def read(field: str, text: str) -> object:
    """The value of a field that a text means.

    Raises:
        UsageError: it means none; the flag and the form are named.
    """
    kind = _KINDS[field]
    readers: dict[Any, Callable[[str], object]] = {
        bool: lambda text: {"true": True, "false": False}[text],
        int: int,
        float: float,
        tuple[float, float]: lambda text: tuple(map(float, text.split(","))),
    }
    try:
        value = readers.get(kind, str)(text.strip())
    except (ValueError, KeyError) as error:
        raise UsageError(f"{flag(field)}: expected {form(field)}, got {text!r}") from error
    return "" if field == "start" and value == _NO_START else value


def check(field: str, value: Any) -> None:
    """Refuses a value that makes no sense whatever the other fields are.

    Raises:
        UsageError: the field, what it must be, what it is.
    """
    if field not in OVERRIDABLE:
        raise unknown_name("field of a recipe", field, OVERRIDABLE)
    if field in _LEAST and not _LEAST[field] <= value < math.inf:  # NaN too
        raise UsageError(f"{field} must be a number of at least {_LEAST[field]:g}, got {value}")
    if field == "betas" and not (len(value) == 2 and all(0 <= beta < 1 for beta in value)):
        raise UsageError(f"betas must be two numbers from 0 to below 1, got {value}")
    if get_origin(_KINDS[field]) is Literal and value not in get_args(_KINDS[field]):
        raise UsageError(f"{field} must be one of {form(field)}, got {value!r}")
