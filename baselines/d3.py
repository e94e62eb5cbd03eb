"""D3: learning from discrepancy (CVPR 2025, arXiv 2404.04584).

Idea: a picture whose patches are put in random order has lost its content and kept its
artefacts. A frozen CLIP sees the picture both ways; a small attention over the two class tokens,
and one linear unit, read what differs.
Provenance: written from a description of the released code (github BigAandSmallq/D3, 14f21ad),
which has no licence; no line of that repository is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines._backbones import entries
from baselines._clip import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGE_TOWER,
    INPUT_RULE,
    SIDE,
    TEXT_SIDE,
    VIT_L14,
    ClipSizes,
    class_token,
    image_tower,
)
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
)

CELL = 14  # pixels a side, as CLIP's patches
SEED = 418  # the release's own
_IGNORED = tuple(f"model.{name}" for name in TEXT_SIDE)


def fixed_permutation(cells: int, seed: int = SEED) -> Tensor:
    """(cells,) the order that every score here uses: the first draw after the release's seed."""
    return torch.randperm(cells, generator=torch.Generator().manual_seed(seed))


def shuffled(x: Tensor, order: Tensor) -> Tensor:
    """(N, C, H, W) -> the same with its 14x14 cells in another order, row by row.

    Args:
        order: (H / 14 * W / 14,) which cell comes to each place.
    """
    rows, columns = x.shape[2] // CELL, x.shape[3] // CELL
    front = x.shape[:2]
    cells = x.reshape(*front, rows, CELL, columns, CELL).transpose(3, 4)
    moved = cells.flatten(2, 3).index_select(2, order)
    return moved.reshape(*front, rows, columns, CELL, CELL).transpose(3, 4).reshape(x.shape)


class DiscrepancyHead(nn.Module):
    """Attention over the two class tokens, and one linear unit over what it makes of both.

    Every column of the attention sums to 1: the softmax is over queries, not over keys.

    Args:
        width: of a token.
        over_keys: rows sum to 1, as attention is written elsewhere.
    """

    def __init__(self, width: int, over_keys: bool = False) -> None:
        super().__init__()
        self.axis = 2 if over_keys else 1
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.fc = nn.Linear(2 * width, 1)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02)

    def attention(self, pair: Tensor) -> Tensor:
        """(N, 2, width) -> (N, 2, 2): how much of each token goes to each place."""
        products: Tensor = self.query(pair) @ self.key(pair).transpose(1, 2)
        weights: Tensor = (products / pair.shape[2] ** 0.5).softmax(self.axis)
        return weights

    def forward(self, pair: Tensor) -> Tensor:
        """(N, 2, width), shuffled and original -> (N, 1) logits."""
        mixed = self.attention(pair) @ self.value(pair)
        logits: Tensor = self.fc(mixed.flatten(1))
        return logits


class D3Network(nn.Module):
    """A frozen image tower (``model.visual``) and the head; (N, 1) logits."""

    order: Tensor

    def __init__(self, sizes: ClipSizes, seed: int = SEED, over_keys: bool = False) -> None:
        super().__init__()
        self.model: Any = nn.Module()
        self.model.visual = image_tower(sizes)
        self.model.requires_grad_(False)
        self.attention_head = DiscrepancyHead(sizes.width, over_keys)
        with torch.device("cpu"):  # a generator's numbers, not a place's
            order = fixed_permutation((sizes.side // CELL) ** 2, seed)
        self.register_buffer("order", order, persistent=False)

    def pair(self, x: Tensor, order: Tensor | None = None) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 2, 1024): class tokens, shuffled and original.

        Taken before CLIP's projection, which no score depends on.
        """
        order = self.order if order is None else order
        visual = self.model.visual
        return torch.stack([class_token(visual, shuffled(x, order)), class_token(visual, x)], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 1) logits."""
        logits: Tensor = self.attention_head(self.pair(x))
        return logits


class D3Detector(TorchDetector):
    """D3, under CLIP's normalisation. Only the head learns."""

    network: D3Network
    no_places = "its network is a transformer, which scores class tokens"

    def __init__(self, network: D3Network) -> None:
        super().__init__(network, mean=CLIP_MEAN, std=CLIP_STD)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) in [0, 1] -> (N, 2048), shuffled and original."""
        return self.network.pair(self.module.normalise(images)).flatten(1)

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Binary cross-entropy; a new order of cells for each batch."""
        count = len(self.network.order)
        order = torch.randperm(count, generator=generator, device=generator.device)
        pair = self.network.pair(self.module.normalise(images), order.to(images.device))
        logits = self.network.attention_head(pair).flatten()
        return nn.functional.binary_cross_entropy_with_logits(logits, labels)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly this network's entries, or those of the authors' training, which hold
        the whole CLIP: its text side, no part of a score, is left out."""
        used = {name: value for name, value in state.items() if not name.startswith(_IGNORED)}
        super().load_state_dict(used)


def build(sizes: ClipSizes = VIT_L14, seed: int = SEED, over_keys: bool = False) -> D3Detector:
    """A detector with random weights; the tower is frozen, it never learns.

    Args:
        sizes: of the tower.
        seed: of the order of cells.
        over_keys: see :class:`DiscrepancyHead`.
    """
    return D3Detector(D3Network(sizes, seed, over_keys))


DEVIATIONS = (
    Deviation(
        what="order of the cells",
        paper="random",
        code="a new draw for every batch, at test time too, from a generator that the data loader "
        "shares: a score depends on batch size and order. Under the goldens' weights six orders "
        "give a standard deviation of 0.14 in the logit",
        here="one order for all scores: the first draw of torch's generator after the release's "
        "seed, 418. Training draws one for each batch, as the code",
    ),
    Deviation(
        what="attention",
        paper="-",
        code="the softmax is over queries: columns sum to 1, not rows. One head, no residual, no "
        "norm, no output projection",
        here="as the code",
    ),
    Deviation(
        what="test geometry",
        paper="-",
        code="validate_for_robustness.py, which README names, resizes to 224x224; validate.py has "
        "Ojha's centre crop, and cannot run",
        here="resized to 224x224",
    ),
    Deviation(
        what="training set",
        paper="names the generators",
        code="UniversalFakeDetect's and GenImage's sets merged; not which generators train",
        here="the images that the recipe is given",
    ),
    Deviation(
        what="end of training",
        paper="-",
        code="5 epochs in a row more than 0.001 below the reference accuracy (0.002 after the "
        "first time) divide the rate by 10; below 1e-6 training ends. model_epoch_best.pth is "
        "written anew every epoch: it is the last, not the best",
        here="5 epochs without 0.001 more; the last epoch's weights",
    ),
    Deviation(
        what="JPEG encoder of the augmentation",
        paper="-",
        code="OpenCV or PIL, at random",
        here="PIL only (OpenCV is no dependency); quality and probability as the code",
    ),
    Deviation(
        what="--shuffle, --patch_size",
        paper="-",
        code="without the first the builder returns nothing; the second is 32 in the class, 14 in "
        "the options",
        here="always shuffled, cells of 14x14, CLIP's patches",
    ),
    Deviation(
        what="mean over generators",
        paper="96.6 in-domain, 86.7 out-of-domain, 90.7 in all",
        code="each generator's files cut to its smaller class after a shuffle; broken pictures "
        "replaced by the next",
        here="all images, or --limit N, recorded",
    ),
)

ORDER = "order of the cells"
BEHAVIOURS = (
    Behaviour(name="order of seed 0", deviation=ORDER, options={"seed": 0}, random=True),
    Behaviour(name="order of seed 1", deviation=ORDER, options={"seed": 1}, random=True),
    Behaviour(
        name="softmax over keys",
        deviation="attention",
        options={"over_keys": True},
        seen="how attention is written elsewhere",
    ),
)

SPEC = DetectorSpec(
    name="d3",
    title="D3",
    family="clip",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"resize({SIDE},{SIDE})"},
    input_rule=INPUT_RULE,
    evaluation_size=(SIDE, SIDE),
    weights=(
        Weights(
            name="released",
            filename="classifier.pth",
            url="https://github.com/BigAandSmallq/D3/raw/"
            "14f21ad3797ef1e42f2f6090aa8ad4fabf07896c/ckpt/classifier.pth",
            sha256="",
            licence="none stated: all rights reserved by default",
            trained_on="UniversalFakeDetect's and GenImage's training sets merged; which "
            "generators is not said in the code",
            note="the head only, about 12.6 MB, on OpenAI's CLIP; `git hash-object` of the file "
            "gives 06d99cf7212cf5c5dc81df87de6b691d4ccbc67f, its sha256 is not known here",
            mapping=entries(under="attention_head."),
            also=(IMAGE_TOWER,),
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
        keep="last",
        start=IMAGE_TOWER.name,
        train_preprocess="resize(256)|gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)|"
        f"random_crop({SIDE})|hflip(0.5)",
        val_preprocess=f"resize({SIDE},{SIDE})",
        source="README's command and options of D3 14f21ad",
    ),
    pretrained=(IMAGE_TOWER,),
    needs_pretrained=True,
    requires=("clip",),
    citation="Yang, Qian, Zhu, Russakovsky, Wu, D^3: Scaling Up Deepfake Detection by Learning "
    "from Discrepancy, CVPR 2025, arXiv 2404.04584",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="224x224 only. Two passes of the tower a picture. Two files: the head and OpenAI's "
    "ViT-L-14.pt (about 0.9 GB), which training starts from. 3,150,849 parameters are trained.",
)
