"""Which recipe a training uses: the published one, a stated scaling of it, the user's overrides."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness.api import DetectorSpec, Recipe
from harness.data.preprocess import parse
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


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A rule that fits every detector's recipe to a smaller data set, the same for all.

    Args:
        name: stored with the run.
        text: the rule in words.
        apply: the detector -> its published recipe, scaled.
    """

    name: str
    text: str
    apply: Callable[[DetectorSpec], Recipe]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One value that is not as published, and who changed it: a scaling's name or a flag."""

    field: str
    published: object
    used: object
    by: str


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe:
    """The recipe in use beside the published one."""

    published: Recipe
    used: Recipe
    changes: tuple[Change, ...]
    scaling: Scaling | None = None


def published_recipe(spec: DetectorSpec) -> Recipe:
    """The published recipe; UsageError where the detector has none."""
    if spec.recipe is None:
        raise UsageError(
            f"{spec.name} is not trained: it has no recipe",
            hint=f"python -m harness run --method {spec.name} --suite mini",
        )
    return spec.recipe


def resolve(
    spec: DetectorSpec,
    *,
    scaling: Scaling | None = None,
    overrides: Mapping[str, object],
) -> ResolvedRecipe:
    """Published recipe, then the scaling, then the overrides; what differs is listed.

    Raises:
        UsageError: the detector is not trained, an override names no field of a recipe, or a value
            makes no sense, by itself or with the others.
    """
    published = published_recipe(spec)
    for name, value in overrides.items():
        check(name, value)
    if is_fit(published):
        overrides = _for_fit(overrides)
    scaled = scaling.apply(spec) if scaling else published
    used = replace(scaled, **dict(overrides))  # type: ignore[arg-type]
    if is_fit(used) and not is_fit(published):
        raise UsageError("lr must be above 0")
    _refuse_random_validation(used)
    for problem, hint in _contradictions(spec, used):
        raise UsageError(f"{spec.name}: {problem}", hint=hint)
    rule = scaling.name if scaling else ""
    changes = tuple(
        Change(
            field=name,
            published=getattr(published, name),
            used=getattr(used, name),
            by=flag(name) if name in overrides else rule,
        )
        for name in OVERRIDABLE
        if getattr(published, name) != getattr(used, name)
    )
    return ResolvedRecipe(published=published, used=used, changes=changes, scaling=scaling)


def is_fit(recipe: Recipe) -> bool:
    """Whether it is for a detector fitted in one go, which has no learning rate."""
    return recipe.lr == 0


def uses_monitor(recipe: Recipe) -> bool:
    """Whether a validation figure decides over rate, end or kept weights."""
    return recipe.keep == "best" or recipe.patience > 0


def _for_fit(overrides: Mapping[str, object]) -> Mapping[str, object]:
    """A fit has no epochs, rate or augmentation: its images go in as they will be scored."""
    if "val_preprocess" not in overrides:
        return {}
    return dict.fromkeys(("train_preprocess", "val_preprocess"), overrides["val_preprocess"])


def _refuse_random_validation(recipe: Recipe) -> None:
    parse(recipe.train_preprocess)
    if parse(recipe.val_preprocess).is_random:
        raise UsageError(
            f"val_preprocess {recipe.val_preprocess!r} is random; validation must not be",
            hint="use center_crop in place of random_crop and leave hflip out",
        )


def _contradictions(spec: DetectorSpec, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Values that make no sense together: (what is wrong, what to type)."""
    yield from _schedule_contradictions(recipe)
    if recipe.balanced and recipe.batch_size % 2:
        yield (
            f"a balanced batch is half real, half fake, got batch_size {recipe.batch_size}",
            f"--batch-size {recipe.batch_size + 1}, or --balanced false",
        )
    if recipe.monitor == "val_loss" and spec.score.kind == "uncalibrated" and uses_monitor(recipe):
        yield (
            "its scores are uncalibrated and have no cross-entropy, so val_loss is not defined",
            "--monitor val_ap or --monitor val_acc",
        )
    known = [weights.name for weights in spec.pretrained]
    if recipe.start and recipe.start not in known:
        raise unknown_name(f"starting network of {spec.name}", recipe.start, [*known, "none"])
    if spec.needs_pretrained and not recipe.start:
        yield (
            "it keeps part of a published network as it is; from random weights it would be "
            "another method",
            f"--start {known[0]}" if known else "",
        )


def _schedule_contradictions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if recipe.warmup > recipe.epochs:
        yield (
            f"warmup {recipe.warmup} is longer than the training, epochs {recipe.epochs}",
            f"--warmup {recipe.epochs} or less",
        )
    if recipe.schedule != "step" and recipe.min_lr > recipe.lr:
        yield (
            f"min_lr {recipe.min_lr:g} is above lr {recipe.lr:g}",
            f"--min-lr {recipe.lr / 100:g}",
        )
    if recipe.schedule == "plateau" and not recipe.patience:
        yield "the plateau schedule needs a patience of at least 1, got 0", "--patience 5"
    if recipe.schedule == "plateau" and recipe.lr_gamma >= 1:
        yield (
            f"the plateau schedule needs an lr_gamma below 1, got {recipe.lr_gamma:g}",
            "--lr-gamma 0.1",
        )


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
