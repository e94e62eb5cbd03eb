"""DRCT: Diffusion Reconstruction Contrastive Training (ICML 2024, PMLR 235).

Idea: send every real and every generated picture through a diffusion model that changes nothing
visible; what comes back has the content of the one and the traces of the other. A classifier
that must tell real pictures from their reconstructions, with a contrastive loss on its
embedding, learns the traces. At test time no diffusion is run.
Two detectors: a ConvNeXt-B that is trained as a whole, and two linear layers on a frozen CLIP.
Provenance: written from a description of the released code (github beibuwandeluori/DRCT,
01aa7d0), which has no licence; no line of that repository is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from baselines._backbones import CONVNEXT_B, convnext, entries
from baselines._clip import (
    INPUT_RULE,
    OPENAI,
    SIDE,
    TEXT_SIDE,
    VIT_L14,
    ClipSizes,
    image_tower,
)
from baselines._contrastive import contrastive_loss
from harness.api import (
    DetectorSpec,
    Deviation,
    InputRule,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
)

EMBEDDING = 1024
CONTRASTIVE_SHARE = 0.3  # of the loss; the rest is cross-entropy
_IGNORED = tuple(f"model.model.{name}" for name in TEXT_SIDE)


class DRCTNetwork(nn.Module):
    """A backbone (``model``) that gives 1024 numbers, and ``fc``: (N, 2) logits, real and fake."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model
        self.fc = nn.Linear(EMBEDDING, 2)

    def features(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 1024): no activation, no normalisation."""
        embedding: Tensor = self.model(x)
        return embedding

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 2) logits: real, fake."""
        logits: Tensor = self.fc(self.features(x))
        return logits


class ClipBackbone(nn.Module):
    """CLIP's image tower (``model.visual``), frozen, and ``fc`` from its embedding to 1024."""

    def __init__(self, sizes: ClipSizes) -> None:
        super().__init__()
        self.model: Any = nn.Module()
        self.model.visual = image_tower(sizes)
        self.model.requires_grad_(False)
        self.fc = nn.Linear(sizes.output, EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 1024)."""
        embedding: Tensor = self.fc(self.model.visual(x))
        return embedding


class DRCTDetector(TorchDetector):
    """DRCT; the score is the fake logit minus the real one, whose sigmoid is P(fake)."""

    network: DRCTNetwork

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 1024)."""
        return self.network.features(self.module.normalise(images))

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """0.7 of the cross-entropy, 0.3 of the contrastive loss on the embedding."""
        embeddings = self.embed(images)
        entropy = nn.functional.cross_entropy(self.network.fc(embeddings), labels.long())
        contrast = contrastive_loss(embeddings, labels)
        return (1 - CONTRASTIVE_SHARE) * entropy + CONTRASTIVE_SHARE * contrast


class DRCTClipDetector(DRCTDetector):
    """DRCT on CLIP's image tower."""

    no_places = "its network is a transformer, which scores a class token"

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly this network's entries, or the published 450, which hold the whole CLIP:
        its text side, no part of a score, is left out."""
        used = {name: value for name, value in state.items() if not name.startswith(_IGNORED)}
        super().load_state_dict(used)


def build(
    depths: tuple[int, ...] = CONVNEXT_B[0], widths: tuple[int, ...] = CONVNEXT_B[1]
) -> DRCTDetector:
    """A ConvNeXt (base unless told) with random weights."""
    return DRCTDetector(DRCTNetwork(convnext(EMBEDDING, depths, widths)))


def build_clip(sizes: ClipSizes = VIT_L14) -> DRCTClipDetector:
    """Two linear layers on a frozen image tower, random weights."""
    return DRCTClipDetector(DRCTNetwork(ClipBackbone(sizes)))


def _openai(name: str) -> str | None:
    """OpenAI's names -> those of the network here, which has no text side."""
    return f"model.model.{name}" if name.startswith("visual.") else None


CLIP = replace(OPENAI, mapping=_openai)
CONVNEXT = Weights(
    name="imagenet22k",
    filename="convnext_base.fb_in22k.safetensors",
    url="https://huggingface.co/timm/convnext_base.fb_in22k/resolve/main/model.safetensors",
    sha256="",
    licence="Apache-2.0 (timm's copy); ImageNet's terms are its own",
    trained_on="ImageNet-22k classification; nothing forensic",
    note="about 440 MB; its sha256 is not known here",
    mapping=entries(under="model.", without=("head.fc.",)),
)

DATASET = "https://modelscope.cn/datasets/BokingChen/DRCT-2M"
LICENCE = "none stated: all rights reserved by default"
SD14 = "COCO train2017, its Stable Diffusion v1 reconstructions, Stable Diffusion v1.4 pictures of "
SD2 = "COCO train2017, its Stable Diffusion 2 reconstructions, Stable Diffusion 2 pictures of "


def _member(name: str, member: str, trained_on: str, size: str) -> Weights:
    """One of the six files of ``pretrained.zip``, whose own names tell them apart badly."""
    return Weights(
        name=name,
        filename=f"drct_{name}.pth",
        url=DATASET,
        sha256="",
        licence=LICENCE,
        trained_on=trained_on,
        note=f"about {size}: {member} in the data set's pretrained.zip; take it out by hand and "
        "name it so (sizes and hashes are not known here)",
    )


DEVIATIONS = (
    Deviation(
        what="training set",
        paper="real pictures, generated ones, and reconstructions of both, by a Stable Diffusion "
        "inpainting model with an empty mask",
        code="50 steps, guidance 7.5, empty prompt, centre crop to at most 1024; real to fake is "
        "1 to 3; reals are JPEG files and reconstructions PNG",
        here="nothing is reconstructed here: the recipe is run on the images that it is given",
    ),
    Deviation(
        what="rate",
        paper="-",
        code="a cosine of 5 epochs over 17: it falls to 0, rises again and falls again",
        here="half a cosine over all epochs",
    ),
    Deviation(
        what="augmentation",
        paper="-",
        code="also scaling by 0.5 to 1.5, noise, blur, quarter turns, colours, dropped squares, "
        "grey, shift and rotation by up to 10 degrees",
        here="JPEG, flip and random crop",
    ),
    Deviation(
        what="crop",
        paper="not described",
        code="albumentations: an odd remainder's half is rounded down; torchvision rounds it to "
        "even. Without --is_crop (the default) the longest side is scaled to 224 instead, which "
        "no published number does",
        here="rounded down: center_crop_floor(224)",
    ),
    Deviation(
        what="normalisation of the CLIP variant",
        paper="not described",
        code="ImageNet's mean and deviation on a CLIP tower",
        here="as the code",
    ),
    Deviation(
        what="unreadable pictures",
        paper="-",
        code="become a black picture labelled real: a broken fake counts as a correct real",
        here="refused by name, or counted apart",
    ),
    Deviation(
        what="--embedding_size",
        paper="-",
        code="its default is a network of two outputs, which the published files do not fit; "
        "--is_test of the contrastive script crashes",
        here="1024, as the published files",
    ),
    Deviation(
        what="stable-diffusion-inpainting of DRCT-2M",
        paper="one of 16 test generators",
        code="README names the same folder as the reconstructions of the training's reals",
        here="its row is not one of an unseen generator",
    ),
    Deviation(
        what="average over flips and quarter turns",
        paper="-",
        code="in the script, switched off",
        here="not here",
    ),
)
CITATION = (
    "Chen, Zeng, Yang, Yang, DRCT: Diffusion Reconstruction Contrastive Training towards "
    "Universal Detection of Diffusion Generated Images, ICML 2024, PMLR 235:7621-7639"
)
GEOMETRY = {"*": f"center_crop_floor({SIDE})"}
RECIPE = Recipe(
    epochs=17,
    batch_size=128,
    lr=1e-4,
    optimiser="adamw",
    weight_decay=4e-5,
    schedule="cosine",
    monitor="val_acc",
    keep="best",
    start=CONVNEXT.name,
    train_preprocess=f"jpeg(0.5,30,100)|hflip(0.5)|pad_for_crop({SIDE})|random_crop({SIDE})",
    val_preprocess=GEOMETRY["*"],
    source="scripts/train_contrastive.py and README of DRCT 01aa7d0",
)

SPEC = DetectorSpec(
    name="drct",
    title="DRCT (ConvNeXt-B)",
    family="reconstruction",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry=GEOMETRY,
    input_rule=InputRule(smallest=(32, 32)),
    evaluation_size=(SIDE, SIDE),
    weights=(
        _member(
            "convnext-sdv14",
            "DRCT-2M/sdv14/convnext_base_in22k_224_drct_amp_crop/14_acc0.9996.pth",
            f"{SD14}DRCT-2M",
            "354 MB",
        ),
        _member(
            "convnext-sdv2",
            "DRCT-2M/sdv2/convnext_base_in22k_224_drct_amp_crop/16_acc0.9993.pth",
            f"{SD2}DRCT-2M",
            "354 MB",
        ),
        _member(
            "convnext-genimage",
            "GenImage/sdv14/convnext_base_in22k_224_drct_amp_crop/last_acc0.9991.pth",
            "GenImage: nature, Stable Diffusion v1.4, reconstructions of both",
            "354 MB",
        ),
    ),
    recipe=RECIPE,
    pretrained=(CONVNEXT,),
    citation=CITATION,
    deviations=DEVIATIONS,
    notes="Smallest 32x32; the published geometry gives 224x224, black around smaller pictures.",
)

CLIP_SPEC = DetectorSpec(
    name="drct-clip",
    title="DRCT (CLIP)",
    family="clip",
    build=build_clip,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry=GEOMETRY,
    input_rule=INPUT_RULE,
    evaluation_size=(SIDE, SIDE),
    weights=(
        _member(
            "clip-sdv14",
            "DRCT-2M/sdv14/clip-ViT-L-14_224_drct_amp_crop/13_acc0.9664.pth",
            f"{SD14}DRCT-2M",
            "1.7 GB",
        ),
        _member(
            "clip-sdv2",
            "DRCT-2M/sdv2/clip-ViT-L-14_224_drct_amp_crop/last_acc0.9112.pth",
            f"{SD2}DRCT-2M",
            "1.7 GB",
        ),
        _member(
            "clip-genimage",
            "GenImage/sdv14/clip-ViT-L-14_224_drct_amp_crop/2_acc0.9558.pth",
            "GenImage: nature, Stable Diffusion v1.4, reconstructions of both",
            "1.7 GB",
        ),
    ),
    recipe=replace(RECIPE, batch_size=512, start=CLIP.name),
    pretrained=(CLIP,),
    needs_pretrained=True,
    requires=("clip",),
    citation=CITATION,
    deviations=DEVIATIONS,
    notes="224x224 only. The paper's UnivFD row. The published files hold all of CLIP; of its "
    "parameters 789,506 are trained. Training starts from OpenAI's ViT-L-14.pt (about 0.9 GB).",
)
