"""Rows of the paper without published weights, trained here by the published recipe."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from harness.api import Recipe
from harness.data.preprocess import parse
from harness.results.records import RunRecord, WeightsRef

MARK = "retrained"


@dataclass(frozen=True, kw_only=True)
class Retrainable:
    """How a row without published weights is trained to be that row.

    Args:
        recipe: the published one.
        variant: the detector's first, "" where it has none.
        trained_on: name of the training set.
        images: how many it has, as others count it.
    """

    recipe: Recipe
    variant: str
    trained_on: str
    images: int


def is_retraining(record: RunRecord, known: Retrainable | None) -> bool:
    """Whether its weights were trained here on that set, by whatever recipe."""
    return known is not None and record.weights.trained_on == known.trained_on


def said_of(record: RunRecord, known: Retrainable) -> str:
    """What must be said wherever such a number stands."""
    return (
        f"{MARK} here on {known.trained_on}, seed {record.weights.seed}, since no weights are "
        f"published; recipe: {known.recipe.source}"
    )


def deviations(record: RunRecord, known: Retrainable) -> tuple[str, ...]:
    """What sets a training apart from the published recipe; empty for one that is that very one."""
    found = list(_of_recipe(record.weights, known.recipe))
    if record.variant != known.variant:
        found.append(f"variant {record.variant or 'none'}, first: {known.variant or 'none'}")
    scaling = record.weights.recipe.get("scaling")
    if scaling:
        found.append(f"recipe scaled: {scaling}")
    images = record.weights.recipe.get("training_images")
    if images != known.images:
        shown = "a number of images that is not known" if images is None else f"{images} images"
        found.append(f"trained on {shown}, others count {known.images}")
    return tuple(found)


def _of_recipe(weights: WeightsRef, published: Recipe) -> list[str]:
    used = weights.recipe
    found = []
    for field in fields(Recipe):
        if field.name == "source":
            continue
        wanted = getattr(published, field.name)
        value: Any = used.get(field.name, field.default)
        if _plain(field.name, value) != _plain(field.name, wanted):
            found.append(f"recipe: {field.name} {value}, published: {wanted}")
    return found


def _plain(name: str, value: Any) -> Any:
    """A value in the one form in which records and recipes agree."""
    if name.endswith("_preprocess") and isinstance(value, str):
        return str(parse(value))
    return tuple(value) if isinstance(value, list) else value
