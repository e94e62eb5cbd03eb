"""What the network does otherwise: modes, precision, crops, weights at random, deviations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.api import Behaviour, HasModule, HasState
from harness.diagnosis import changes
from harness.diagnosis.condition import Absent, Change, Condition, RowFacts, View

CROP = 224
"""Side of a crop where the published geometry crops none, pixels."""

BATCHES = (1, 8, 16, 32, 64, 128)
TRAINING_BATCHES = (1, 16, 32, 64)

NOT_EVAL = "call model.eval() before scoring."
HALVES = "score in float32, as the published numbers are made."
FERRETNET = "github xigua7105/FerretNet: mixed precision is on in the released test configuration"
RINE = "github mever-team/rine: the tower runs in float16 on CUDA"
TEN_CROPS = "github mever-team/rine: ten crops on Synthbuster, the mean of their logits"
DRCT = "github beibuwandeluori/DRCT: a mean over flips and quarter turns, switched off"
MODULE = (
    "github YZY-stack/Effort-AIGI-Detection: demo.py loads without strictness and prints success"
)
MISSING = "github mever-team/rine: loads entry by entry; a missing one stays random"


@dataclass(frozen=True, kw_only=True)
class NetworkEntry:
    """A row of the tables below; ``make(name)`` is its change."""

    name: str
    changes: str
    make: Callable[[str], Change]
    do: str
    seen: str = ""
    kin: str = ""
    random: bool = False
    batch: int = 0

    def condition(self, preprocess: str = "") -> Condition:
        """The row as a condition."""
        view = View(
            preprocess=preprocess,
            variation=self.name,
            change=self.make(self.name),
            batch=self.batch,
        )
        return Condition(
            name=self.name,
            family="network",
            changes=self.changes,
            act=view,
            do=self.do,
            seen=self.seen,
            kin=self.kin,
            random=self.random,
        )


PRECISIONS = (
    NetworkEntry(
        name="autocast(fp16)",
        changes="mixed precision in float16.",
        make=lambda name: changes.autocast(name, torch.float16),
        do=HALVES,
        seen=FERRETNET,
        kin="half precision",
    ),
    NetworkEntry(
        name="weights(bf16)",
        changes="weights and pictures are bfloat16.",
        make=lambda name: changes.weights_in(name, torch.bfloat16),
        do=HALVES,
        kin="half precision",
    ),
    NetworkEntry(
        name="weights(fp16)",
        changes="weights and pictures are float16, as by model.half().",
        make=lambda name: changes.weights_in(name, torch.float16),
        do=HALVES,
        seen=RINE,
        kin="half precision",
    ),
    NetworkEntry(
        name="weights(fp64)",
        changes="weights and pictures are float64.",
        make=lambda name: changes.weights_in(name, torch.float64),
        do="score in float32; where float64 moves a number, scores lie on the threshold.",
    ),
)


EXACT_GELU = NetworkEntry(
    name="exact GELU",
    changes="the tower has the exact GELU in place of OpenAI's QuickGELU.",
    make=lambda name: changes.exact_gelu,
    do="build OpenAI's towers with QuickGELU (open_clip: the models ending in -quickgelu).",
    seen="github grip-unina/ClipBased-SyntheticImageDetection: both have the same names, and a "
    "file loads into either",
)


def _same(images: Tensor) -> Tensor:
    return images


def _flip(images: Tensor) -> Tensor:
    return images.flip(3)


VIEWS = (
    NetworkEntry(
        name="flipped",
        changes="every picture is mirrored.",
        make=lambda name: changes.seen_as(name, _flip),
        do="do not flip test images: flips belong to the training's augmentation.",
    ),
    NetworkEntry(
        name="mean of both flips",
        changes="a score is the mean over the picture and its mirror image.",
        make=lambda name: changes.seen_as(name, _same, _flip),
        do="score the picture as it is.",
        seen=DRCT,
        kin="test-time views",
    ),
    NetworkEntry(
        name="mean of flips and quarter turns",
        changes="a score is the mean over four quarter turns of the picture and of its mirror "
        "image.",
        make=lambda name: changes.seen_as(name, *map(_turned, range(8))),
        do="score the picture as it is.",
        seen=DRCT,
        kin="test-time views",
    ),
)


def _turned(number: int) -> Callable[[Tensor], Tensor]:
    def view(images: Tensor) -> Tensor:
        return (images.flip(3) if number >= 4 else images).rot90(number % 4, (2, 3))

    return view


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """What can be tried of the detector's network, and which of its deviations cannot."""
    yield from _behaviours(about)
    blueprint = changes.blueprint(about.spec, about.variant)
    if not isinstance(blueprint, HasModule):
        yield _absent("network", f"{about.spec.name} is no torch network")
        return
    yield from _modes(blueprint)
    yield from _precisions()
    if any(map(changes.is_quick, blueprint.module.modules())):
        yield EXACT_GELU.condition()
    for entry in VIEWS:
        yield entry.condition()
    yield from _crops(about)
    yield from _at_random(about, blueprint)


def _absent(name: str, why: str) -> Absent:
    return Absent(name=name, family="network", why=why)


def _modes(blueprint: Any) -> Iterator[Condition | Absent]:
    modules = list(blueprint.module.modules())
    norms = any(map(changes.is_norm, modules))
    draws = any("drop" in type(module).__name__.lower() for module in modules)
    if not norms:
        yield _absent("batch_norm(...)", "it has no batch norm")
    for batch in BATCHES if norms else ():
        yield NetworkEntry(
            name=f"batch_norm({batch})",
            changes=f"batch norms are in training mode, in batches of {batch}: they take the "
            "batch's own statistics.",
            make=lambda name, batch=batch: changes.batch_norm(name, batch),  # type: ignore[misc]
            do=NOT_EVAL,
            kin="eval() not called",
            batch=batch,
        ).condition()
    if not draws:
        yield _absent("dropout", "it has no dropout")
        return
    for batch in TRAINING_BATCHES if norms else ():
        yield NetworkEntry(
            name=f"eval() not called({batch})",
            changes=f"all of the network is in training mode, in batches of {batch}: batch norms "
            "and dropout.",
            make=lambda name, batch=batch: changes.training_mode(name, batch),  # type: ignore[misc]
            do=NOT_EVAL,
            kin="eval() not called",
            random=True,
            batch=batch,
        ).condition()
    yield NetworkEntry(
        name="dropout",
        changes="dropout, and whatever else draws in training, is on; batch norms are not.",
        make=changes.dropout,
        do=NOT_EVAL,
        random=True,
    ).condition()


def _precisions() -> Iterator[Condition]:
    yield Condition(
        name="autocast(bf16)",
        family="network",
        changes="mixed precision in bfloat16.",
        act=View(precision="bf16"),
        do=HALVES,
        kin="half precision",
    )
    for entry in PRECISIONS:
        yield entry.condition()


def _crops(about: RowFacts) -> Iterator[Condition | Absent]:
    """In place of a last centre crop, or of what the geometry gives."""
    rule, kind = about.spec.input_rule, about.spec.score.kind
    before, _, last = about.geometry.rpartition("|")
    cropped = re.fullmatch(r"center_crop(?:_floor)?\((\d+)\)", last)
    side = int(cropped[1]) if cropped else CROP
    if rule.problem(side, side) or (not cropped and rule.problem(side + 32, side + 32)):
        why = f"{about.spec.name} takes no crop of {side}x{side} of what {about.geometry} gives"
        yield _absent("five and ten crops", why)
        return
    means: dict[str, Callable[[Tensor], Tensor]] = {}
    means["scores" if kind != "logit" else "logits"] = changes.mean_of_scores
    if kind == "logit":
        means["probabilities"] = changes.mean_of_probabilities
    for count in (5, 10):
        for of, mean in means.items():
            yield NetworkEntry(
                name=f"mean of {of} of {count} crops({side})",
                changes=f"a score is the mean of the {of} of {count} crops of {side} pixels: "
                f"corners and middle{', and of the mirror image' if count == 10 else ''}.",
                make=lambda name, ten=count == 10, mean=mean: changes.crops(  # type: ignore[misc]
                    name, side, ten=ten, mean=mean, pad=bool(cropped)
                ),
                do=f"score what {about.geometry} gives.",
                seen=TEN_CROPS if count == 10 and of != "probabilities" else "",
                kin=f"{count} crops",
            ).condition(preprocess=(before or "native") if cropped else "")


def _at_random(about: RowFacts, blueprint: Any) -> Iterator[Condition | Absent]:
    state = blueprint.state_dict() if isinstance(blueprint, HasState) else {}
    if not state:
        yield _absent("keys at random", "it has no weights")
        return
    head = changes.head(state)
    parts: dict[str, tuple[Callable[[str], bool], str]] = {"all": (lambda name: True, MODULE)}
    if head:
        parts["head"] = (lambda name: name.startswith(head), MISSING)
        parts["all but the head"] = (lambda name: not name.startswith(head), "")
    else:
        yield _absent("at random(head)", "it has no last layer of one or two outputs")
    spec, options = about.spec, about.spec.variants.get(about.variant, {})
    for part, (random, seen) in parts.items():
        yield NetworkEntry(
            name=f"at random({part})",
            changes=f"names in the file did not match, and nothing said so: {part} of the weights "
            "as a new network has it.",
            make=lambda name, random=random: changes.at_random(spec, options, random),  # type: ignore[misc]
            do="load strictly: load_state_dict(state, strict=True), without a prefix `module.`.",
            seen=seen,
            random=True,
        ).condition()


def _behaviours(about: RowFacts) -> Iterator[Condition | Absent]:
    spec = about.spec
    own = spec.variants.get(about.variant, {})
    here = {deviation.what: deviation.here for deviation in spec.deviations}
    for behaviour in spec.behaviours:
        options = {**own, **behaviour.options}
        if behaviour.absent:
            yield _absent(behaviour.name, behaviour.absent)
        elif options != own:
            yield _behaviour(behaviour, options, here[behaviour.deviation], spec.name)


def _behaviour(
    behaviour: Behaviour, options: dict[str, object], here: str, detector: str
) -> Condition:
    source = f"the deviations of {detector}: {behaviour.deviation}"
    return Condition(
        name=behaviour.name,
        family="network",
        changes=f"{behaviour.deviation}: {behaviour.name}.",
        act=View(variation=behaviour.name, options=options),
        do=f"here: {here}.",
        seen=f"{behaviour.seen}; {source}" if behaviour.seen else source,
        random=behaviour.random,
        applies=detector,
    )
