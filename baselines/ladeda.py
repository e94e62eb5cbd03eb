"""LaDeDa: locally aware deepfake detection (arXiv 2406.09398).

Idea: what betrays a generator fits into a few pixels. A ResNet-50 in which only three convolutions
see more than one pixel scores every 9x9 patch; the picture's logit is the patches' mean.
Provenance: written from a description of the released network (github
barcavia/RealTime-DeepfakeDetection-in-the-RealWorld, e734562, and its pull request 5); no line of
that repository is copied.
"""

from __future__ import annotations

from torch import Tensor, nn

from baselines._ladeda import LICENCE, SIDE, PatchScored, front_end, square_and_even
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    PooledDetector,
    Recipe,
    ScoreSpec,
    Weights,
)

EXPANSION = 4


class NarrowBottleneck(nn.Module):
    """A bottleneck without padding, whose shortcut is cut to fit, below and at the right.

    Args:
        inputs, planes: channels in, and inside; four times as many come out.
        kernel: of the middle convolution, which has the stride.
    """

    def __init__(self, inputs: int, planes: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        outputs = EXPANSION * planes
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel, stride=stride, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, 4 * planes, about H / stride, about W / stride)."""
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.relu(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        shortcut = self.downsample(x)[:, :, : branch.shape[2], : branch.shape[3]]
        added: Tensor = self.relu(branch + shortcut)
        return added


def _stage(inputs: int, planes: int, blocks: int, kernel: int, stride: int) -> nn.Sequential:
    rest = (NarrowBottleneck(EXPANSION * planes, planes) for _ in range(blocks - 1))
    return nn.Sequential(NarrowBottleneck(inputs, planes, kernel, stride), *rest)


class LaDeDaNetwork(PatchScored):
    """LaDeDa-9: normalised (N, 3, S, S), S even -> (N, 1) logits.

    Args:
        front: what the first layer sees, one of ``baselines._ladeda.FRONT_ENDS``.
    """

    def __init__(self, front: str) -> None:
        super().__init__(front)
        self.conv1 = nn.Conv2d(3, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 64, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64, momentum=0.001)
        self.relu = nn.ReLU()
        self.layer1 = _stage(64, 64, 3, kernel=3, stride=2)
        self.layer2 = _stage(256, 128, 4, kernel=3, stride=2)
        self.layer3 = _stage(512, 256, 6, kernel=1, stride=2)
        self.layer4 = _stage(1024, 512, 3, kernel=1, stride=1)
        self.fc = nn.Linear(2048, 1)
        self.initialise()

    def cells(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, 2048, about S / 8, about S / 8), a cell for each 9x9 patch."""
        x = self.relu(self.bn1(self.conv2(self.conv1(front_end(self.front, x)))))
        cells: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return cells


class LaDeDaDetector(PooledDetector):
    """LaDeDa-9 behind ImageNet's normalisation."""

    def __init__(self, front: str = "npr_two_thirds") -> None:
        super().__init__(LaDeDaNetwork(front))


VARIANTS = {"forensynths": {"front": "npr_two_thirds"}, "wildrf": {"front": "npr"}}
DRIVE = "https://drive.google.com/drive/folders/1KxNdnPRJJTuqxmzBPiGsg43tXzO8AN2d"

DEVIATIONS = (
    Deviation(
        what="front end of each file",
        paper="NPR",
        code="NPR without a factor; ForenSynth_LaDeDa.pth was trained with NPR's code, which "
        "multiplies by 2/3 (the authors, issue 3; pull request 5), WildRF_LaDeDa.pth was not",
        here="the file's entry decides; another one's variant is refused",
    ),
    Deviation(
        what="the same file elsewhere",
        paper="-",
        code="DetectZoo 0.1.4 leaves the 2/3 out: WildRF accuracies fall from 74.7, 70.3, 59.9 to "
        "63.5, 52.2, 49.6 (issue 3)",
        here="with 2/3",
    ),
    Deviation(
        what="the released network file",
        paper="-",
        code="does not parse; pull request 5 repairs its builders. test.py builds LaDeDa-9 only "
        "and takes its paths from a configuration file",
        here="written from a description; goldens ran the unchanged class",
    ),
    Deviation(
        what="train and test size",
        paper="not described in the abstract, which alone was at hand",
        code="trained and validated on 224 crops of 256x256, tested on whole 256x256",
        here="as the code",
    ),
    Deviation(
        what="sizes",
        paper="-",
        code="everything is resized to 256x256, so pictures lose their aspect; other shapes raise",
        here="the same; the embedded suite's tiles are scored as they are",
    ),
    Deviation(
        what="end of training",
        paper="not known",
        code="15 epochs without gain multiply the rate by 0.9 (its message says 10); below 1e-6 "
        "training ends, at the latest after 1000 epochs",
        here="the same",
    ),
    Deviation(
        what="augmentation",
        paper="not known",
        code="blur and JPEG are built and never applied",
        here="none",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="without NPR's 2/3",
        deviation="the same file elsewhere",
        options={"front": "npr"},
        seen="barcavia/RealTime-DeepfakeDetection-in-the-RealWorld issue 3",
    ),
    Behaviour(
        name="with NPR's 2/3",
        deviation="front end of each file",
        options={"front": "npr_two_thirds"},
        seen="barcavia/RealTime-DeepfakeDetection-in-the-RealWorld pull request 5",
    ),
    Behaviour(
        name="no front end",
        deviation="front end of each file",
        options={"front": "raw"},
    ),
)

SPEC = DetectorSpec(
    name="ladeda",
    title="LaDeDa",
    family="local artefact",
    build=LaDeDaDetector,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"resize({SIDE},{SIDE})", "mini": "native"},
    input_rule=square_and_even(10),
    variants=VARIANTS,
    weights=(
        Weights(
            name="forensynths",
            filename="ForenSynth_LaDeDa.pth",
            url=DRIVE,
            sha256="",
            licence=LICENCE,
            trained_on="ForenSynths train: ProGAN and LSUN, all 20 classes",
            note="about 54.8 MB, in a folder of two; scored with NPR x 2/3",
            variant="forensynths",
        ),
        Weights(
            name="wildrf",
            filename="WildRF_LaDeDa.pth",
            url=DRIVE,
            sha256="",
            licence=LICENCE,
            trained_on="WildRF train: pictures of Reddit",
            note="about 54.8 MB, in a folder of two; scored with NPR x 1",
            variant="wildrf",
        ),
    ),
    recipe=Recipe(
        epochs=1000,
        batch_size=32,
        lr=2e-4,
        schedule="plateau",
        lr_gamma=0.9,
        min_lr=1e-6,
        patience=15,
        monitor="val_acc",
        keep="best",
        train_preprocess=f"resize({SIDE},{SIDE})|random_crop(224)|hflip(0.5)",
        val_preprocess=f"resize({SIDE},{SIDE})|center_crop(224)",
        source="README and networks/trainer.py of github "
        "barcavia/RealTime-DeepfakeDetection-in-the-RealWorld e734562; ForenSynths ProGAN, "
        "20 classes, or WildRF",
    ),
    citation="Cavia et al., Real-Time Deepfake Detection in the Real-World, arXiv 2406.09398",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="Squares of even sides, from 10x10. The variant is the front end: NPR x 2/3 "
    "(forensynths) or NPR (wildrf); a published file says its own.",
)
