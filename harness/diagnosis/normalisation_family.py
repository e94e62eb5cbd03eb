"""Another input normalisation than the detector's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from harness.api import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Normalised
from harness.api.network import Statistic
from harness.diagnosis.changes import blueprint, normalised, normalised_twice
from harness.diagnosis.condition import Absent, Condition, RowFacts, View

ON_CLIP = (
    "github beibuwandeluori/DRCT and Michel-liu/FatFormer: ImageNet's statistics on a CLIP tower; "
    "github roy-ch/Dual-Data-Alignment: CLIP's on DINOv2"
)

KNOWN: dict[str, tuple[Statistic, Statistic, str, str]] = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD, "ImageNet's mean and deviation", ON_CLIP),
    "clip": (CLIP_MEAN, CLIP_STD, "CLIP's mean and deviation", ON_CLIP),
    "half": (0.5, 0.5, "mean 0.5 and deviation 0.5: [-1, 1]", ""),
    "none": (0.0, 1.0, "none: [0, 1] as it is", ""),
    "0 to 255": (0.0, 1 / 255, "none: 0 to 255", ""),
}
"""Name -> mean, deviation, in words, where it was seen."""


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """Every normalisation of :data:`KNOWN` but the detector's own, and its own twice."""
    module = getattr(blueprint(about.spec, about.variant), "module", None)
    if not isinstance(module, Normalised):
        why = f"{about.spec.name} has no input normalisation of mean and deviation"
        yield Absent(name="normalise(...)", family="normalisation", why=why)
        return
    own = module.statistics
    name = next((name for name, known in KNOWN.items() if equal(known[:2], own)), f"{own}")
    for other, (mean, std, words, seen) in KNOWN.items():
        if other == name:
            continue
        yield Condition(
            name=f"normalise({other})",
            family="normalisation",
            changes=f"the network is given {words}; its own is {name}.",
            act=View(variation=f"normalise({other})", change=normalised(mean, std)),
            do=f"Normalise as {about.spec.name} does: mean {own[0]}, deviation {own[1]}.",
            seen=seen,
        )
    if name != "none":
        yield Condition(
            name="normalise(twice)",
            family="normalisation",
            changes="pictures are normalised twice, as where loader and network both do it.",
            act=View(variation="normalise(twice)", change=normalised_twice()),
            do="Normalise in one place.",
        )


def equal(one: tuple[Statistic, Statistic], two: tuple[Statistic, Statistic]) -> bool:
    """Whether (mean, deviation) are those of the other, channel by channel."""
    return all(
        x == y for a, b in zip(one, two, strict=True) for x, y in zip_longest(_three(a), _three(b))
    )


def _three(value: Statistic) -> tuple[float, ...]:
    return (value,) * 3 if isinstance(value, float | int) else tuple(value)
