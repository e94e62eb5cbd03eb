"""OpenAI's CLIP ViT-L/14 as detectors use it: the towers, the weights file, a linear head.

The networks are open_clip's (extra ``clip``; entry names equal OpenAI's). open_clip is imported
when a network is built, and nothing is ever downloaded by it: the one file that OpenAI publishes
(:data:`OPENAI`) is looked for in the weights folder, checked against its sha256 and read.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import InputRule, TorchDetector, Weights
from harness.torchvision_cpu import ensure_torchvision

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
SIDE = 224

OPENAI = Weights(
    name="openai-clip",
    filename="ViT-L-14.pt",
    url="https://openaipublic.azureedge.net/clip/models/"
    "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
    sha256="b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
    size=0,
    licence="MIT",
    trained_on="OpenAI's 400 million picture-text pairs; nothing forensic",
    note="no detector: the pre-trained CLIP (about 0.9 GB) that training starts from, and that a "
    "checkpoint which is a head only is completed with",
)

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
class Sizes:
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


VIT_L14 = Sizes()
CONTEXT = 77  # tokens of a text
HEAD = 64  # channels of an attention head


def size_problem(height: int, width: int) -> str:
    """CLIP has one position embedding for each of 16x16 patches."""
    return "" if (height, width) == (SIDE, SIDE) else f"CLIP ViT-L/14 takes {SIDE}x{SIDE} only"


INPUT_RULE = InputRule(smallest=(SIDE, SIDE), check=size_problem)


def _open_clip() -> Any:
    """The package, with its modules ``model`` and ``transformer``."""
    ensure_torchvision()
    try:
        # A first import under torch.device("meta") must not leave constants there.
        with torch.device("cpu"):
            return importlib.import_module("open_clip")
    except ImportError as error:
        raise ImportError(
            f"this detector needs the extra 'clip' ({error}): pip install -e '.[clip]'"
        ) from error


def image_tower(sizes: Sizes = VIT_L14) -> Any:
    """CLIP's image tower with QuickGELU and random weights: (N, 3, side, side) -> (N, output)."""
    parts = _open_clip().transformer
    return parts.VisionTransformer(
        image_size=sizes.side,
        patch_size=sizes.patch,
        width=sizes.width,
        layers=sizes.layers,
        heads=sizes.width // HEAD,
        mlp_ratio=4.0,
        output_dim=sizes.output,
        act_layer=parts.QuickGELU,
    )


def both_towers(sizes: Sizes = VIT_L14) -> Any:
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


def openai_state() -> dict[str, Tensor]:
    """OpenAI's ViT-L/14, image and text side: name -> tensor as stored (most are float16).

    Raises:
        FileNotFoundError: weights missing; says which file is needed, where, and from where.
        RuntimeError: the file is another one.
    """
    path = _weights_folder() / OPENAI.filename
    if not path.is_file():
        raise FileNotFoundError(
            f"weights missing: needs {path}, OpenAI's pre-trained CLIP ViT-L/14 "
            f"(sha256 {OPENAI.sha256}, about 0.9 GB): python -m harness weights --fetch "
            f"ojha:{OPENAI.name}, or download {OPENAI.url} by hand"
        )
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != OPENAI.sha256:
        raise RuntimeError(f"{path}: sha256 {digest.hexdigest()}, expected {OPENAI.sha256}")
    return _archive(path)


def _weights_folder() -> Path:
    """As ``harness.weights.weights_dir``: LFM_WEIGHTS, or ``weights/`` in the checkout."""
    given = os.environ.get("LFM_WEIGHTS")
    return Path(given).expanduser() if given else Path(__file__).resolve().parents[1] / "weights"


def _archive(path: Path) -> dict[str, Tensor]:
    """Tensors of a TorchScript archive; the caller has checked that it is the published one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; OpenAI's file stays as it is
        archive = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    constants = ("input_resolution", "context_length", "vocab_size")
    state = archive.state_dict()
    return {name: value for name, value in state.items() if name not in constants}


class ClipDetector(TorchDetector):
    """A detector whose network holds a CLIP, which training starts from as OpenAI published it.

    ``pretrained`` says whether the CLIP inside has real weights: after ``build`` they are random.
    """

    pretrained = False

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes OpenAI's weights, names as in :func:`openai_state`, into the CLIP inside."""
        raise NotImplementedError

    def load_pretrained(self) -> None:
        """Reads OpenAI's file and takes it; FileNotFoundError says what is missing."""
        self.start_from(openai_state())
        self.pretrained = True

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The training loss; a training that has not begun from real weights loads them first."""
        if not self.pretrained:
            self.load_pretrained()
        return self.training_loss(images, labels)

    def training_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy with logits, mean over the batch."""
        return nn.functional.binary_cross_entropy_with_logits(self.score(images), labels)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly; RuntimeError names missing and unexpected keys."""
        super().load_state_dict(state)
        self.pretrained = True


class TowerWithHead(nn.Module):
    """CLIP's image tower (``model.visual``) and one linear unit (``fc``); (N, 1) logits.

    Args:
        unit_length: divide the embedding by its L2 norm before the linear unit.
        sizes: of the tower.
    """

    def __init__(self, *, unit_length: bool, sizes: Sizes = VIT_L14) -> None:
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


class TowerDetector(ClipDetector):
    """A detector that is a :class:`TowerWithHead`, seeing CLIP's own normalisation."""

    network: TowerWithHead

    def __init__(self, network: TowerWithHead) -> None:
        super().__init__(network, mean=CLIP_MEAN, std=CLIP_STD)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) in [0, 1] -> (N, 768)."""
        return self.network.features(self.module.normalise(images))

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes the image side of OpenAI's weights; its text side has no part in this network."""
        prefix = "visual."
        visual = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
        self.network.model.visual.load_state_dict(visual, strict=True)
