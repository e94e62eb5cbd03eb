"""DDA: Dual Data Alignment (NeurIPS 2025, arXiv 2505.14359).

Idea: a fake that is a photograph sent through an auto-encoder differs from it in nothing but the
auto-encoder's traces: content, size and, re-encoded, JPEG quality are the same. What is trained
on such pairs is ordinary: DINOv2 with low-rank updates and one linear unit.
Provenance: written from a description of the released code (github
roy-ch/Dual-Data-Alignment, 21f1e39, and facebookresearch/dinov2, b8931f7); no line of these
repositories is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines._clip import CLIP_MEAN, CLIP_STD
from baselines._contrastive import contrastive_loss
from baselines._dinov2 import PATCH, VIT_L14, VIT_L14_REGULAR, DinoSizes, DinoTransformer
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
)

SIDE = 336
RANK, ALPHA = 8, 1.0
CONTRASTIVE_SHARE = 0.5  # of the loss; the rest is binary cross-entropy
FRONT = "base_model.model."


class LowRank(nn.Module):
    """The two matrices of an update; the second starts at 0."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.lora_A = nn.Parameter(torch.randn(RANK, given) * RANK**-0.5)
        self.lora_B = nn.Parameter(torch.zeros(made, RANK))

    def forward(self, x: Tensor) -> Tensor:
        """(..., given) -> (..., made), scaled by alpha / rank."""
        small = nn.functional.linear(x, self.lora_A)
        return nn.functional.linear(small, self.lora_B) * (ALPHA / RANK)


class UpdatedLinear(nn.Module):
    """A frozen linear layer and its low-rank update."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.original_layer = nn.Linear(given, made)
        self.lora = LowRank(given, made)

    def forward(self, x: Tensor) -> Tensor:
        """(..., given) -> (..., made)."""
        output: Tensor = self.original_layer(x) + self.lora(x)
        return output


class DDANetwork(nn.Module):
    """DINOv2 with updates (``base_model.model``) and one linear unit (``base_model.fc``)."""

    def __init__(self, sizes: DinoSizes, by_size: bool) -> None:
        super().__init__()
        self.base_model: Any = nn.Module()
        self.base_model.model = DinoTransformer(sizes, UpdatedLinear, by_size)
        self.base_model.fc = nn.Linear(sizes.width, 1)
        nn.init.normal_(self.base_model.fc.weight, std=0.02)
        nn.init.zeros_(self.base_model.fc.bias)
        for name, parameter in self.base_model.model.named_parameters():
            parameter.requires_grad_(".lora." in name)

    def features(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 1024), the class token."""
        feature: Tensor = self.base_model.model(x)
        return feature

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 1) logits."""
        logits: Tensor = self.base_model.fc(self.features(x))
        return logits


class DDADetector(TorchDetector):
    """DDA, under CLIP's normalisation although DINOv2 was trained under ImageNet's."""

    network: DDANetwork
    no_places = "its network is a transformer, which scores a class token"

    def __init__(self, network: DDANetwork) -> None:
        super().__init__(network, mean=CLIP_MEAN, std=CLIP_STD)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 1024)."""
        return self.network.features(self.module.normalise(images))

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Half binary cross-entropy, half the contrastive loss on the class token."""
        features = self.embed(images)
        logits = self.network.base_model.fc(features).flatten()
        entropy = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        contrast = contrastive_loss(features, labels)
        return (1 - CONTRASTIVE_SHARE) * entropy + CONTRASTIVE_SHARE * contrast

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes DINOv2's published entries; updates and head stay as they are."""
        super().start_from({_updated(name): value for name, value in state.items()})


_LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def _updated(name: str) -> str:
    """DINOv2's names -> those of the network here."""
    layer, _, kind = name.rpartition(".")
    inner = f"{layer}.original_layer.{kind}" if layer.endswith(_LAYERS) else name
    return FRONT + inner


def build(sizes: DinoSizes = VIT_L14, by_size: bool = False) -> DDADetector:
    """A detector with random weights; only the updates and the head learn.

    Args:
        sizes: of the network.
        by_size: of the table of positions, see ``baselines._dinov2.resampled``.
    """
    return DDADetector(DDANetwork(sizes, by_size))


DEVIATIONS = (
    Deviation(
        what="training set",
        paper="photographs, and the same through Stable Diffusion 2.1's auto-encoder, aligned in "
        "pixels and in frequencies",
        code="COCO train2017, latent sampled, output cut off to whole levels; the frequency mix "
        "blends all coefficients by one factor, which is a blend of pixels (1 level apart)",
        here="no auto-encoder: the recipe is run on the images that it is given",
    ),
    Deviation(
        what="batch",
        paper="-",
        code="two pairs, each also scaled down and up, under one draw of the augmentation: 12 "
        "pictures, 4 batches a step",
        here="48 pictures a step, each under its own draw",
    ),
    Deviation(
        what="augmentation",
        paper="-",
        code="also vertical flips, noise, pepper, other blurs, sharpening, colours and grey",
        here="JPEG, flip and random crop",
    ),
    Deviation(
        what="rate",
        paper="-",
        code="a cosine of 1,000 steps to 1e-7 and up again, one epoch",
        here="half a cosine over the epoch",
    ),
    Deviation(
        what="what learns",
        paper="updates and head",
        code="the list that the optimiser gets holds every update twice, so that it steps twice, "
        "and the head not at all; whether the published file was made so is not known",
        here="each update once, and the head",
    ),
    Deviation(
        what="table of positions",
        paper="-",
        code="DINOv2's: bicubic, not smoothed, scale (24 + 0.1) / 37. timm and transformers "
        "resample by size, which moves logits by 175 times the tolerance",
        here="as the code",
    ),
    Deviation(
        what="normalisation",
        paper="-",
        code="CLIP's mean and deviation on DINOv2, which was trained under ImageNet's",
        here="as the code",
    ),
    Deviation(
        what="small pictures",
        paper="-",
        code="never enlarged: what 336x336 lacks is black, before the normalisation, so that a "
        "256x256 picture is a frame of black around it",
        here="as the code",
    ),
    Deviation(
        what="test protocol",
        paper="fakes of GenImage, ForenSynths and AIGCDetectBenchmark as JPEG of quality 96",
        code="no evaluation script; issue #15 reports 94.4 on EvalGEN where 97.2 is printed",
        here="pictures as they are, unless --perturb says otherwise",
    ),
    Deviation(
        what="published file",
        paper="-",
        code="an older one, on ModelScope, gives other scores than the paper's; it is deprecated",
        here="the current one, by its sha256",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="positions by size",
        deviation="table of positions",
        options={"by_size": True},
        seen="timm's and transformers' DINOv2",
    ),
    Behaviour(
        name="the deprecated file",
        deviation="published file",
        absent="it is on ModelScope and not registered: where you have it, --method dda:FILE",
    ),
)

SPEC = DetectorSpec(
    name="dda",
    title="DDA",
    family="reconstruction",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": f"center_crop({SIDE})"},
    input_rule=InputRule(smallest=(PATCH, PATCH), multiple_of=PATCH),
    evaluation_size=(SIDE, SIDE),
    weights=(
        Weights(
            name="released",
            filename="DDA_ckpt.pth",
            url="https://huggingface.co/Junwei-Xi/Dual-Data-Alignment/resolve/"
            "4390d9023899196b437480bb6a441915ef5d816c/DDA_ckpt.pth",
            sha256="b27a31d39374803ddeff02bfabb2be76e190b04300490cddfafb24f683f37e3e",
            size=1_255_621_296,
            licence="Apache-2.0",
            trained_on="COCO train2017 and the same through Stable Diffusion 2.1's auto-encoder",
            note="holds DINOv2 too; its size is a third party's statement",
        ),
    ),
    recipe=Recipe(
        epochs=1,
        batch_size=48,
        lr=1e-4,
        optimiser="adamw",
        schedule="cosine",
        min_lr=1e-7,
        start=VIT_L14_REGULAR.name,
        train_preprocess=f"jpeg(0.15,55,100)|hflip(0.5)|pad_for_crop({SIDE})|random_crop({SIDE})",
        val_preprocess=f"center_crop({SIDE})",
        source="Training/ of Dual-Data-Alignment 21f1e39",
    ),
    pretrained=(VIT_L14_REGULAR,),
    needs_pretrained=True,
    citation="Chen, Xi, Yan et al., Dual Data Alignment Makes AI-Generated Image Detector Easier "
    "Generalizable, NeurIPS 2025, arXiv 2505.14359",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="About 1.2 GB of memory. Sides are multiples of 14; only 336x336 is official. The "
    "published file is complete; 3,146,753 of its parameters are trained.",
)
