"""OpenAI's CLIP ViT-L/14 as detectors use it: the towers, the weights file, a linear head.

The networks are open_clip's (extra ``clip``; entry names equal OpenAI's). open_clip is imported
when a network is built, and nothing is ever downloaded by it: the one file that OpenAI publishes
is :data:`OPENAI`, which the harness finds, checks and reads.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from baselines._backbones import entries
from harness.api import CLIP_MEAN as CLIP_MEAN
from harness.api import CLIP_STD as CLIP_STD
from harness.api import InputRule, TorchDetector, Weights
from harness.api.torchvision import ensure_torchvision

SIDE = 224

# Numbers that OpenAI's archive keeps beside the weights; the networks here know their own.
CONSTANTS = ("input_resolution", "context_length", "vocab_size")


OPENAI = Weights(
    name="openai-clip",
    filename="ViT-L-14.pt",
    url="https://openaipublic.azureedge.net/clip/models/"
    "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
    sha256="b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
    licence="MIT",
    trained_on="OpenAI's 400 million picture-text pairs; nothing forensic",
    note="pre-trained CLIP ViT-L/14, about 0.9 GB: a TorchScript archive, read only when its "
    "sha256 is this one",
    mapping=entries(without=CONSTANTS),
)


def image_side(name: str) -> str | None:
    """OpenAI's names -> those of :class:`TowerWithHead`, which has no text side."""
    return f"model.{name}" if name.startswith("visual.") else None


IMAGE_TOWER = replace(OPENAI, mapping=image_side)
"""The same file for a :class:`TowerWithHead`."""

# What CLIP's text side is called at the top of a state dict; a picture's embedding needs none.
TEXT_SIDE = (
    "transformer.",
    "token_embedding.",
    "positional_embedding",
    "ln_final.",
    "text_projection",
    "logit_scale",
)


@dataclass(frozen=True, kw_only=True)
class ClipSizes:
    """CLIP's dimensions; the defaults are ViT-L/14's. Tests take smaller ones.

    Args:
        side: of the picture and of a ``patch``, pixels.
        width, layers: of the image tower; heads have 64 channels.
        output: of the common embedding.
        text_width, text_layers: of the text tower; heads have 64 channels.
        vocabulary: number of tokens it knows.
    """

    side: int = SIDE
    patch: int = 14
    width: int = 1024
    layers: int = 24
    output: int = 768
    text_width: int = 768
    text_layers: int = 12
    vocabulary: int = 49408


VIT_L14 = ClipSizes()
CONTEXT = 77  # tokens of a text
HEAD = 64  # channels of an attention head


# CLIP has one position embedding for each of 16x16 patches.
INPUT_RULE = InputRule.only(SIDE, f"CLIP ViT-L/14 takes {SIDE}x{SIDE} only")


def _open_clip() -> Any:
    """The package, with its modules ``model`` and ``transformer``."""
    ensure_torchvision()
    try:
        # A first import under torch.device("meta") must not leave constants there.
        with torch.device("cpu"):
            return importlib.import_module("open_clip")
    except ImportError as error:
        raise ImportError(f"this detector needs the extra 'clip' ({error})") from error


def image_tower(sizes: ClipSizes = VIT_L14, *, quick: bool = True) -> Any:
    """CLIP's image tower with random weights: (N, 3, side, side) -> (N, output).

    Args:
        quick: QuickGELU, as OpenAI's; LAION's later towers have the exact GELU.
    """
    parts = _open_clip().transformer
    return parts.VisionTransformer(
        image_size=sizes.side,
        patch_size=sizes.patch,
        width=sizes.width,
        layers=sizes.layers,
        heads=sizes.width // HEAD,
        mlp_ratio=4.0,
        output_dim=sizes.output,
        act_layer=parts.QuickGELU if quick else nn.GELU,
    )


def class_token(visual: Any, x: Tensor) -> Tensor:
    """Normalised (N, 3, side, side) -> (N, width): an image tower's, before its projection."""
    patches = visual.conv1(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([visual.class_embedding.expand(len(x), 1, -1), patches], dim=1)
    tokens = visual.transformer(visual.ln_pre(tokens + visual.positional_embedding))
    token: Tensor = visual.ln_post(tokens[:, 0])
    return token


def both_towers(sizes: ClipSizes = VIT_L14) -> Any:
    """CLIP with image tower (``visual``) and text tower, QuickGELU, random weights."""
    parts = _open_clip().model
    vision = parts.CLIPVisionCfg(
        layers=sizes.layers, width=sizes.width, patch_size=sizes.patch, image_size=sizes.side
    )
    text = parts.CLIPTextCfg(
        context_length=CONTEXT,
        vocab_size=sizes.vocabulary,
        width=sizes.text_width,
        heads=sizes.text_width // HEAD,
        layers=sizes.text_layers,
    )
    return parts.CLIP(sizes.output, vision, text, quick_gelu=True)


class TowerWithHead(nn.Module):
    """CLIP's image tower (``model.visual``) and one linear unit (``fc``); (N, 1) logits.

    Args:
        unit_length: divide the embedding by its L2 norm before the linear unit.
        sizes: of the tower.
    """

    def __init__(self, *, unit_length: bool, sizes: ClipSizes = VIT_L14) -> None:
        super().__init__()
        self.unit_length = unit_length
        self.model: Any = nn.Module()
        self.model.visual = image_tower(sizes)
        self.fc = nn.Linear(sizes.output, 1)
        nn.init.normal_(self.fc.weight, std=0.02)
        nn.init.zeros_(self.fc.bias)

    def features(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 768), what the linear unit sees."""
        embedding: Tensor = self.model.visual(x)
        return nn.functional.normalize(embedding, dim=-1) if self.unit_length else embedding

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 1) logits."""
        logits: Tensor = self.fc(self.features(x))
        return logits


class TowerDetector(TorchDetector):
    """A detector that is a :class:`TowerWithHead`, seeing CLIP's own normalisation."""

    network: TowerWithHead
    no_places = "its network is a transformer, which scores a class token"

    def __init__(self, network: TowerWithHead) -> None:
        super().__init__(network, mean=CLIP_MEAN, std=CLIP_STD)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) in [0, 1] -> (N, 768)."""
        return self.network.features(self.module.normalise(images))
