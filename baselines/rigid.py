"""RIGID: representation sensitivity to tiny noise (arXiv 2405.20112); nothing is trained.

Idea: a little noise moves a photograph's embedding less than a generated picture's. The score is
how unlike DINOv2's embeddings of the picture and of its noisy copy are.
Provenance: written from a description of two public ports that quote the authors' notebook
(IBM/RIGID, which could not be had), and of DINOv2's code (github facebookresearch/dinov2,
b8931f7); no line of these is copied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines._dinov2 import VIT_L14, VIT_L14_REGULAR, DinoSizes, DinoTransformer
from harness.api import Behaviour, DetectorSpec, Deviation, InputRule, ScoreSpec, TorchDetector

SIDE = 224
STRENGTH = 0.05  # of the noise, on the scale of normalised pictures
SEED = 0
CALIBRATED = 0.96985  # a third party's similarity below which a picture is fake; none is published


def fixed_noise(seed: int = SEED) -> Tensor:
    """(3, 224, 224): the standard normal noise that every picture gets here."""
    return torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


class RigidNetwork(DinoTransformer):
    """DINOv2 twice; normalised (N, 3, 224, 224) -> (N,), minus the similarity."""

    noise: Tensor

    def __init__(self, sizes: DinoSizes, seed: int, by_size: bool) -> None:
        super().__init__(sizes, by_size=by_size)
        with torch.device("cpu"):  # a generator's numbers, not a place's
            noise = fixed_noise(seed)
        self.register_buffer("noise", noise, persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 1024), the class token."""
        return super().forward(x)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N,): larger where noise moves the embedding more."""
        noisy = self.features(x + STRENGTH * self.noise)
        return -nn.functional.cosine_similarity(self.features(x), noisy, dim=1)


class RigidDetector(TorchDetector):
    """RIGID, under ImageNet's normalisation."""

    network: RigidNetwork
    no_places = "its network is a transformer, which scores a class token"

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) in [0, 1] -> (N, 1024), without noise."""
        return self.network.features(self.module.normalise(images))


def build(sizes: DinoSizes = VIT_L14, seed: int = SEED, by_size: bool = False) -> RigidDetector:
    """A detector with random weights.

    Args:
        sizes: of the network.
        seed: of the noise.
        by_size: of the table of positions, see ``baselines._dinov2.resampled``.
    """
    return RigidDetector(RigidNetwork(sizes, seed, by_size))


DEVIATIONS = (
    Deviation(
        what="noise",
        paper="gaussian noise",
        code="one new draw for every batch: scores are random, and others on a GPU. It is added "
        "after the normalisation, where 0.05 is about 0.0115 of the range of intensities",
        here="one draw (seed 0, on the CPU) for all pictures, on the same scale",
    ),
    Deviation(
        what="threshold",
        paper="-",
        code="none: the 5th percentile of real similarities is hinted at, and not used",
        here="similarity 0.96985, which a third party calibrated; accuracies here follow from it",
    ),
    Deviation(
        what="direction of AP",
        paper="-",
        code="reals are the positive class",
        here="fakes are, as everywhere here; both are in no table together",
    ),
    Deviation(
        what="images of a set",
        paper="-",
        code="at most 2,000 of each, shuffled",
        here="all images, or --limit N, recorded",
    ),
    Deviation(
        what="table of positions",
        paper="-",
        code="DINOv2's hub model: bicubic, not smoothed, scale (16 + 0.1) / 37; timm and "
        "transformers resample by size, which is another similarity",
        here="as the hub model",
    ),
    Deviation(
        what="source",
        paper="-",
        code="IBM/RIGID is one notebook, known here by two ports that agree line for line",
        here="faithful to them, second-hand",
    ),
)

BEHAVIOURS = (
    Behaviour(name="noise of seed 1", deviation="noise", options={"seed": 1}, random=True),
    Behaviour(name="noise of seed 2", deviation="noise", options={"seed": 2}, random=True),
    Behaviour(
        name="positions by size",
        deviation="table of positions",
        options={"by_size": True},
        seen="timm's and transformers' DINOv2",
    ),
)

SPEC = DetectorSpec(
    name="rigid",
    title="RIGID",
    family="training-free",
    build=build,
    score=ScoreSpec(kind="uncalibrated", threshold=-CALIBRATED),
    geometry={"*": f"resize({SIDE},{SIDE})"},
    input_rule=InputRule.only(SIDE, f"its noise is {SIDE}x{SIDE}, as its pictures are"),
    evaluation_size=(SIDE, SIDE),
    weights=(VIT_L14_REGULAR,),
    citation="He, Chen, Ho, RIGID: A Training-Free and Model-Agnostic Framework for Robust "
    "AI-Generated Image Detection, 2024, arXiv 2405.20112",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="224x224 only. No weights of its own: DINOv2 ViT-L/14 (about 1.2 GB), two passes a "
    "picture. The score is minus the similarity of the two embeddings.",
)
