"""RINE: representations from intermediate encoder-blocks (ECCV 2024, arXiv 2402.19091).

Idea: what betrays a generator is low-level, and CLIP's last layer has forgotten it. The class
token of every block of a frozen ViT-L/14 goes through a small network; a learned weight for each
block and feature sums them up.
Provenance: written from a description of the released code (github mever-team/rine, 9b7fd58); no
line of that repository is copied.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from baselines._clip import (
    CLIP_MEAN,
    CLIP_STD,
    OPENAI,
    SIDE,
    VIT_L14,
    ClipSizes,
    image_tower,
)
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
    five_crops,
)

DROPOUT = 0.5
TEMPERATURE = 0.07


def image_side(name: str) -> str | None:
    """OpenAI's names -> those of :class:`RineNetwork`, which has no text side."""
    return f"clip.{name}" if name.startswith("visual.") else None


TOWER = replace(OPENAI, mapping=image_side)


def ten_crops(x: Tensor, side: int) -> Tensor:
    """Four corners, the middle, and the same of the mirror image: (10 * N, 3, side, side).

    Args:
        x: (N, 3, H, W), neither side shorter than ``side``; crops of one picture are 10 rows.
    """
    crops = [*five_crops(x, side), *five_crops(x.flip(3), side)]
    return torch.stack(crops, 1).flatten(0, 1)


def contrastive(vectors: Tensor, labels: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020), a mean over the batch.

    A vector whose class has no other in the batch adds nothing.

    Args:
        vectors: (N, D) of unit length.
        labels: (N,).
    """
    apart = ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    alike = (labels[:, None] == labels[None]) & apart
    logits = vectors @ vectors.T / TEMPERATURE
    chances = logits - logits.masked_fill(~apart, -torch.inf).logsumexp(1, keepdim=True)
    means = (chances * alike).sum(1) / alike.sum(1).clamp(min=1)
    return -means.mean()


def _projection(inputs: int, width: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Dropout(DROPOUT)]
    for number in range(depth):
        first = nn.Linear(width if number else inputs, width)
        layers += [first, nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers)


class RineNetwork(nn.Module):
    """Normalised (N, 3, H, W) -> (N, 1) logits; both sides 224 at least.

    A picture of 224x224 is scored as it is, of a larger one the mean of :func:`ten_crops`.

    Args:
        depth: linear layers of either projection.
        width: of the projections.
        sizes: of CLIP's image tower, which is frozen.
        after: the class token of each block's own output, not what its second norm gives.
    """

    def __init__(self, depth: int, width: int, sizes: ClipSizes, after: bool) -> None:
        super().__init__()
        self.side = sizes.side
        self.after = after
        self.alpha = nn.Parameter(torch.randn(1, sizes.layers, width))
        self.clip: Any = nn.Module()
        self.clip.visual = image_tower(sizes).requires_grad_(False)
        self.proj1 = _projection(sizes.width, width, depth)
        self.proj2 = _projection(width, width, depth)
        hidden = (nn.Linear(width, width), nn.ReLU(), nn.Dropout(DROPOUT))
        more = (nn.Linear(width, width), nn.ReLU(), nn.Dropout(DROPOUT))
        self.head = nn.Sequential(*hidden, *more, nn.Linear(width, 1))

    def tokens(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) -> (N, blocks, 1024): each block's class token after its second norm.

        That is in front of the block's MLP, so the last block's MLP and what follows the blocks
        are never computed.
        """
        if self.after:
            return self._outputs(x)
        tower = self.clip.visual
        x, found = tower._embeds(x), []
        for block in tower.transformer.resblocks:
            x = x + block.attention(block.ln_1(x))
            normed = block.ln_2(x)
            found.append(normed[:, 0])
            if len(found) < len(tower.transformer.resblocks):
                x = x + block.mlp(normed)
        return torch.stack(found, 1)

    def _outputs(self, x: Tensor) -> Tensor:
        x, found = self.clip.visual._embeds(x), []
        for block in self.clip.visual.transformer.resblocks:
            x = block(x)
            found.append(x[:, 0])
        return torch.stack(found, 1)

    def summed(self, tokens: Tensor) -> Tensor:
        """(N, blocks, 1024) -> (N, width): weighted over blocks, feature by feature, projected."""
        weights = self.alpha.softmax(1)
        vectors: Tensor = self.proj2((weights * self.proj1(tokens)).sum(1))
        return vectors

    def views(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N or 10 * N, 3, 224, 224), what the tower is given."""
        return x if x.shape[2:] == (self.side, self.side) else ten_crops(x, self.side)

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, width), the mean over its views."""
        vectors = self.summed(self.tokens(self.views(x)))
        return vectors.reshape(len(x), -1, vectors.shape[1]).mean(1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1), the mean of its views' logits."""
        logits = self.head(self.summed(self.tokens(self.views(x))))
        mean: Tensor = logits.reshape(len(x), -1).mean(1, keepdim=True)
        return mean


class RineDetector(TorchDetector):
    """RINE behind CLIP's normalisation; only what follows the tower is trained.

    Args:
        depth, width, sizes, after: see :class:`RineNetwork`.
        factor: weight of the contrastive loss.
    """

    network: RineNetwork
    no_places = "its network is a transformer, which scores class tokens"

    def __init__(
        self,
        depth: int = 2,
        width: int = 1024,
        factor: float = 0.2,
        sizes: ClipSizes = VIT_L14,
        after: bool = False,
    ) -> None:
        super().__init__(RineNetwork(depth, width, sizes, after), mean=CLIP_MEAN, std=CLIP_STD)
        self.factor = factor

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, width)."""
        return self.network.features(self.module.normalise(images))

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Summed cross-entropy and ``factor`` times the contrastive loss, both over N.

        The release does not divide by N. Adam's steps are the same.
        """
        vectors = self.embed(images)
        cross = nn.functional.binary_cross_entropy_with_logits(
            self.network.head(vectors).flatten(), labels, reduction="sum"
        )
        pull = contrastive(nn.functional.normalize(vectors, dim=1), labels)
        return (cross + self.factor * pull) / len(images)


VARIANTS: dict[str, dict[str, object]] = {
    "4class": {"depth": 2, "width": 1024, "factor": 0.2},
    "2class": {"depth": 4, "width": 128, "factor": 0.2},
    "1class": {"depth": 4, "width": 1024, "factor": 0.1},
    "ldm": {"depth": 4, "width": 1024, "factor": 0.4},
}


def _head(variant: str, trained_on: str, sha256: str = "", size: int = 0) -> Weights:
    """A published file: everything but CLIP's tower."""
    return Weights(
        name=variant,
        filename=f"rine_model_{variant}_trainable.pth",
        url="https://github.com/mever-team/rine/raw/"
        f"9b7fd5857cc205d0412be6aeee0d7611b95bd620/ckpt/model_{variant}_trainable.pth",
        sha256=sha256,
        size=size,
        licence="Apache-2.0 (repository; no statement of its own for weights)",
        trained_on=trained_on,
        note="what follows the tower only, on OpenAI's CLIP; its hyper-parameters and its epoch "
        "were chosen on the test sets",
        variant=variant,
        also=(TOWER,),
    )


PROGAN = "ForenSynths train: ProGAN and LSUN, "

DEVIATIONS = (
    Deviation(
        what="which class token",
        paper="the class token of each block",
        code="what the block's second norm gives: after the attention, before the MLP",
        here="as the code; the block's own output scores otherwise",
    ),
    Deviation(
        what="the end of the tower",
        paper="-",
        code="the last block's MLP, the last norm and the projection are computed and not used",
        here="not computed; their entries are loaded",
    ),
    Deviation(
        what="choice of hyper-parameters",
        paper="not at hand",
        code="factor, depth, width, epochs and the best model by accuracy and AP on the test sets",
        here="the published choice; training here keeps the last epoch",
    ),
    Deviation(
        what="scale of the loss",
        paper="-",
        code="cross-entropy is summed over the batch, the contrastive loss is a mean, so the rate "
        "and the factor belong to batches of 128",
        here="the same, divided by the batch; Adam's steps do not change",
    ),
    Deviation(
        what="epochs",
        paper="not at hand",
        code="1 for the ProGAN models, 5 for the LDM model",
        here="1; for the variant ldm --epochs 5",
    ),
    Deviation(
        what="JPEG of the augmentation",
        paper="not at hand",
        code="OpenCV or PIL, quality 30 or 100 only",
        here="PIL, a quality from 30 to 100",
    ),
    Deviation(
        what="training pictures below 224",
        paper="-",
        code="an error",
        here="padded with black",
    ),
    Deviation(
        what="test views",
        paper="not at hand",
        code="the middle 224, not resized; on Synthbuster ten crops, the mean of their logits",
        here="by the size that arrives: 224x224 is scored as it is, anything larger by ten crops, "
        "as on Synthbuster or with --preprocess native",
    ),
    Deviation(
        what="precision",
        paper="-",
        code="on CUDA the tower runs in float16",
        here="float32",
    ),
    Deviation(
        what="robustness tables",
        paper="JPEG of a quality, crops",
        code="JPEG's arguments and the crop's sides are exchanged",
        here="no part of a score",
    ),
    Deviation(
        what="loading a checkpoint",
        paper="-",
        code="entry by entry, without a check: a missing one stays random",
        here="strict",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="class token of each block's output",
        deviation="which class token",
        options={"after": True},
        seen="the paper's wording",
    ),
)

SPEC = DetectorSpec(
    name="rine",
    title="RINE",
    family="clip",
    build=RineDetector,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"center_crop({SIDE})", "synthbuster": "native"},
    input_rule=InputRule(smallest=(SIDE, SIDE)),
    evaluation_size=(SIDE, SIDE),
    variants=VARIANTS,
    training_only=frozenset({"factor"}),
    weights=(
        _head("4class", f"{PROGAN}classes car, cat, chair, horse"),
        _head(
            "2class",
            f"{PROGAN}classes chair, horse",
            "680d301b6d191da85b9dabcebf42cd3df20c5c669fa8320c498f835d02bf5ccb",
            1_139_686,
        ),
        _head("1class", f"{PROGAN}class horse"),
        _head("ldm", "Corvi et al.'s latent-diffusion set with COCO and LSUN"),
    ),
    recipe=Recipe(
        epochs=1,
        batch_size=128,
        lr=1e-3,
        lr_gamma=0.1,
        lr_step=5,
        start=TOWER.name,
        train_preprocess="gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)"
        f"|pad_for_crop({SIDE})|random_crop({SIDE})|hflip(0.5)",
        val_preprocess=f"center_crop({SIDE})",
        source="src/utils.py and result files of github mever-team/rine 9b7fd58; ForenSynths "
        "ProGAN, 1, 2 or 4 classes",
    ),
    pretrained=(TOWER,),
    needs_pretrained=True,
    requires=("clip",),
    citation="Koutlis, Papadopoulos, Leveraging Representations from Intermediate Encoder-blocks "
    "for Synthetic Image Detection, ECCV 2024, arXiv 2402.19091",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="224x224, or larger on both sides: then ten crops are scored, which takes ten times as "
    "long. Two files: the head and OpenAI's ViT-L-14.pt (about 0.9 GB), which training starts "
    "from. The published heads differ in shape, so each belongs to its variant; 1class and ldm are "
    "of one shape.",
)
