"""PatchCraft: rich against poor texture (arXiv 2311.12397), also called RPTC.

Idea: generators paint rich texture less well than smooth areas, where their noise differs least.
Of many small crops the smoothest and the richest make a mosaic each; high-pass filters turn both
into residuals, and a small network reads their difference.
Provenance: written from a description of the port in github mever-team/sidbench b33f51c, which
loads the authors' file; no line of it is copied, and the authors' own code was not at hand.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines._srm import srm_filters
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    PooledNetwork,
    ScoreSpec,
    TorchDetector,
    Weights,
)

SIDE = 32  # of a crop, pixels
ROWS = 8  # crops in a row of a mosaic, and rows
CROPS = 192
SEED = 0
LIMIT = 5.0

_ALL, _UP, _DOWN = slice(None), slice(None, -1), slice(1, None)
_DIRECTIONS = (
    ((_ALL, _UP, _ALL), (_ALL, _DOWN, _ALL)),
    ((_ALL, _ALL, _UP), (_ALL, _ALL, _DOWN)),
    ((_ALL, _UP, _UP), (_ALL, _DOWN, _DOWN)),
    ((_ALL, _DOWN, _UP), (_ALL, _UP, _DOWN)),
)


def crop_places(
    height: int, width: int, seed: int = SEED, side: int = SIDE
) -> list[tuple[int, int]]:
    """Top and left of 192 random crops, as torchvision draws them from that seed.

    Args:
        height, width: of the picture, pixels, ``side`` at least.
        seed: of torch's generator.
        side: of a crop, pixels.
    """
    source = torch.Generator().manual_seed(seed)
    sizes = (height - side + 1, width - side + 1)
    draws = [
        int(torch.randint(0, size, (1,), generator=source)) for _ in range(CROPS) for size in sizes
    ]
    return list(zip(draws[::2], draws[1::2], strict=True))


def fluctuation(crop: Tensor) -> float:
    """How much neighbours differ: down, across, and along both diagonals.

    Args:
        crop: (3, H, W), contiguous: the sums' last bits decide between crops that are nearly
            equal.
    """
    total = 0.0
    for one, other in _DIRECTIONS:
        total += float((crop[one] - crop[other]).abs().sum())
    return total


def mosaics(image: Tensor, seed: int = SEED, side: int = SIDE) -> Tensor:
    """(3, H, W) in [0, 1] -> (2, 3, 8 * side, 8 * side): the smoothest crops, row by row, and the
    richest."""
    pixels = image.detach().cpu()
    places = crop_places(image.shape[1], image.shape[2], seed, side)
    crops = [pixels[:, y : y + side, x : x + side].contiguous() for y, x in places]
    ranked = sorted(crops, key=fluctuation)
    count = ROWS * ROWS
    pair = [_tiled(ranked[:count]), _tiled(ranked[: -count - 1 : -1])]
    return torch.stack(pair).to(image)


def _tiled(crops: list[Tensor]) -> Tensor:
    side = crops[0].shape[1]
    grid = torch.stack(crops).view(ROWS, ROWS, 3, side, side)
    return grid.permute(2, 0, 3, 1, 4).reshape(3, ROWS * side, ROWS * side)


class HighPass(nn.Module):
    """The 30 fixed filters on each colour alone: (N, 3, H, W) -> (N, 90, H, W), red's first."""

    def __init__(self) -> None:
        super().__init__()
        self.hpf = nn.Conv2d(1, 30, 5, padding=2, bias=False)
        self.hpf.weight.requires_grad_(False)
        self.hpf.weight.data = srm_filters()[:, None].to(self.hpf.weight)

    def forward(self, x: Tensor) -> Tensor:
        """What the filters leave."""
        number, colours, height, width = x.shape
        alone: Tensor = self.hpf(x.reshape(number * colours, 1, height, width))
        return alone.reshape(number, colours * 30, height, width)


def _group(blocks: int, shrink: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(blocks):
        layers += [nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
    if shrink:
        layers.append(nn.AvgPool2d(3, stride=2, padding=1))
    return nn.Sequential(*layers)


class PatchCraftNetwork(PooledNetwork):
    """(N, 3, H, W) in [0, 1] -> (N, 1) logits; both sides 32 at least.

    Args:
        seed: of each picture's crops.
        side: of a crop, pixels.
        limit: of the first block.
        rich_first: the difference is rich minus poor, not poor minus rich.
    """

    def __init__(self, seed: int, side: int, limit: float, rich_first: bool) -> None:
        super().__init__()
        self.seed, self.side = seed, side
        self.sign = -1 if rich_first else 1
        self.group1 = HighPass()
        self.group1_b = nn.Sequential(
            nn.Conv2d(90, 32, 3, padding=1), nn.BatchNorm2d(32), nn.Hardtanh(-limit, limit)
        )
        self.group2 = _group(4, shrink=True)
        self.group3 = _group(2, shrink=True)
        self.group4 = _group(2, shrink=True)
        self.group5 = _group(2, shrink=False)
        self.fc2 = nn.Linear(32, 1)

    @property
    def fc1(self) -> nn.Linear:  # type: ignore[override]
        """The last layer, which the release calls ``fc2``."""
        return self.fc2

    def contrast(self, pairs: Tensor) -> Tensor:
        """(N, 2, 3, 256, 256), poor and rich -> (N, 32, 32, 32), the last map."""
        poor, rich = (self.group1_b(self.group1(pairs[:, which])) for which in (0, 1))
        cells: Tensor = self.group5(
            self.group4(self.group3(self.group2(self.sign * (poor - rich))))
        )
        return cells

    def cells(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 32, 32, 32); a cell is a place of the mosaics, not of the picture."""
        return self.contrast(torch.stack([mosaics(image, self.seed, self.side) for image in x]))


class PatchCraftDetector(TorchDetector):
    """PatchCraft; it sees plain [0, 1] pixels. Its options are those of the network."""

    network: PatchCraftNetwork
    no_places = "its network sees a mosaic of ranked crops, not the picture"

    def __init__(
        self,
        seed: int = SEED,
        side: int = SIDE,
        limit: float = LIMIT,
        rich_first: bool = False,
    ) -> None:
        network = PatchCraftNetwork(seed, side, limit, rich_first)
        super().__init__(network, mean=0.0, std=1.0)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 32)."""
        return self.network.features(self.module.normalise(images))


DEVIATIONS = (
    Deviation(
        what="random crops",
        paper="192 random crops",
        code="drawn from torch's global generator: the score is random, by as much as pictures "
        "differ; nothing is averaged",
        here=f"each picture's crops are those of seed {SEED}, whatever came before it",
    ),
    Deviation(
        what="pictures below 32",
        paper="-",
        code="resized to 32x32; all 192 crops are then one",
        here="refused; --preprocess 'resize(32,32)' does the same",
    ),
    Deviation(
        what="order of the difference",
        paper="its figure has rich minus poor",
        code="poor minus rich",
        here="as the code",
    ),
    Deviation(
        what="limit of the first block",
        paper="Hardtanh",
        code="clamps to -5 and 5; a truncation at 3 is defined and never applied",
        here="as the code",
    ),
    Deviation(
        what="side of a mosaic",
        paper="256",
        code="256 in the authors' options; the port takes its crop size, 224 by default, which "
        "makes crops of 28",
        here="256",
    ),
    Deviation(
        what="training",
        paper="Adam 1e-3, batch 32; JPEG 70 to 100, blur up to 1, down-sampling to 0.25 to 0.5, "
        "each with probability 0.1; no number of epochs",
        code="not released; a copy of its options has batch 64 and beta1 0.1",
        here="not trained here",
    ),
    Deviation(
        what="another project of this name",
        paper="-",
        code="ZhengHongChuang/PatchCraft_pytorch resizes to 512, filters 8-bit gray pictures and "
        "does not run as released",
        here="not followed",
    ),
)

BEHAVIOURS = (
    Behaviour(name="crops of seed 1", deviation="random crops", options={"seed": 1}, random=True),
    Behaviour(name="crops of seed 42", deviation="random crops", options={"seed": 42}, random=True),
    Behaviour(
        name="rich minus poor", deviation="order of the difference", options={"rich_first": True}
    ),
    Behaviour(name="truncated at 3", deviation="limit of the first block", options={"limit": 3.0}),
    Behaviour(
        name="crops of 28 pixels",
        deviation="side of a mosaic",
        options={"side": 28},
        seen="SIDBench's crop size of 224",
        random=True,
    ),
)

SPEC = DetectorSpec(
    name="patchcraft",
    title="PatchCraft",
    family="local artefact",
    build=PatchCraftDetector,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "native"},
    input_rule=InputRule(smallest=(SIDE, SIDE)),
    weights=(
        Weights(
            name="released",
            filename="RPTC.pth",
            url="https://modelscope.cn/datasets/aemilia/AIGCDetectionBenchMark",
            sha256="c1c9612cc47215d7c4cbdc5ddff52a4312519d697fd0830ce478f63f58e733fd",
            licence="none found",
            trained_on="ForenSynths train: ProGAN and LSUN, all 20 classes",
            note="the sha256 is a third party's record, not the authors' word; sidbench's bundle "
            "holds the same file as weights/rptc/RPTC.pth",
            inside="netC",
        ),
    ),
    citation="Zhong et al., PatchCraft: Exploring Texture Patch for Efficient AI-generated Image "
    "Detection, arXiv 2311.12397",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="Takes every size from 32x32, at its own resolution: large pictures are seen in full "
    "detail, resized ones are not comparable.",
)
