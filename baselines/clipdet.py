"""ClipDet: raising the bar of AI-generated image detection with CLIP (CVPRW 2024, 2312.00195).

Idea: a CLIP tower's features, as they are before the projection and of unit length, need a few
thousand pictures and one linear unit to tell generated pictures apart.
Provenance: written from a description of the released code (github
grip-unina/ClipBased-SyntheticImageDetection, c76ef7f); no line of that repository is copied.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from baselines._clip import (
    CLIP_MEAN,
    CLIP_STD,
    INPUT_RULE,
    SIDE,
    VIT_L14,
    ClipSizes,
    image_tower,
)
from harness.api import Behaviour, DetectorSpec, Deviation, ScoreSpec, TorchDetector, Weights


def image_side(name: str) -> str | None:
    """open_clip's names -> the same, without text side and projection."""
    return name if name.startswith("visual.") and name != "visual.proj" else None


TOWER = Weights(
    name="commonpool-clip",
    filename="CLIP-ViT-L-14-CommonPool.XL-s13B-b90K.pt",
    url="https://huggingface.co/laion/CLIP-ViT-L-14-CommonPool.XL-s13B-b90K/resolve/main/"
    "open_clip_pytorch_model.bin",
    sha256="",
    licence="MIT (LAION's model card, as the authors have it)",
    trained_on="13 billion samples of CommonPool's picture-text pairs; nothing forensic",
    note="CLIP ViT-L/14 by LAION, about 1.7 GB with its text side; download it by hand and name "
    "it so",
    mapping=image_side,
)


class ClipDetNetwork(nn.Module):
    """Normalised (N, 3, 224, 224) -> (N, 1) logits.

    Args:
        sizes: of the tower; its projection is left out.
        quick: QuickGELU in place of the exact GELU.
    """

    def __init__(self, sizes: ClipSizes, quick: bool) -> None:
        super().__init__()
        self.visual: Any = image_tower(sizes, quick=quick)
        self.visual.proj = None
        self.fc = nn.Linear(sizes.width, 1)

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) -> (N, 1024), of unit length."""
        return nn.functional.normalize(self.visual(x), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """The logit of each picture."""
        logits: Tensor = self.fc(self.features(x))
        return logits


class ClipDetDetector(TorchDetector):
    """ClipDet behind CLIP's normalisation."""

    network: ClipDetNetwork
    no_places = "its network is a transformer, which scores a class token"

    def __init__(self, sizes: ClipSizes = VIT_L14, quick: bool = False) -> None:
        network = ClipDetNetwork(sizes, quick)
        network.visual.requires_grad_(False)
        super().__init__(network, mean=CLIP_MEAN, std=CLIP_STD)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) in [0, 1] -> (N, 1024)."""
        return self.network.features(self.module.normalise(images))


def _head(name: str, sha256: str, size: int, note: str) -> Weights:
    """A published file: the linear unit alone."""
    return Weights(
        name=name.replace("_", "-"),
        filename=f"clipdet_{name}_weights.pth",
        url="https://github.com/grip-unina/ClipBased-SyntheticImageDetection/raw/"
        f"c76ef7f5e158c5aba9e55b8b94ab0079720d281e/weights/clipdet_{name}/weights.pth",
        sha256=sha256,
        size=size,
        licence="Apache-2.0 (repository; no statement of its own for weights)",
        trained_on="10,000 latent-diffusion pictures and 10,000 real ones (its README)",
        note=f"the linear unit only, on LAION's CommonPool CLIP{note}; kept by git LFS, whose "
        "quota is exhausted at times, and in weights_clipdet.zip of "
        "www.grip.unina.it/download/prog/DMimageDetection/",
        also=(TOWER,),
    )


DEVIATIONS = (
    Deviation(
        what="which features",
        paper="next to last",
        code="the class token after the last norm, its projection left out, divided by its length",
        here="as the code",
    ),
    Deviation(
        what="activation",
        paper="-",
        code="the exact GELU; OpenAI's QuickGELU has the same names and loads as well",
        here="the exact GELU",
    ),
    Deviation(
        what="fusion",
        paper="with the full-resolution ResNet-50",
        code="main.py scores clipdet_latent10k_plus and Corvi2023 and fuses them: the logit of "
        "1 - (1 - p)(1 - q)",
        here="each alone: this detector, and corvi2023; the two differ in geometry on purpose",
    ),
    Deviation(
        what="accuracy",
        paper="-",
        code="balanced accuracy is reported under the name acc",
        here="each by its name",
    ),
    Deviation(
        what="training",
        paper="10,000 pairs of pictures and captions",
        code="not released; what the `plus` file adds is not said",
        here="not trained here",
    ),
    Deviation(
        what="the tower in the file",
        paper="-",
        code="kept outside of the state, so that no checkpoint holds it and .half() misses it",
        here="a part of the network; the published file is completed with the tower's",
    ),
)

BEHAVIOURS = (
    Behaviour(name="QuickGELU", deviation="activation", options={"quick": True}),
    Behaviour(
        name="fused with corvi2023",
        deviation="fusion",
        absent="its scores are of two detectors: fuse the kept ones of clipdet and corvi2023",
    ),
)

SPEC = DetectorSpec(
    name="clipdet",
    title="ClipDet",
    family="clip",
    build=ClipDetDetector,
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": f"resize_bicubic({SIDE})|center_crop({SIDE})"},
    input_rule=INPUT_RULE,
    evaluation_size=(SIDE, SIDE),
    weights=(
        _head(
            "latent10k_plus",
            "1c9c9f48a47d975bde67e9924983aa4e4ccda96a15e7e983b6305f0c56d9ee18",
            5_155,
            "; the one that main.py takes, what it adds is not said",
        ),
        _head(
            "latent10k",
            "04b022c6990709acb132337d7e432fc57090cec9db3869577111b031d40c19f9",
            5_227,
            "",
        ),
    ),
    requires=("clip",),
    citation="Cozzolino et al., Raising the Bar of AI-generated Image Detection with CLIP, "
    "CVPR Workshops 2024, arXiv 2312.00195",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="224x224 only. Two files: the linear unit (5 KB) and LAION's CLIP ViT-L/14 trained on "
    "CommonPool (about 1.7 GB).",
)
