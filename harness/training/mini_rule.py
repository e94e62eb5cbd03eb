"""The one rule that fits every published recipe to the embedded training set."""

from __future__ import annotations

from dataclasses import replace

from harness.api import DetectorSpec, Recipe
from harness.data.operations import OPS
from harness.training.recipe import Scaling, is_fit, published_recipe

EPOCHS = 16
RATE = 5.0
HIGHEST_RATE = 1e-3
BATCH = 32
DROP = (12, 0.1)  # after this many epochs the rate is multiplied by this
SIDE = 96
TILE = 128

# Operations that decide which part of an image is seen, and how large; all others stay.
GEOMETRY = frozenset(name for name in OPS if name.startswith(("resize", "center_crop"))) | {
    "native",
    "random_crop",
    "top_left_crop",
    "crop_multiple",
    "tile",
    "pad_for_crop",
}


def augmentation(published: str) -> str:
    """A published training text with one ``random_crop(96)`` in place of all its geometry."""
    crop = f"random_crop({SIDE})"
    if "random_crop" not in published:
        published = f"random_crop|{published}"
    steps: list[str] = []
    for step in published.split("|"):
        name = step.split("(")[0].strip()
        if name == "random_crop" and crop not in steps:
            steps.append(crop)
        elif name not in GEOMETRY:
            steps.append(step.strip())
    return "|".join(steps)


def scale(spec: DetectorSpec) -> Recipe:
    """The published recipe, fitted to hundreds of tiles in place of 144,000 images."""
    recipe = published_recipe(spec)
    # A detector that cannot take these sizes keeps its published geometry.
    takes_tiles = not spec.input_rule.problem(TILE, TILE)
    takes_crops = not spec.input_rule.problem(SIDE, SIDE)
    whole = "native" if takes_tiles else recipe.val_preprocess
    if is_fit(recipe):
        return replace(recipe, train_preprocess=whole, val_preprocess=whole)
    if recipe.schedule != "cosine":
        recipe = replace(recipe, schedule="step", lr_step=DROP[0], lr_gamma=DROP[1], warmup=0)
    crop = augmentation(recipe.train_preprocess) if takes_crops else recipe.train_preprocess
    return replace(
        recipe,
        epochs=EPOCHS,
        batch_size=min(recipe.batch_size, BATCH),
        lr=min(recipe.lr * RATE, HIGHEST_RATE),
        patience=0,
        keep="last",
        start=recipe.start if spec.needs_pretrained else "",
        train_preprocess=crop,
        val_preprocess=whole,
    )


MINI = Scaling(
    name="mini",
    text=(
        f"{EPOCHS} epochs, the last one's weights, no early stop; {RATE:g} times the published "
        f"rate but at most {HIGHEST_RATE:g}, after {DROP[0]} epochs {DROP[1]:g} of that (a "
        "published cosine with its warm-up stays one); batches as published but at most "
        f"{BATCH} images; the published augmentations in their order, with one "
        f"random_crop({SIDE}) of the {TILE}x{TILE} tiles in place of every resize and crop (where "
        "the published random crop stands, else first); validation on whole tiles, which a fit "
        "takes too; random first weights unless the method keeps a published network as it is; "
        "optimiser, decay, balance and loss as published. A detector that cannot take these sizes "
        "keeps its published geometry"
    ),
    apply=scale,
)
"""The same for every detector, chosen on the mini validation split alone."""
