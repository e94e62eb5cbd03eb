"""FerretNet: local pixel dependencies (NeurIPS 2025, arXiv 2509.20890).

Idea: a generator's pixels depend on their neighbours otherwise than a camera's. Every pixel is
guessed by a median of its neighbours, the guess is subtracted, and a small network of depth-wise
and dilated convolutions reads what is left.
Provenance: written from a description of the released code (github xigua7105/FerretNet, e92796c);
no line of that repository is copied.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from baselines._clip import CLIP_MEAN, CLIP_STD
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    PooledDetector,
    PooledNetwork,
    Recipe,
    ScoreSpec,
    Weights,
)

SIDE = 256


def _sorted_four(values: list[Tensor]) -> list[Tensor]:
    """Four tensors, sorted elementwise, the smallest first."""
    for i, j in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        low, high = torch.minimum(values[i], values[j]), torch.maximum(values[i], values[j])
        values[i], values[j] = low, high
    return values


def neighbour_median(x: Tensor, kind: str = "median") -> Tensor:
    """The median of each pixel's eight neighbours and one zero, channel by channel.

    That is a zero held between the fourth and the fifth of the eight. Beyond the border there are
    zeros. Equal to ``torch.median`` over the nine numbers, and ten times as fast.

    Args:
        x: (N, C, H, W), normalised, so that zero is a mean gray.
        kind: in place of ``median``, ``excmed``: of the eight neighbours alone (the lower of the
            two in the middle), or ``retmed``: of the neighbours and the pixel itself.
    """
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    ends = ((0, -2), (1, -1), (2, None))
    near = [padded[:, :, top:bottom, left:right] for top, bottom in ends for left, right in ends]
    del near[4]
    one, two = _sorted_four(near[:4]), _sorted_four(near[4:])
    pairs = list(zip(one, reversed(two), strict=True))
    fourth = reduce(torch.maximum, [torch.minimum(a, b) for a, b in pairs])
    fifth = reduce(torch.minimum, [torch.maximum(a, b) for a, b in pairs])
    if kind == "excmed":
        return fourth
    held = torch.maximum(fourth, x) if kind == "retmed" else nn.functional.relu(fourth)
    return torch.minimum(held, fifth)


class TwoReaches(nn.Module):
    """A 3x3 and a dilated 3x3 convolution, group by group, added; then mixed by a 1x1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        shared = {"stride": stride, "groups": inputs, "bias": False}
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, **shared)  # type: ignore[arg-type]
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=2, dilation=2, **shared)  # type: ignore[arg-type]
        self.conv3 = nn.Conv2d(outputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, about H / stride, about W / stride)."""
        mixed: Tensor = self.conv3(self.conv1(x) + self.conv2(x))
        return mixed


class Separable(nn.Module):
    """A depth-wise 3x3 and a 1x1 convolution, nothing between them; as many channels out as in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depth_wise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.point_wise = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        mixed: Tensor = self.point_wise(self.depth_wise(x))
        return mixed


class FerretBlock(nn.Module):
    """Two reaches and a separable convolution beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            TwoReaches(inputs, outputs, stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            Separable(outputs),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, about H / stride, about W / stride)."""
        return nn.functional.relu(self.layers(x) + self.shortcut(x))


def _stem(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class FerretNetwork(PooledNetwork):
    """Normalised (N, 3, H, W) -> (N, 1) logits.

    Args:
        width: channels after the stem: 32 is S, 96 is B.
        median: see :func:`neighbour_median`.
    """

    def __init__(self, width: int, median: str) -> None:
        super().__init__()
        self.median = median
        self.cbr1 = _stem(3, width // 2, 1)
        self.cbr2 = _stem(width // 2, width, 2)
        self.feature = nn.Sequential(
            nn.Sequential(FerretBlock(width, 2 * width, 2), FerretBlock(2 * width, 2 * width, 1)),
            nn.Sequential(
                FerretBlock(2 * width, 4 * width, 2), FerretBlock(4 * width, 4 * width, 1)
            ),
            nn.Conv2d(4 * width, 4 * width, 1, bias=False),
        )
        self.logit = nn.Sequential(nn.Dropout(0.2), nn.Linear(4 * width, 1))

    @property
    def fc1(self) -> nn.Linear:  # type: ignore[override]
        """The linear unit, which the release calls ``logit.1``."""
        unit: nn.Linear = self.logit[1]  # type: ignore[assignment]
        return unit

    def cells(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 4 * width, about H / 8, about W / 8)."""
        cells: Tensor = self.feature(self.cbr2(self.cbr1(x - neighbour_median(x, self.median))))
        return cells

    def forward(self, x: Tensor) -> Tensor:
        """The logit of each image; dropout in front of the linear unit acts in training."""
        logits: Tensor = self.logit(self.features(x))
        return logits


class FerretNetDetector(PooledDetector):
    """FerretNet behind CLIP's normalisation, which decides what the median's zero means."""

    def __init__(self, width: int = 32, median: str = "median") -> None:
        super().__init__(FerretNetwork(width, median), mean=CLIP_MEAN, std=CLIP_STD)


VARIANTS = {"s": {"width": 32}, "b": {"width": 96}}
RAW = (
    "https://github.com/xigua7105/FerretNet/raw/"
    "e92796c1a2fb07ccc57ecd7e718e6dce067be5fa/checkpoints/4cls_ckpt"
)
LICENCE = "Apache-2.0 (repository; no statement of its own for weights)"
TRAINED_ON = "ForenSynths train: ProGAN and LSUN, classes car, cat, chair, horse"

DEVIATIONS = (
    Deviation(
        what="the median",
        paper="its body was not at hand",
        code="the option `median` puts a zero in the centre's place and takes the fifth of nine; "
        "leaving the centre out (`excmed`) and keeping it (`retmed`) are other options",
        here="the option `median`, which both published files are of",
    ),
    Deviation(
        what="what zero means",
        paper="its body was not at hand",
        code="the median sees the normalised tensor: centre and border are mean gray, not black",
        here="as the code",
    ),
    Deviation(
        what="test geometry",
        paper="its body was not at hand",
        code="the tester crops 256 from the middle and pads smaller pictures with black; the demo "
        "scores whole pictures, and gives other numbers",
        here="the tester's; the demo's by --preprocess native, recorded",
    ),
    Deviation(
        what="precision of the test",
        paper="-",
        code="mixed precision (float16 on CUDA) is on in the released configuration",
        here="float32",
    ),
    Deviation(
        what="choice of the published epoch",
        paper="its body was not at hand",
        code="from epoch 50 on every epoch is tested on ForenSynths' test folders, and the best by "
        "mean accuracy and by mean AP are kept",
        here="training keeps the epoch that is best on the validation set; the published files are "
        "the authors' choice on a test set",
    ),
    Deviation(
        what="mixed precision in training",
        paper="-",
        code="float16 with a scaled gradient",
        here="float32",
    ),
    Deviation(
        what="size of a training picture",
        paper="-",
        code="a picture smaller than the 224 crop is an error",
        here="the same",
    ),
    Deviation(
        what="loading a checkpoint",
        paper="-",
        code="copies the names that match and leaves the others random; a printed count tells",
        here="strict",
    ),
    Deviation(
        what="the printed cost",
        paper="2.38G FLOPs, 1.06M parameters, its README 1.1M",
        code="thop's count of B at 256; S has 126,289 parameters and no published accuracy",
        here="each as counted; no counter sees the median",
    ),
)

MEDIAN = "options of github xigua7105/FerretNet"
BEHAVIOURS = (
    Behaviour(name="excmed", deviation="the median", options={"median": "excmed"}, seen=MEDIAN),
    Behaviour(name="retmed", deviation="the median", options={"median": "retmed"}, seen=MEDIAN),
)

SPEC = DetectorSpec(
    name="ferretnet",
    title="FerretNet",
    family="local artefact",
    build=FerretNetDetector,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"center_crop({SIDE})", "mini": "native"},
    variants=VARIANTS,
    weights=(
        Weights(
            name="s",
            filename="ferretnet-s-median-3.pth",
            url=f"{RAW}/ferretnet-s-median-3.pth",
            sha256="5604ab1ade78dc615181b7d014242bf26f7bc5e2bc82351e6e8d42ce5f28f485",
            size=544_441,
            licence=LICENCE,
            trained_on=TRAINED_ON,
            note="S; chosen by its authors on ForenSynths' test folders; their tables are B's",
            variant="s",
        ),
        Weights(
            name="b",
            filename="ferretnet-b-median-3.pth",
            url=f"{RAW}/ferretnet-b-median-3.pth",
            sha256="",
            licence=LICENCE,
            trained_on=TRAINED_ON,
            note="B; chosen by its authors on ForenSynths' test folders",
            variant="b",
        ),
    ),
    recipe=Recipe(
        epochs=100,
        batch_size=32,
        lr=2e-4,
        betas=(0.937, 0.999),
        weight_decay=5e-4,
        monitor="val_acc",
        keep="best",
        train_preprocess="random_crop(224)|hflip(0.5)",
        val_preprocess=f"center_crop({SIDE})",
        source="configs/cfgs/FerretNet-S-Median-3.yaml and -B- of github xigua7105/FerretNet "
        "e92796c; ForenSynths ProGAN, 4 classes",
    ),
    citation="Liang et al., FerretNet: Efficient Synthetic Image Detection via Local Pixel "
    "Dependencies, NeurIPS 2025, arXiv 2509.20890",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="Takes every size; smaller images are padded with black by the centre crop, and their "
    "edges then show. S (126,289 parameters) and B (1,057,777) are variants; a published file says "
    "which it is.",
)
