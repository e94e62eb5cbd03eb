"""Faults of the network's input, mode, precision and weights, in plain torch."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from harness.diagnosis.planted.detectors import HALF, IMAGENET, Convolutions, Kind, Small, built
from harness.diagnosis.planted.planter import Planter
from harness.diagnosis.planted.world import (
    Picture,
    PlantedFault,
    PlantedLook,
    Values,
    forward,
    normal,
    published_shape,
    tensor,
)

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
NONE = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
STATISTICS = {"imagenet": IMAGENET, "clip": CLIP, "half": HALF, "none": NONE}
ANOTHER_DRAW = 4321

Run = Callable[[Small, list[Tensor]], Values]


def normalised(name: str) -> PlantedFault:
    """Other statistics, none, 0 to 255, or the detector's own twice."""

    def by(image: Tensor, kind: Kind) -> Tensor:
        if name == "twice":
            return normal(normal(image, kind), kind)
        if name == "0 to 255":
            return image * 255
        mean, std = (torch.tensor(part).view(3, 1, 1) for part in STATISTICS[name])
        return (image - mean) / std

    return PlantedFault(look=PlantedLook(normal=by))


def in_batches(network: Convolutions, inputs: list[Tensor], batch: int) -> Values:
    """Scores in order, so many at a time, the last batch smaller."""
    found = []
    with torch.no_grad():
        for start in range(0, len(inputs), batch):
            found.append(network(torch.stack(inputs[start : start + batch])).flatten().double())
    return torch.cat(found).numpy()


def mode(norms: bool, drops: bool, batch: int) -> Run:
    """Some of the layers are in training mode."""

    def run(small: Small, inputs: list[Tensor]) -> Values:
        network = copy.deepcopy(small.network)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.training = norms
            elif isinstance(layer, nn.Dropout):
                layer.training = drops
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(ANOTHER_DRAW)
            return in_batches(network, inputs, batch)

    return run


def norms_in_training(batch: str) -> PlantedFault:
    """Batch norms use the batch's statistics."""
    return PlantedFault(look=PlantedLook(run=mode(True, False, int(batch))))


def all_in_training(batch: str) -> PlantedFault:
    """``eval()`` was not called."""
    return PlantedFault(look=PlantedLook(run=mode(True, True, int(batch))))


def dropping() -> PlantedFault:
    """Dropout is on."""
    return PlantedFault(look=PlantedLook(run=mode(False, True, 1)))


TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}


def autocast(name: str) -> PlantedFault:
    """Torch's mixed precision."""

    def run(small: Small, inputs: list[Tensor]) -> Values:
        with torch.autocast("cpu", dtype=TYPES[name]):
            return in_batches(small.network, inputs, 1)

    return PlantedFault(look=PlantedLook(run=run))


def weights_in(name: str) -> PlantedFault:
    """All arithmetic in another type, that of the normalisation too."""
    kind_of = TYPES[name]

    def by(image: Tensor, kind: Kind) -> Tensor:
        mean, std = (torch.tensor(part).view(3, 1, 1).to(kind_of) for part in kind.statistics)
        return (image.to(kind_of) - mean) / std

    def run(small: Small, inputs: list[Tensor]) -> Values:
        return in_batches(copy.deepcopy(small.network).to(kind_of), inputs, 1)

    return PlantedFault(look=PlantedLook(normal=by, run=run))


def turned(which: str) -> PlantedFault:
    """Mirror images, and the means over them and over quarter turns."""

    def shape(picture: Picture, kind: Kind) -> list[Tensor]:
        (image,) = published_shape(picture, kind)
        mirrored = image.flip(2)
        if which == "flipped":
            return [mirrored]
        turns = range(1 if which == "mean of both flips" else 4)
        return [torch.rot90(each, turn, (1, 2)) for turn in turns for each in (image, mirrored)]

    return PlantedFault(look=PlantedLook(shape=shape))


def crops(of: str, count: str, side: str) -> PlantedFault:
    """Corners and middle, and the same of the mirror image; smaller pictures stay as they are."""
    edge = int(side)

    def shape(picture: Picture, kind: Kind) -> list[Tensor]:
        image = tensor(picture)
        down, right = image.shape[1] - edge, image.shape[2] - edge
        if min(down, right) < 0:
            return published_shape(picture, kind)
        places = [(0, 0), (0, right), (down, 0), (down, right)]
        places.append((round(down / 2), round(right / 2)))
        seen = [image, image.flip(2)][: int(count) // 5]
        return [each[:, y : y + edge, x : x + edge] for each in seen for y, x in places]

    return PlantedFault(
        look=PlantedLook(shape=shape, mean=_mean_probability if of == "probabilities" else None)
    )


def _mean_probability(logits: Values) -> float:
    share = np.mean(1 / (1 + np.exp(-np.clip(logits, -700, 700))))
    share = np.clip(share, 1e-300, 1 - 1e-16)
    return float(np.log(share / (1 - share)))


def at_random(part: str) -> PlantedFault:
    """Some weights are as a new network has them."""

    def run(small: Small, inputs: list[Tensor]) -> Values:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(ANOTHER_DRAW)
            network = built(small.kind)
        state = {
            name: value
            for name, value in small.network.state_dict().items()
            if part != "all" and name.startswith("fc1.") == (part == "all but the head")
        }
        network.load_state_dict(state, strict=False)
        return forward(network.eval(), inputs)

    return PlantedFault(look=PlantedLook(run=run))


def other_weights(label: str) -> PlantedFault:
    """Another checkpoint."""
    return PlantedFault(
        look=PlantedLook(run=lambda small, inputs: forward(small.others[label], inputs))
    )


PLANTERS = tuple(
    Planter(family=family, pattern=pattern, make=make)
    for family, pattern, make in (
        ("normalisation", r"normalise\((.*)\)", normalised),
        ("network", r"batch_norm\((\d+)\)", norms_in_training),
        ("network", r"eval\(\) not called\((\d+)\)", all_in_training),
        ("network", r"dropout", dropping),
        ("network", r"autocast\((bf16|fp16)\)", autocast),
        ("network", r"weights\((bf16|fp16|fp64)\)", weights_in),
        ("network", r"(flipped|mean of both flips|mean of flips and quarter turns)", turned),
        ("network", r"mean of (logits|probabilities) of (5|10) crops\((\d+)\)", crops),
        ("network", r"at random\((all|head|all but the head)\)", at_random),
        ("weights", r"weights\((earlier)\)", other_weights),
    )
)
