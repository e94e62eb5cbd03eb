"""NPR: Neighboring Pixel Relationships (CVPR 2024, arXiv 2312.10461).

Idea: up-sampling makes the pixels of a 2x2 cell depend on each other; the difference to the
cell's top-left pixel shows it, and a small ResNet reads it.
Provenance: written from a description of the released network (github
chuangchuangtan/NPR-DeepfakeDetection, 73cde1c); no line of that repository is copied.
"""

from __future__ import annotations

from torch import Tensor

from baselines._resnet import TwoStageResNet
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    PooledDetector,
    Recipe,
    ScoreSpec,
    Weights,
)
from lfm.network import cell_residual


class NPRNetwork(TwoStageResNet):
    """ResNet-50's first two stages on the NPR residual; normalised images -> (N, 1) logits.

    Args:
        scale: of the residual.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def residual(self, x: Tensor) -> Tensor:
        """Every pixel minus its 2x2 cell's top-left one, scaled."""
        return cell_residual(x) * self.scale


class NPRDetector(PooledDetector):
    """NPR's network behind its ImageNet normalisation."""


TWO_THIRDS = 2 / 3  # in the released code, unexplained there; the weights need it


def build(scale: float = TWO_THIRDS) -> NPRDetector:
    """A detector with untrained weights; ``scale`` of the residual."""
    return NPRDetector(NPRNetwork(scale))


RAW = (
    "https://github.com/chuangchuangtan/NPR-DeepfakeDetection/raw/"
    "73cde1ced21291bfb504a2add2b53fbe99c4f433"
)
LICENCE = "none stated (derives from CNNDetection, CC BY-NC-SA 4.0)"
TRAINED_ON = "ForenSynths train: ProGAN and LSUN, classes car, cat, chair, horse"

DEVIATIONS = (
    Deviation(
        what="factor 2/3 on the residual",
        paper="not mentioned",
        code="present, unexplained (issue #13 asks, unanswered in the stored copy)",
        here="kept: batch norm follows, so the weights need it",
    ),
    Deviation(
        what="form of the relation",
        paper="differences inside l x l cells against a chosen pixel, l = 2 (from summaries)",
        code="a full-size image in which every fourth value is 0; no absolute value",
        here="as the code",
    ),
    Deviation(
        what="the ResNet-50",
        paper="ResNet-50",
        code="cut after the second stage, 3x3 stride-2 stem: 1,437,761 parameters, not 23.5M",
        here="as the code",
    ),
    Deviation(
        what="test protocol",
        paper="one table",
        code="three official ones: resize 256 (current test.py), native with batch 1 "
        "(AIGCDetectBenchmark), tiling and centre crop 224 (GenImage); before 2024-02-21 the "
        "in-training test did not resize",
        here="resize 256 except GANGen-Detection; others by --preprocess, recorded",
    ),
    Deviation(
        what="train and test size",
        paper="not mentioned",
        code="training sees 224 crops, testing 256",
        here="as the code",
    ),
    Deviation(
        what="public checkpoint",
        paper="the table's numbers",
        code="two files: NPR.pth, replaced on 2023-12-24, and model_epoch_last_3090.pth, with "
        "which its README tests; users measure e.g. biggan 84.4/87.8 with the former and lower "
        "means when they retrain (issues #4, #17, #26, #30, #36)",
        here="both by name, npr:released and npr:last-3090; the record holds the sha256",
    ),
    Deviation(
        what="saved file",
        paper="-",
        code="NPR.pth holds {'model', 'optimizer', 'total_steps'} with names under module.; the "
        "other file's 5.8 MB are those of a bare state dict, while validate.py and resume expect "
        "{'model': ...}",
        here="both forms load",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="without 2/3",
        deviation="factor 2/3 on the residual",
        options={"scale": 1.0},
        seen="chuangchuangtan/NPR-DeepfakeDetection issue 13",
    ),
)

SPEC = DetectorSpec(
    name="npr",
    title="NPR",
    family="local artefact",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "resize(256,256)", "gangen": "native", "mini": "native"},
    input_rule=InputRule(smallest=(2, 2), multiple_of=2),
    weights=(
        Weights(
            name="released",
            filename="NPR.pth",
            url=f"{RAW}/NPR.pth",
            sha256="3939297e9399e0b992f87211610769d87d899de50d56da0204d6cbda2d483a53",
            size=17_393_733,
            licence=LICENCE,
            trained_on=TRAINED_ON,
            note="holds optimiser and step count too; the README tests with the other file, "
            "npr:last-3090",
        ),
        Weights(
            name="last-3090",
            filename="model_epoch_last_3090.pth",
            url=f"{RAW}/model_epoch_last_3090.pth",
            sha256="b67a91555ce786a6d0463ff0cb2b0b874d1c3f971b0e3febd2ae5618a80f7e8a",
            size=5_842_385,
            licence=LICENCE,
            trained_on=TRAINED_ON,
            note="the file that the README tests with",
        ),
    ),
    recipe=Recipe(
        epochs=50,
        batch_size=32,
        lr=2e-4,
        lr_gamma=0.9,
        lr_step=10,
        train_preprocess="resize(256,256)|random_crop(224)|hflip(0.5)",
        val_preprocess="resize(256,256)|center_crop(224)",
        source="README of NPR-DeepfakeDetection 73cde1c; ForenSynths ProGAN, 4 classes",
    ),
    citation="Tan et al., Rethinking the Up-Sampling Operations in CNN-based Generative Network "
    "for Generalizable Deepfake Detection, CVPR 2024, arXiv 2312.10461",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    paper_name="NPR",
    notes="Both sides even; smallest 2x2.",
)
