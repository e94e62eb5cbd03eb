"""Patchfor: patch forensics, "What makes fake images detectable?" (ECCV 2020, arXiv 2008.10588).

Idea: a classifier that sees little at a time. Xception is cut after its second block, a 1x1
convolution decides at every position with 43 pixels in view, each position is trained with the
picture's label, and the picture's score is the mean over positions.
Provenance: written from a description of github chail/patch-forensics c87fc9d; no line of that
repository is copied. The Xception blocks are timm's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines import _xception
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    ExactMap,
    InputRule,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
)

FAKE_CLASS = 0  # as in the published checkpoints: 0 is fake, 1 is real
BLOCK = 2
READ_OUTS = ("probabilities", "logits", "votes")
"""What the mean over positions is taken of; a vote is a position's more probable class."""


def network(block: int = BLOCK) -> nn.Sequential:
    """Xception's layers up to ``block``, then a linear classifier at every position, untrained.

    The result maps normalised (N, 3, H, W) to (N, 2, H', W') logits. Neither a ReLU nor a batch
    norm is between the block and the classifier. All names are the published ones.
    """
    layers = _xception.cut_after(block)
    layers.add_module("convout", nn.Conv2d(_xception.channels_after(block), 2, 1))
    return layers.apply(_initialise)


def _initialise(layer: nn.Module) -> None:
    """As published: Xavier with gain 0.02, batch-norm weights around 1."""
    if isinstance(layer, nn.Conv2d):
        nn.init.xavier_normal_(layer.weight, gain=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


class PatchforDetector(TorchDetector):
    """The mean over positions of the probability of being fake."""

    network: nn.Sequential
    fake = FAKE_CLASS
    read_out = READ_OUTS[0]

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) probabilities in [0, 1]."""
        logits: Tensor = self.module(images)
        if self.read_out == "logits":
            return logits.mean((2, 3)).softmax(1)[:, self.fake]
        if self.read_out == "votes":
            return (logits.argmax(1) == self.fake).float().mean((1, 2))
        return logits.softmax(1)[:, self.fake].mean((1, 2))

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy of every position with the picture's label, mean over all positions."""
        logits: Tensor = self.module(images)
        targets = (1 - labels.long())[:, None, None].expand(-1, *logits.shape[2:])
        return nn.functional.cross_entropy(logits, targets)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 256), the classifier's input averaged over positions."""
        maps: Tensor = self.network[:-1](self.module.normalise(images))
        return maps.mean((2, 3))

    def exact_map(self, images: Tensor) -> ExactMap:
        """(N, 3, H, W) in [0, 1] -> every position's probability, over their number.

        Raises:
            ValueError: the score is no mean of probabilities.
        """
        if self.read_out != READ_OUTS[0]:
            raise ValueError(f"a mean of {self.read_out} has no exact map")
        with torch.no_grad():
            cells = self.module(images).softmax(1)[:, self.fake, None]
        return ExactMap.of(cells, lambda x: x.mean((1, 2, 3)))


def build(
    block: int = BLOCK, read_out: str = READ_OUTS[0], fake: int = FAKE_CLASS
) -> PatchforDetector:
    """A detector with untrained weights.

    Args:
        block: where Xception is cut.
        read_out: one of :data:`READ_OUTS`.
        fake: the class whose probability is the score; training knows class 0 alone.
    """
    detector = PatchforDetector(network(block), mean=0.5, std=0.5)
    detector.read_out, detector.fake = read_out, fake
    return detector


DEVIATIONS = (
    Deviation(
        what="which class is fake",
        paper="-",
        code="class 0 is fake, and AP is computed with real as the positive class",
        here="the network keeps its two classes (so the checkpoints load); the score is class 0's "
        "probability, larger = more fake",
    ),
    Deviation(
        what="from positions to a picture",
        paper="not one rule",
        code="four read-outs are saved: vote, mean of logits, mean after softmax, per position; "
        "the notebook of the tables uses the mean after softmax",
        here="mean after softmax",
    ),
    Deviation(
        what="the row in the LFM paper",
        paper="block, data and read-out behind the numbers are not stated",
        code="the numbers equal FatFormer's table digit for digit: a retraining on four ProGAN "
        "classes, not the released face models",
        here="block 2 and the mean after softmax, an assumption",
    ),
    Deviation(
        what="input size",
        paper="-",
        code="the option parser defaults to 333 for Xception; every script passes 299, and the "
        "authors' 128-pixel faces are enlarged to it",
        here="shorter side to 299 (Lanczos), centre crop 299",
    ),
    Deviation(
        what="end of the training",
        paper="-",
        code="stops when validation patch accuracy has not improved for 5 x patience epochs "
        "(patience 50, 20, 10 for block 1, 2, 3 and later), reaches 1, or after 1000 epochs",
        here="block 2's 100 epochs, of accuracy over whole pictures; a perfect one ends it too, "
        "for want of gain",
    ),
    Deviation(
        what="optional augmentation",
        paper="-",
        code="random crop, colour, JPEG and blur exist as options, off by default",
        here="off",
    ),
)

POSITIONS = "from positions to a picture"
BEHAVIOURS = (
    Behaviour(name="class 1 is fake", deviation="which class is fake", options={"fake": 1}),
    Behaviour(name="mean of logits", deviation=POSITIONS, options={"read_out": "logits"}),
    Behaviour(name="votes of positions", deviation=POSITIONS, options={"read_out": "votes"}),
)

SPEC = DetectorSpec(
    name="patchfor",
    title="Patchfor",
    family="local artefact",
    build=build,
    score=ScoreSpec(kind="probability", threshold=0.5),
    geometry={"*": "resize_lanczos(299)|center_crop(299)", "mini": "native"},
    input_rule=InputRule(smallest=(7, 7)),
    evaluation_size=(299, 299),
    weights=(
        Weights(
            name="faces-block2",
            filename="gp1-gan-winversion_seed0_xception_block2_constant_p20_bestval_net_D.pth",
            url="https://github.com/chail/patch-forensics (Google Drive folder in its README: "
            "checkpoints/gp1-gan-winversion_seed0_xception_block2_constant_p20/bestval_net_D.pth)",
            sha256="",
            licence="none stated: all rights reserved",
            trained_on="faces: CelebA-HQ and ProGAN",
            not_papers="trained on faces; the row equals FatFormer's table, a retraining on four "
            "ProGAN classes",
        ),
    ),
    recipe=Recipe(
        epochs=1000,
        batch_size=32,
        lr=1e-3,
        patience=100,
        monitor="val_acc",
        keep="best",
        balanced=True,
        train_preprocess="resize_lanczos(299)|center_crop(299)|hflip(0.5)",
        val_preprocess="resize_lanczos(299)|center_crop(299)",
        source="options of github chail/patch-forensics c87fc9d, block 2: constant rate, no "
        "pretrained weights, 16 real and 16 fake images a batch, 5 x 20 epochs of patience",
    ),
    citation="Chai et al., What Makes Fake Images Detectable? Understanding Properties that "
    "Generalize, ECCV 2020, arXiv 2008.10588",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    paper_name="Patchfor",
    notes="Smallest 7x7; one position for 8 pixels, each seeing 43.",
)
