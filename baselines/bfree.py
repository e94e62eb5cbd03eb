"""B-Free: bias-free training paradigm (CVPR 2025, arXiv 2412.17671).

Idea: a detector learns whatever tells its two classes apart, so the fakes it learns from are
copies of the very reals, repainted by Stable Diffusion: content, size and format agree. The
network is DINOv2 with registers, trained as a whole. At test time nothing is resized: five
windows of the map of patches are classified, and their logits averaged.
Provenance: written from a description of the released code (github grip-unina/B-Free,
c6a9f89), which is for inference only; no line of that repository is copied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines._dinov2 import PATCH, DinoBlock, DinoSizes, PatchEmbedding, final_norm
from harness.api import DetectorSpec, Deviation, InputRule, ScoreSpec, TorchDetector, Weights

VIT_B14 = DinoSizes(width=768, layers=12, grid=36, registers=4)

Place = tuple[int, int]


def window_places(height: int, width: int, side: int) -> list[Place]:
    """(top, left) of the five windows: centre, top left, bottom left, bottom right, top right.

    Args:
        height, width: of the map, in patches; at least ``side``.
    """
    low, right = height - side, width - side
    return [(low // 2, right // 2), (0, 0), (low, 0), (low, right), (0, right)]


def wrapped(cells: Tensor, side: int) -> Tensor:
    """(N, C, h, w) -> (N, C, side, side): a map with a short axis repeats itself along it.

    What is beyond ``side`` along the other axis is cut off, as the release does.
    """
    height, width = map(int, cells.shape[2:])
    down = torch.arange(side, device=cells.device) % height
    across = torch.arange(side, device=cells.device) % width
    return cells.index_select(2, down).index_select(3, across)


class BFreeNetwork(nn.Module):
    """ViT-B/14 with four registers on windows of the map of patches; (N, 1) mean logits."""

    def __init__(self, sizes: DinoSizes) -> None:
        super().__init__()
        width, self.side = sizes.width, sizes.grid
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 1e-6)
        self.reg_token = nn.Parameter(torch.randn(1, sizes.registers, width) * 1e-6)
        self.pos_embed = nn.Parameter(torch.randn(1, self.side**2, width) * 0.02)
        self.blocks = nn.ModuleList(DinoBlock(width, nn.Linear) for _ in range(sizes.layers))
        self.norm = final_norm(width)
        self.head = nn.Linear(width, 1)
        self.patch_embed = PatchEmbedding(width)

    def window_features(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 5, 768), the class token of each window.

        Windows that fall on one another, as all of a small picture do, are computed once.
        """
        cells = self.patch_embed(x)
        height, width = map(int, cells.shape[2:])  # where calls are recorded they are tensors
        if min(height, width) < self.side:
            cells = wrapped(cells, self.side)
            height = width = self.side
        places = window_places(height, width, self.side)
        seen = {place: self._class_token(cells, place) for place in dict.fromkeys(places)}
        return torch.stack([seen[place] for place in places], 1)

    def _class_token(self, cells: Tensor, place: Place) -> Tensor:
        """(N, C, h, w) -> (N, C): one window's."""
        top, left = place
        window = cells[:, :, top : top + self.side, left : left + self.side]
        patches = window.flatten(2).transpose(1, 2) + self.pos_embed
        front = torch.cat([self.cls_token, self.reg_token], 1).expand(len(cells), -1, -1)
        tokens = torch.cat([front, patches], 1)  # what is in front has no position
        for block in self.blocks:
            tokens = block(tokens)
        token: Tensor = self.norm(tokens[:, 0])
        return token

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 1): the mean of the windows' logits."""
        logits: Tensor = self.head(self.window_features(x))
        return logits.mean(1)


class BFreeDetector(TorchDetector):
    """B-Free, under ImageNet's normalisation."""

    network: BFreeNetwork
    no_places = "its network is a transformer, which scores class tokens"

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 768), the mean over the windows."""
        return self.network.window_features(self.module.normalise(images)).mean(1)


def build(sizes: DinoSizes = VIT_B14) -> BFreeDetector:
    """A detector with random weights."""
    return BFreeDetector(BFreeNetwork(sizes))


DEVIATIONS = (
    Deviation(
        what="small pictures",
        paper="padded (project page)",
        code="the map of patches is repeated, not the picture, which is the same only where a side "
        "is a multiple of 14; positions are added afterwards",
        here="as the code",
    ),
    Deviation(
        what="narrow pictures",
        paper="-",
        code="one side below 504 pixels is enough: of the other side everything beyond the first "
        "504 pixels is thrown away. A banner of 400x4000 is judged by one end",
        here="as the code",
    ),
    Deviation(
        what="large pictures",
        paper="several crops",
        code="five windows of 504x504, whatever the size: of a large picture most is unseen, and "
        "so are the last rows and columns below a whole patch",
        here="as the code",
    ),
    Deviation(
        what="equal windows",
        paper="-",
        code="the five windows of a small picture are the same and computed five times",
        here="computed once",
    ),
    Deviation(
        what="training",
        paper="51,517 reals, 309,102 repainted copies; random crops of 504; blur, JPEG, scaling, "
        "cut-out, noise, jitter",
        code="inference only; probabilities, optimiser and schedule are in the paper alone, which "
        "was not at hand",
        here="no recipe: it is scored with the published checkpoint or a given file",
    ),
    Deviation(
        what="name of the architecture",
        paper="DINOv2 with registers",
        code="named in config.yaml inside the archive only, known here by third parties' records",
        here="ViT-B/14 with 4 registers and 36x36 positions; a network of DINOv2's own 37x37 does "
        "not fit the file",
    ),
)

SPEC = DetectorSpec(
    name="bfree",
    title="B-Free",
    family="reconstruction",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": "native"},
    input_rule=InputRule(smallest=(PATCH, PATCH)),
    evaluation_size=(1024, 1024),
    weights=(
        Weights(
            name="released",
            filename="model_epoch_best.pth",
            url="https://www.grip.unina.it/download/prog/B-Free/weights/BFREE_dino2reg4.zip",
            sha256="5948ca78f4d94e820c250d24cdf155035b4a85960443800bfe6bb7f06bffe947",
            size=346_171_370,
            licence="GRIP-UNINA: free for informational and non-profit use, authors to be cited",
            trained_on="COCO train2017 (CC licences) and copies repainted by Stable Diffusion 2.1",
            note="its size and sha256 are a third party's statement; the zip's MD5 is the "
            "authors' (f3f53fa647848b16cf81c913f148a198)",
            archive="BFREE_dino2reg4.zip",
        ),
    ),
    citation="Guillaro, Zingarini, Usman, Sud, Cozzolino, Verdoliva, A Bias-Free Training Paradigm "
    "for More General AI-generated Image Detection, CVPR 2025, arXiv 2412.17671",
    deviations=DEVIATIONS,
    notes="Any size from 14x14 on. From 504x504 on a picture costs five windows, 711 G "
    "multiply-accumulates; a smaller one costs one.",
)
