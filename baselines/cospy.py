"""CO-SPY: combining semantic and pixel features (CVPR 2025, arXiv 2503.18286).

Idea: one branch reads what a picture shows (SigLIP's embedding), another what Stable Diffusion's
auto-encoder cannot reproduce of it (NPR's small ResNet on the difference). One linear unit joins
the two logits, so that either may fail.
This is the detector trained on Stable Diffusion 1.4, ``sd-v1_4``; the one trained on ProGAN is
another network.
Provenance: written from a description of the released code (github Megum1/CO-SPY, 310d048);
no line of that repository is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines._resnet import kaiming, stage
from baselines._vae import WIDTHS, AutoEncoder, current_name
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    ScoreSpec,
    TorchDetector,
    Weights,
)
from harness.api.torchvision import ensure_torchvision

SIDE = 384
ARTEFACT_SIDE = 224
SHARPENED = 100 / 7  # factor of the difference
_IGNORED = ("sem.clip.text.", "sem.clip.logit_")


def siglip(**smaller: Any) -> Any:
    """timm's SigLIP ViT-SO400M/14 for 384x384, without classes; tests take smaller ones."""
    ensure_torchvision()
    import timm

    name = "vit_so400m_patch14_siglip_384"
    return timm.create_model(name, pretrained=False, num_classes=0, **smaller)


class SemanticBranch(nn.Module):
    """SigLIP's embedding (``clip.visual.trunk``), as it is, through one linear unit."""

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.clip: Any = nn.Module()
        self.clip.visual = nn.Module()
        self.clip.visual.trunk = trunk
        self.fc = nn.Linear(trunk.num_features, 1)

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, 384, 384) in [0, 1] -> (N, 1152)."""
        embedding: Tensor = self.clip.visual.trunk(2 * x - 1)
        return embedding


class ArtefactEncoder(nn.Module):
    """What the auto-encoder (``vae``) misses, through NPR's trunk; (N, 512).

    Args:
        widths: of the auto-encoder.
        signed: the auto-encoder is given [-1, 1], on which it was trained.
    """

    def __init__(self, widths: tuple[int, ...], signed: bool) -> None:
        super().__init__()
        self.signed = signed
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(64, 64, 3)
        self.layer2 = stage(256, 128, 4, stride=2)
        kaiming(self)
        self.vae = AutoEncoder(widths)

    def missed(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) in [0, 1], which the auto-encoder is given so -> the same shape."""
        mean, _ = self.vae.latents(2 * x - 1 if self.signed else x)
        made = self.vae.decode(mean)
        return (x - (made / 2 + 0.5 if self.signed else made)) * SHARPENED

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) in [0, 1] -> (N, 512)."""
        x = nn.functional.relu(self.bn1(self.conv1(self.missed(x))))
        x = nn.functional.max_pool2d(x, 3, stride=2, padding=1)
        cells: Tensor = self.layer2(self.layer1(x))
        return cells.mean((2, 3))


class ArtefactBranch(nn.Module):
    """The encoder and one linear unit.

    Args:
        widths, signed: see :class:`ArtefactEncoder`.
        smooth: pictures are shrunk with anti-aliasing.
    """

    def __init__(self, widths: tuple[int, ...], signed: bool, smooth: bool) -> None:
        super().__init__()
        self.smooth = smooth
        self.artifact_encoder = ArtefactEncoder(widths, signed)
        self.fc = nn.Linear(512, 1)

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, 384, 384) in [0, 1] -> (N, 512), at 224x224; shrunk without smoothing."""
        sides = (ARTEFACT_SIDE, ARTEFACT_SIDE)
        small = nn.functional.interpolate(
            x, sides, mode="bilinear", align_corners=False, antialias=self.smooth
        )
        found: Tensor = self.artifact_encoder(small)
        return found


class CoSpyNetwork(nn.Module):
    """Both branches and ``fc`` over their logits; (N, 3, 384, 384) in [0, 1] -> (N, 1)."""

    def __init__(
        self, trunk: Any, widths: tuple[int, ...], signed: bool = False, smooth: bool = False
    ) -> None:
        super().__init__()
        self.sem = SemanticBranch(trunk)
        self.art = ArtefactBranch(widths, signed, smooth)
        self.fc = nn.Linear(2, 1)

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, 384, 384) -> (N, 1152 + 512), semantic and artefact."""
        return torch.cat([self.sem.features(x), self.art.features(x)], 1)

    def branches(self, x: Tensor) -> Tensor:
        """(N, 3, 384, 384) -> (N, 2), the logit of each branch: semantic, artefact."""
        return torch.cat([b.fc(b.features(x)) for b in (self.sem, self.art)], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 384, 384) -> (N, 1) logits."""
        logits: Tensor = self.fc(self.branches(x))
        return logits


class CoSpyDetector(TorchDetector):
    """CO-SPY; each branch normalises for itself."""

    network: CoSpyNetwork
    no_places = "half of its network is a transformer, which scores a vector"

    def __init__(self, network: CoSpyNetwork) -> None:
        super().__init__(network, mean=0.0, std=1.0)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 384, 384) in [0, 1] -> (N, 1664)."""
        return self.network.features(self.module.normalise(images))

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly this network's entries, or the released class's 1,072, which hold
        SigLIP's text side too: no part of a score, it is left out."""
        used = {name: value for name, value in state.items() if not name.startswith(_IGNORED)}
        super().load_state_dict(used)


def build(
    widths: tuple[int, ...] = WIDTHS,
    smaller: Mapping[str, Any] | None = None,
    signed: bool = False,
    smooth: bool = False,
) -> CoSpyDetector:
    """A detector with random weights.

    Args:
        widths: of the auto-encoder.
        smaller: options of the SigLIP trunk, for tests.
        signed, smooth: see :class:`ArtefactBranch`.
    """
    return CoSpyDetector(CoSpyNetwork(siglip(**(smaller or {})), widths, signed, smooth))


def _semantic(name: str) -> str:
    return f"sem.{name}"


def _artefact(name: str) -> str:
    return f"art.{current_name(name)}"


def _trunk(name: str) -> str | None:
    """open_clip's names; the text side has no use."""
    return f"sem.clip.{name}" if name.startswith("visual.trunk.") else None


ZIP = "sd-v1_4.zip"
TRAINED_ON = "DRCT-2M: COCO and Stable Diffusion 1.4 (as the repository's README has it)"
LICENCE = "none of their own (code MIT)"


def _part(name: str, filename: str, note: str, mapping: Any, *also: Weights) -> Weights:
    """One of the three files of the archive."""
    return Weights(
        name=name,
        filename=filename,
        url=f"https://huggingface.co/ruojiruoli/Co-Spy-Pretrained-Weights/resolve/main/{ZIP}",
        sha256="",
        licence=LICENCE,
        trained_on=TRAINED_ON,
        note=f"{note}; sizes and hashes are not known here",
        mapping=mapping,
        archive=ZIP,
        also=also,
    )


SIGLIP = Weights(
    name="siglip",
    filename="ViT-SO400M-14-SigLIP-384.safetensors",
    url="https://huggingface.co/timm/ViT-SO400M-14-SigLIP-384/resolve/main/"
    "open_clip_model.safetensors",
    sha256="",
    licence="Apache-2.0",
    trained_on="WebLI's picture-text pairs; nothing forensic",
    note="about 3.5 GB with its text side, which is not used; its sha256 is not known here",
    mapping=_trunk,
)

DEVIATIONS = (
    Deviation(
        what="JPEG before the test",
        paper="-",
        code="the loader of Co-Spy-Bench re-encodes every picture, real and fake, at quality 95; "
        "the single-picture mode and the AIGCDetect loader do not",
        here="not, unless `--perturb 'jpeg(95)'` says so",
    ),
    Deviation(
        what="training",
        paper="-",
        code="three trainings: artefact branch (20 epochs), semantic branch (10, with mixed "
        "features), the last unit (1 epoch, on the validation split)",
        here="no recipe, as one recipe cannot say three: it is scored with the published files",
    ),
    Deviation(
        what="artefact branch at test time",
        paper="-",
        code="trained on 224 crops of pictures whose short side is 256, tested on 384 shrunk to "
        "224 without smoothing",
        here="as the code",
    ),
    Deviation(
        what="auto-encoder's input",
        paper="-",
        code="[0, 1], though it was trained on [-1, 1]; the latent's mean, so nothing is random",
        here="as the code",
    ),
    Deviation(
        what="loading",
        paper="-",
        code="the artefact file without strictness, the others without a look at shapes",
        here="strict, all files together",
    ),
    Deviation(
        what="published numbers",
        paper="Table 2",
        code="README: slightly different ones, since hyper-parameters were changed later",
        here="what the published files give",
    ),
    Deviation(
        what="the ProGAN detector",
        paper="one method",
        code="another network under the same name: CLIP, NPR, 224x224",
        here="not here",
    ),
    Deviation(
        what="number of test images",
        paper="-",
        code="at most 2,000 reals and as many fakes; names with two dots are left out",
        here="all images, or --limit N, recorded",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="auto-encoder given [-1, 1]",
        deviation="auto-encoder's input",
        options={"signed": True},
        seen="how the auto-encoder was trained",
    ),
    Behaviour(
        name="shrunk with anti-aliasing",
        deviation="artefact branch at test time",
        options={"smooth": True},
    ),
)

SPEC = DetectorSpec(
    name="cospy",
    title="CO-SPY",
    family="reconstruction",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"resize({SIDE})|center_crop({SIDE})"},
    input_rule=InputRule.only(SIDE, f"SigLIP takes {SIDE}x{SIDE} only"),
    evaluation_size=(SIDE, SIDE),
    weights=(
        _part(
            "sd14",
            "fusion_weights.pth",
            "the last unit (3 numbers), with both branches' files beside it",
            None,
            _part("sd14-semantic", "semantic_weights.pth", "one linear unit", _semantic),
            _part("sd14-artefact", "artifact_weights.pth", "holds the auto-encoder", _artefact),
            SIGLIP,
        ),
    ),
    citation="Cheng, Lyu, Wang, Zhang, Sehwag, CO-SPY: Combining Semantic and Pixel Features to "
    "Detect Synthetic Images by AI, CVPR 2025, arXiv 2503.18286",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="384x384 only; about 2.1 GB of memory, 0.68 T multiply-accumulates a picture. Four "
    "files: three of the authors, and SigLIP's.",
)
