"""Ojha / UniversalFakeDetect, "UniFD" (CVPR 2023, arXiv 2302.10174).

Idea: a feature space that was never trained for forensics does not over-fit to one generator's
fingerprint; a frozen CLIP ViT-L/14 embeds the picture and one linear unit tells real from fake.
Provenance: written from a description of the released code (github
WisconsinAIVision/UniversalFakeDetect, 76a0e3e); no line of that repository is copied.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from baselines._backbones import entries
from baselines._clip import (
    IMAGE_TOWER,
    INPUT_RULE,
    SIDE,
    TEXT_SIDE,
    VIT_L14,
    ClipSizes,
    TowerDetector,
    TowerWithHead,
)
from harness.api import DetectorSpec, Deviation, Recipe, ScoreSpec, Weights

_IGNORED = tuple(f"model.{name}" for name in TEXT_SIDE)


class OjhaDetector(TowerDetector):
    """CLIP's embedding, as it is, through one linear unit; only that unit is trained."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly this network's entries, or those of the authors' training, which hold
        the whole CLIP: its text side, no part of a score, is left out."""
        used = {name: value for name, value in state.items() if not name.startswith(_IGNORED)}
        super().load_state_dict(used)


def build(sizes: ClipSizes = VIT_L14) -> OjhaDetector:
    """A detector with random weights; the tower is frozen, it never learns."""
    network = TowerWithHead(unit_length=False, sizes=sizes)
    network.model.requires_grad_(False)
    return OjhaDetector(network)


DEVIATIONS = (
    Deviation(
        what="train and test scale",
        paper="not described",
        code="training resizes the short side to 256 before its 224 crop; testing crops 224 from "
        "the picture at its own size, zero-padded where smaller",
        here="as the code",
    ),
    Deviation(
        what="diffusion test sets",
        paper="10,000 images a domain",
        code="1,000 a domain are published",
        here="the published ones; the paper's numbers cannot be matched exactly",
    ),
    Deviation(
        what="nearest-neighbour variant",
        paper="a second classifier beside the linear one",
        code="not in the repository",
        here="not here",
    ),
    Deviation(
        what="the LFM paper's row",
        paper="'Ojha' on test set 1 equals FatFormer's 'UniFD' row digit for digit, trained on 4 "
        "ProGAN classes",
        code="the published head was trained on 20 classes",
        here="the published head, and any head trained here; neither is that row's",
    ),
    Deviation(
        what="number of test images",
        paper="whole test sets",
        code="at most 1,000 of each class after a seeded shuffle; where either class has fewer, "
        "the limit silently becomes 100",
        here="all images, or --limit N, recorded",
    ),
    Deviation(
        what="validation while training",
        paper="not described",
        code="the validation pictures are still blurred and compressed with probability 0.5, at "
        "fixed middle values (sigma 1.5, quality 65)",
        here="never: resize and centre crop",
    ),
    Deviation(
        what="end of training",
        paper="not described",
        code="5 epochs without 0.001 more validation accuracy, 0.002 after the first time, divide "
        "the rate by 10; below 1e-6 training ends",
        here="as the code, but 0.001 each time",
    ),
    Deviation(
        what="JPEG encoder of the augmentation",
        paper="not described",
        code="OpenCV or PIL, at random",
        here="PIL only (OpenCV is no dependency); quality and probability as the code",
    ),
    Deviation(
        what="threshold",
        paper="accuracy at 0.5 and at an oracle threshold",
        code="computes both, writes the first to acc0.txt",
        here="0.5, which is logit 0",
    ),
    Deviation(
        what="training code",
        paper="released",
        code="imports modules `earlystop` and `util` that the repository lacks; fine-tunes all of "
        "CLIP unless --fix_backbone is given",
        here="trained by `python -m harness train`, the tower frozen",
    ),
    Deviation(
        what="cost (LFM's table)",
        paper="51.90B FLOPs, 202.05M parameters",
        code="what thop 0.1.1 prints: it knows conv1, the 48 MLP layers and fc only, no attention, "
        "no LayerNorm, no projection; a prediction uses 303,966,977 parameters",
        here="all parameters, and fvcore's 77.83 G multiply-accumulates at 224x224 (attention "
        "products, 3.25 G more, are listed as not counted)",
    ),
)

SPEC = DetectorSpec(
    name="ojha",
    title="Ojha (UniFD)",
    family="clip",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"center_crop({SIDE})"},
    input_rule=INPUT_RULE,
    evaluation_size=(SIDE, SIDE),
    weights=(
        Weights(
            name="released",
            filename="fc_weights.pth",
            url="https://github.com/WisconsinAIVision/UniversalFakeDetect/raw/"
            "76a0e3e60a8a06458707a625d269ba815a2e5919/pretrained_weights/fc_weights.pth",
            sha256="477100745713bcc957beb2b40859536859b6483fd6301b3b9293151b194c7847",
            size=4_083,
            licence="MIT (since January 2025; earlier commits have none)",
            trained_on="ForenSynths train: ProGAN and LSUN, all 20 classes",
            note="the linear head only, on OpenAI's CLIP",
            mapping=entries(under="fc."),
            also=(IMAGE_TOWER,),
            not_papers="its head is of 20 ProGAN classes; the row equals FatFormer's 'UniFD', "
            "trained on 4",
        ),
    ),
    recipe=Recipe(
        epochs=100,
        batch_size=256,
        lr=1e-4,
        optimiser="adamw",
        schedule="plateau",
        lr_gamma=0.1,
        min_lr=1e-6,
        patience=5,
        monitor="val_acc",
        min_gain=0.001,
        keep="best",
        start=IMAGE_TOWER.name,
        train_preprocess="resize(256)|gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)|"
        f"random_crop({SIDE})|hflip(0.5)",
        val_preprocess=f"resize(256)|center_crop({SIDE})",
        source="options of UniversalFakeDetect 76a0e3e with --fix_backbone; ForenSynths ProGAN, "
        "20 classes",
    ),
    pretrained=(IMAGE_TOWER,),
    needs_pretrained=True,
    requires=("clip",),
    citation="Ojha, Li, Lee, Towards Universal Fake Image Detectors that Generalize Across "
    "Generative Models, CVPR 2023, arXiv 2302.10174",
    deviations=DEVIATIONS,
    paper_name="Ojha",
    notes="224x224 only. Two files: the head (4 KB) and OpenAI's ViT-L-14.pt (about 0.9 GB), which "
    "training starts from. Only 769 of its parameters are trained.",
)
