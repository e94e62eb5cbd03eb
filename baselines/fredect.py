"""FreDect: ResNet-50 on the log-DCT, the re-implementation of Frank that benchmarks usually run.

Idea: Frank's features (``frank``), standardised per coefficient, in front of a large network.
Provenance: written from a description of github Ekko-zn/AIGCDetectBenchmark (5cd41a6), to which
SIDBench is equal; no line of them is copied.
"""

from __future__ import annotations

from baselines._backbones import resnet50
from baselines._frank import SpectralDetector, SpectralNetwork, only
from harness.api import DetectorSpec, Deviation, Recipe, ScoreSpec, Weights

SIDE = 224
GEOMETRY = f"resize(256)|center_crop({SIDE})"


def build() -> SpectralDetector:
    """A detector with untrained weights."""
    return SpectralDetector(SpectralNetwork(resnet50(), SIDE), SIDE)


def published_name(name: str) -> str:
    """The published ResNet-50's names -> ours; the statistics have our names already."""
    return name if name.startswith("standardise.") else f"net.{name}"


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
        here="during the first epoch, batch by batch; complete and exact after it",
    ),
    Deviation(
        what="end of training",
        paper="-",
        code="until the validation accuracy has not risen for 5 epochs, then a tenth of the rate, "
        "down to 1e-6",
        here="a fixed number of epochs at one rate",
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
            size=0,
            licence="none stated (github Ekko-zn/AIGCDetectBenchmark)",
            trained_on="ForenSynths train: ProGAN and LSUN",
            note="the statistics are separate files of that repository (mean and variance, "
            "3x224x224): add them as standardise.mean, standardise.variance, standardise.count",
            mapping=published_name,
        ),
    ),
    recipe=Recipe(
        epochs=20,
        batch_size=64,
        lr=1e-4,
        train_preprocess=GEOMETRY,
        val_preprocess=GEOMETRY,
        source="AIGCDetectBenchmark 5cd41a6: Adam 1e-4, batch 64, no augmentation in effect, early "
        "stop (deviations); the number of epochs is ours",
    ),
    citation="Frank et al., ICML 2020, arXiv 2003.08685, as re-implemented by AIGCDetectBenchmark, "
    "Zhong et al., arXiv 2311.12397",
    deviations=DEVIATIONS,
    notes=f"Takes {SIDE}x{SIDE} only.",
)
