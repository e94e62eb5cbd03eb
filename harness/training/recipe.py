"""Which recipe a training uses: the published one, a stated scaling of it, the user's overrides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from harness.api import InputRule, Recipe
from harness.data.preprocess import parse
from harness.errors import UsageError

ANY_SIZE = InputRule()
OVERRIDABLE = tuple(field.name for field in fields(Recipe) if field.name not in ("source", "betas"))


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A rule that fits every detector's recipe to a smaller data set, the same for all.

    Args:
        name: stored with the run.
        text: the rule in words.
        apply: published recipe and the sizes that the detector takes -> scaled recipe.
    """

    name: str
    text: str
    apply: Callable[[Recipe, InputRule], Recipe]


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


def resolve(
    published: Recipe,
    *,
    scaling: Scaling | None = None,
    overrides: Mapping[str, object],
    sizes: InputRule = ANY_SIZE,
) -> ResolvedRecipe:
    """Published recipe, then the scaling, then the overrides; what differs is listed.

    Raises:
        UsageError: an override names no field of a recipe, or its value makes no sense.
    """
    for name in overrides:
        if name not in OVERRIDABLE:
            raise UsageError(f"a recipe has no field {name!r}; it has {', '.join(OVERRIDABLE)}")
    if is_fit(published):
        overrides = _for_fit(overrides)
    scaled = scaling.apply(published, sizes) if scaling else published
    used = replace(scaled, **dict(overrides))  # type: ignore[arg-type]
    _check(used)
    if is_fit(used) and not is_fit(published):
        raise UsageError("lr must be above 0")
    rule = scaling.name if scaling else ""
    changes = tuple(
        Change(
            field=name,
            published=getattr(published, name),
            used=getattr(used, name),
            by="--" + name.replace("_", "-") if name in overrides else rule,
        )
        for name in (*OVERRIDABLE, "betas")
        if getattr(published, name) != getattr(used, name)
    )
    return ResolvedRecipe(published=published, used=used, changes=changes, scaling=scaling)


def is_fit(recipe: Recipe) -> bool:
    """Whether it is for a detector fitted in one go, which has no learning rate."""
    return recipe.lr == 0


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """Rate of an epoch (counted from 0): ``lr`` times ``lr_gamma`` every ``lr_step`` epochs."""
    return recipe.lr * recipe.lr_gamma ** (epoch // recipe.lr_step)


def _for_fit(overrides: Mapping[str, object]) -> Mapping[str, object]:
    """A fit has no epochs, rate or augmentation: its images go in as they will be scored."""
    if "val_preprocess" not in overrides:
        return {}
    return dict.fromkeys(("train_preprocess", "val_preprocess"), overrides["val_preprocess"])


def _check(recipe: Recipe) -> None:
    for name in ("epochs", "batch_size", "lr_step"):
        if getattr(recipe, name) < 1:
            raise UsageError(f"{name} must be at least 1, got {getattr(recipe, name)}")
    for name, least in (("lr", 0.0), ("weight_decay", 0.0), ("lr_gamma", 1e-9)):
        value = getattr(recipe, name)
        if not least <= value < math.inf:  # NaN too
            raise UsageError(f"{name} must be a number of at least {least:g}, got {value}")
    parse(recipe.train_preprocess)
    if parse(recipe.val_preprocess).is_random:
        raise UsageError(
            f"val_preprocess {recipe.val_preprocess!r} is random; validation must not be",
            hint="use center_crop in place of random_crop and leave hflip out",
        )


MINI_EPOCHS = 16
MINI_RATE = 5.0
MINI_DROP = (12, 0.1)  # after this many epochs the rate is multiplied by this
MINI_PREPROCESS = "random_crop(96)|hflip(0.5)"


def _scale_for_mini(recipe: Recipe, sizes: InputRule = ANY_SIZE) -> Recipe:
    # A detector of one size keeps its published geometry.
    whole = recipe.val_preprocess if sizes.problem(128, 128) else "native"
    crop = recipe.train_preprocess if sizes.problem(96, 96) else MINI_PREPROCESS
    if is_fit(recipe):
        return replace(recipe, train_preprocess=whole, val_preprocess=whole)
    return replace(
        recipe,
        epochs=MINI_EPOCHS,
        lr=recipe.lr * MINI_RATE,
        lr_step=MINI_DROP[0],
        lr_gamma=MINI_DROP[1],
        train_preprocess=crop,
        val_preprocess=whole,
    )


MINI = Scaling(
    name="mini",
    text=(
        f"{MINI_EPOCHS} epochs of {MINI_PREPROCESS} of the 128x128 tiles, no resize; "
        f"{MINI_RATE:g} times the published rate, after {MINI_DROP[0]} epochs {MINI_DROP[1]:g} of "
        "that; batch size, optimiser and loss as published; validation on whole tiles. "
        "A fit takes whole tiles too. A detector that cannot take these sizes keeps its published "
        "geometry"
    ),
    apply=_scale_for_mini,
)
"""For the embedded training set, which has hundreds of images in place of 144,000. The same rule
for every detector, chosen on the mini validation split alone."""
