"""FreDect: ResNet-50 on the log-DCT, the re-implementation of Frank that benchmarks usually run.

Idea: Frank's features (``frank``), standardised per coefficient, in front of a large network.
Provenance: written from a description of github Ekko-zn/AIGCDetectBenchmark (5cd41a6), to which
SIDBench is equal; no line of them is copied.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from baselines._backbones import entries, resnet50
from baselines._frank import SpectralDetector, SpectralNetwork, only
from harness.api import DetectorSpec, Deviation, Recipe, ScoreSpec, Weights

SIDE = 224
GEOMETRY = f"resize(256)|center_crop({SIDE})"


class FreDectDetector(SpectralDetector):
    """The log-DCT, standardised, through a ResNet-50."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly; only the number of pictures that the statistics are of may be missing,
        as it is in the published files: 0 then, and training would take them anew."""
        count = torch.zeros((), dtype=torch.float64)
        super().load_state_dict({"standardise.count": count, **state})


def build() -> FreDectDetector:
    return FreDectDetector(SpectralNetwork(resnet50(), SIDE), SIDE)


def _statistic(filename: str, statistic: str) -> Weights:
    return Weights(
        name=filename,
        filename=filename,
        url="https://github.com/Ekko-zn/AIGCDetectBenchmark/raw/"
        f"5cd41a614b6c848c53ae75f561b2e1a5287cccf0/weights/auxiliary/{filename}",
        sha256="",
        licence="none stated",
        trained_on=f"{statistic} of every log-DCT coefficient over the training pictures, "
        f"3x{SIDE}x{SIDE}",
        mapping=entries(under=f"standardise.{statistic}"),  # the tensor in it has no name
    )


DEVIATIONS = (
    Deviation(
        what="the classifier",
        paper="Frank et al.: linear models and small networks",
        code="AIGCDetectBenchmark and SIDBench: a randomly initialised ResNet-50",
        here="as those two; named apart from Frank's own models",
    ),
    Deviation(
        what="augmentation",
        paper="-",
        code="the README passes blur and JPEG flags, which never reach this path; training crops "
        "are centre crops",
        here="none",
    ),
    Deviation(
        what="when the statistics are taken",
        paper="before training",
        code="shipped as files of their own",
        here="in training during the first epoch, batch by batch, complete and exact after it; "
        "shipped ones with the published checkpoint",
    ),
    Deviation(
        what="end of training",
        paper="-",
        code="5 epochs without 0.001 more validation accuracy, 0.002 after the first time, divide "
        "the rate by 10; below 1e-6 training ends",
        here="as the code, but 0.001 each time",
    ),
)

SPEC = DetectorSpec(
    name="fredect",
    title="FreDect (log-DCT, ResNet-50)",
    family="frequency",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": GEOMETRY},
    input_rule=only(SIDE),
    evaluation_size=(SIDE, SIDE),
    weights=(
        Weights(
            name="released",
            filename="DCTAnalysis.pth",
            url="https://drive.google.com/drive/folders/1p4ewuAo7d5LbNJ4cKyh10Xl9Fg2yoFOw",
            sha256="",
            licence="none stated (github Ekko-zn/AIGCDetectBenchmark)",
            trained_on="ForenSynths train: ProGAN and LSUN",
            mapping=entries(under="net."),
            also=(_statistic("dct_mean", "mean"), _statistic("dct_var", "variance")),
        ),
    ),
    recipe=Recipe(
        epochs=1000,
        batch_size=64,
        lr=1e-4,
        schedule="plateau",
        lr_gamma=0.1,
        min_lr=1e-6,
        patience=5,
        monitor="val_acc",
        min_gain=0.001,
        keep="best",
        train_preprocess=GEOMETRY,
        val_preprocess=GEOMETRY,
        source="options and training loop of AIGCDetectBenchmark 5cd41a6; no augmentation in "
        "effect",
    ),
    citation="Frank et al., ICML 2020, arXiv 2003.08685, as re-implemented by AIGCDetectBenchmark, "
    "Zhong et al., arXiv 2311.12397",
    deviations=DEVIATIONS,
    notes=f"Takes {SIDE}x{SIDE} only.",
)
