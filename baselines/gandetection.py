"""GANDetection: an ensemble of orthogonally trained CNNs (ICIP 2022, arXiv 2203.02246).

Idea: five EfficientNet-B4 that differ in data and augmentation look at 128x128 patches; one patch
that looks synthetic makes the picture synthetic for a network; the score is the mean of the five.
Provenance: written from a description of github polimi-ispl/GAN-image-detection 78dcdeb
(GPL-3.0); no line of it is copied. Training is not published: what trains here is an approximation
in its style, see the deviations.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from baselines import _efficientnet, _patches, _pixels
from baselines._chance import integer, uniform
from baselines._patches import Position
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
)

SIDE = 128
MEMBERS = "ABCDE"
ON_RANDOM_PATCHES = "A"  # the other four look at the grid
JPEG_PROBABILITY = {"A": 0.7, "B": 0.7, "C": 0.0, "D": 0.0, "E": 0.7}
SEED = 21
AT_ONCE = 32  # patches of one forward pass, so that activations stay small
DROPOUT = 0.4


def positions_of(member: str, height: int, width: int, seed: int = SEED) -> list[Position]:
    """The patches that a member looks at, without repetition.

    Published: 200 random ones for A, a grid of at most about 200 for the others. Where a picture
    has fewer different windows than are drawn, each is looked at once: the score is a maximum.
    """
    if member == ON_RANDOM_PATCHES:
        drawn = _patches.random_positions(height, width, random.Random(seed), side=SIDE)
        return list(dict.fromkeys(drawn))
    return _patches.grid_positions(height, width, SIDE)


def verdict(logits: Tensor) -> Tensor:
    """One member's signed score from its patches' (P, 2) logits, class 1 synthetic.

    If any patch is rather synthetic: the largest logit 1; else minus the largest logit 0.
    """
    real, fake = logits[:, 0], logits[:, 1]
    return torch.where((fake > real).any(), fake.max(), -real.max())


class Ensemble(nn.Module):
    """Five networks; normalised (N, 3, H, W), 128x128 or larger -> (N,) scores.

    Args:
        seed: of the random patches.
    """

    seed = SEED

    def __init__(self, seed: int = SEED) -> None:
        super().__init__()
        self.seed = seed
        self.members = nn.ModuleDict({name: _efficientnet.two_classes() for name in MEMBERS})

    def patch_logits(self, member: str, image: Tensor) -> Tensor:
        """(3, H, W) normalised -> (P, 2) logits of the member's patches."""
        height, width = map(int, image.shape[1:])
        positions = positions_of(member, height, width, self.seed)
        parts = [positions[at : at + AT_ONCE] for at in range(0, len(positions), AT_ONCE)]
        network = self.members[member]
        return torch.cat([network(_patches.cut(image, part, SIDE)) for part in parts])

    def votes(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 5) signed scores, one a member."""
        rows = [
            torch.stack([verdict(self.patch_logits(member, image)) for member in MEMBERS])
            for image in x
        ]
        return torch.stack(rows)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N,), the mean of the votes."""
        return self.votes(x).mean(1)


class GANDetectionDetector(TorchDetector):
    """The ensemble with a training in its style."""

    network: Ensemble
    no_places = "it is five networks, each on patches that it cuts out by itself"

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Sum over the members of the cross-entropy on their own share of the batch.

        The batch is dealt out anew each time, so members see other pictures and, each with its own
        augmentation, one patch of each. A batch of less than ten goes to fewer members, because
        batch norm needs two patches. Every member's gradient is computed at once and handed on, so
        that the activations of one network only are in memory.
        """
        order = torch.randperm(len(images), generator=generator)
        turn = torch.randperm(len(MEMBERS), generator=generator).tolist()
        members = [MEMBERS[place] for place in turn[: max(1, len(images) // 2)]]
        losses = []
        for place, member in enumerate(members):
            mine = order[place :: len(members)]
            pictures = [images[i].cpu() for i in mine.tolist()]
            patches = torch.stack([training_patch(member, x, generator) for x in pictures])
            classes = labels[mine.to(labels.device)].long()
            loss = self._member_loss(member, patches.to(images.device), classes, generator)
            losses.append(_settled(loss, self.network.members[member]))
        return torch.stack(losses).sum()

    def _member_loss(
        self, member: str, patches: Tensor, classes: Tensor, generator: torch.Generator
    ) -> Tensor:
        network = self.network.members[member]
        x = self.module.normalise(patches)
        logits = _efficientnet.training_logits(network, x, DROPOUT, generator)
        return nn.functional.cross_entropy(logits, classes)


def _settled(loss: Tensor, network: nn.Module) -> Tensor:
    """A scalar of the same value and gradient that holds no activations."""
    weights = [p for p in network.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, weights)
    line = torch.stack([(w * g).sum() for w, g in zip(weights, gradients, strict=True)]).sum()
    return loss.detach() + line - line.detach()


def training_patch(member: str, image: Tensor, generator: torch.Generator) -> Tensor:
    """One augmented patch of a (3, H, W) picture in [0, 1]; a smaller picture is taken whole.

    A augments the picture and then cuts anywhere; the others cut at the picture's 8x8 grid and
    augment the patch.
    """
    if member == ON_RANDOM_PATCHES:
        return _random_patch(augmented(member, image, generator), generator, step=1)
    patch = _random_patch(image, generator, step=_patches.JPEG_BLOCK)
    return augmented(member, patch, generator)


def _random_patch(image: Tensor, generator: torch.Generator, step: int) -> Tensor:
    corner = [
        step * integer(generator, max(0, length - SIDE) // step + 1) for length in image.shape[1:]
    ]
    return image[:, corner[0] : corner[0] + SIDE, corner[1] : corner[1] + SIDE]


def augmented(member: str, image: Tensor, generator: torch.Generator) -> Tensor:
    """The published kinds of changes, each with probability 0.5, then JPEG for members A, B, E.

    Flips, quarter turns (of squares), brightness and contrast, hue and saturation, blur, down- and
    up-scaling; rounded to 8 bits.
    """

    def happens(probability: float = 0.5) -> bool:
        return uniform(generator) < probability

    if happens():
        image = image.flip(2)
    if happens():
        image = image.flip(1)
    if happens() and image.shape[1] == image.shape[2]:
        image = image.rot90(1 + integer(generator, 3), (1, 2))
    if happens():
        brightness, contrast = uniform(generator, -0.2, 0.2), uniform(generator, -0.2, 0.2)
        image = _pixels.brightness_contrast(image, brightness, contrast)
    if happens():
        hue, saturation = uniform(generator, -0.05, 0.05), uniform(generator, -0.3, 0.3)
        image = _pixels.hue_saturation(image, hue, saturation)
    if happens():
        image = _pixels.blur(image, uniform(generator, 0.3, 1.5))
    if happens():
        image = _pixels.down_and_up(image, uniform(generator, 0.5, 0.95))
    if happens(JPEG_PROBABILITY[member]):
        return _pixels.jpeg(image, 30 + integer(generator, 71))
    return _pixels.as_stored(image)


def build(seed: int = SEED) -> GANDetectionDetector:
    """A detector with random weights; ``seed`` of the random patches."""
    return GANDetectionDetector(Ensemble(seed))


def from_published(member: str, name: str) -> str:
    """Of member B: ``efficientnet._conv_stem.weight`` -> ``members.B.conv_stem.weight``."""
    return f"members.{member}.{_efficientnet.timm_name(name.removeprefix('efficientnet.'))}"


def _published(member: str) -> Weights:
    return Weights(
        name=f"method_{member}",
        filename=f"method_{member}.pth",
        url="https://www.dropbox.com/s/g1z2u8wl6srjh6v/weigths.zip?dl=1",
        archive="weigths.zip",
        sha256="",
        licence="not stated (code: GPL-3.0)",
        trained_on="faces, animals and paintings: StyleGAN2, StarGAN-v2, Taming Transformers, "
        "FaceVid2Vid, score-based models",
        inside="net",
        mapping=partial(from_published, member),
    )


DEVIATIONS = (
    Deviation(
        what="pictures below 148x138",
        paper="-",
        code="the grid's stride becomes 0 below 148 rows or 138 columns and Python raises, though "
        "the size check lets 128x128 pass",
        here="the stride is 8 at least: one patch of a 128x128 picture; refused below 128",
    ),
    Deviation(
        what="random patches of network A",
        paper="random patches",
        code="one generator, seeded with 21 at import: a picture's score depends on how many came "
        "before it",
        here="seeded with 21 for every picture: the score that the released code gives first",
    ),
    Deviation(
        what="rule over the patches",
        paper="-",
        code="called majority voting, but any synthetic patch decides; the first commit had a true "
        "majority of 50 patches and softmax",
        here="as the last code",
    ),
    Deviation(
        what="grid",
        paper="-",
        code="about 20 rows but 10 columns",
        here="as the code",
    ),
    Deviation(
        what="threshold",
        paper="ROC curves only",
        code="none; scores are means of raw logits. At 0 others measured AUC 0.991 but accuracy "
        "0.701 on StyleGAN3 and FFHQ",
        here="0, an assumption",
    ),
    Deviation(
        what="gray pictures and alpha",
        paper="-",
        code="gray pictures are rejected, alpha is dropped",
        here="gray pictures become three equal channels; alpha by the decoding policy",
    ),
    Deviation(
        what="version of efficientnet_pytorch",
        paper="-",
        code="0.6.3, whose padding equals TensorFlow's on 128x128; 0.7 gives other scores",
        here="timm's tf_efficientnet_b4",
    ),
    Deviation(
        what="training code",
        paper="not published; slides name data, augmentation, rate 1e-3, 500 epochs at most",
        code="no training; optimiser, losses' weights and start are stated nowhere",
        here="Adam, random start, plain cross-entropy, stochastic depth left out",
    ),
    Deviation(
        what="orthogonal training",
        paper="five sets of 14,000 to 200,000 images of several generators and 1, 5 or 10 patches "
        "of each",
        code="not published",
        here="GANDetection-style: members differ in augmentation (A on pictures, B and E on "
        "patches, C and D without JPEG), in the share of each batch and in their start; they share "
        "one training set",
    ),
    Deviation(
        what="augmentation",
        paper="also equalisation, crop and resize; no strengths given",
        code="not published; probabilities of JPEG differ between slides (0.7) and a folder's name",
        here="flips, turns, brightness, contrast, hue, saturation, blur, down-scaling at 0.5, JPEG "
        "30 to 100 at 0.7; strengths are this project's",
    ),
    Deviation(
        what="rate",
        paper="divided by 10 after 10 epochs without better validation, by which figure is not "
        "said",
        code="not published",
        here="as the slides, by average precision; the last epoch is kept",
    ),
    Deviation(
        what="the row in the LFM paper",
        paper="equals NPR's table; ProGAN, the others' training set, has 82.7 only, and ACC is far "
        "below AP",
        code="-",
        here="the pattern fits the released weights at threshold 0 (inference)",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="patches of seed 1",
        deviation="random patches of network A",
        options={"seed": 1},
        random=True,
    ),
    Behaviour(
        name="majority of 50 patches",
        deviation="rule over the patches",
        absent="which 50 patches the first commit's vote was of is not known here",
    ),
)

SPEC = DetectorSpec(
    name="gandetection",
    title="GANDetection",
    family="ensemble",
    build=build,
    score=ScoreSpec(kind="uncalibrated", threshold=0.0),
    geometry={"*": "native"},
    input_rule=InputRule(smallest=(SIDE, SIDE)),
    evaluation_size=(SIDE, SIDE),
    weights=(
        replace(
            _published(MEMBERS[0]),
            name="released",
            note="five files of one archive, which README and code of the release link at two "
            "addresses",
            also=tuple(_published(member) for member in MEMBERS[1:]),
        ),
    ),
    recipe=Recipe(
        epochs=500,
        batch_size=250,
        lr=1e-3,
        schedule="plateau",
        lr_gamma=0.1,
        patience=10,
        train_preprocess="native",
        val_preprocess=f"center_crop({SIDE})",
        source="the authors' slides; no training code is published. The batch is the five "
        "members' together",
    ),
    citation="Mandelli et al., Detecting GAN-generated Images by Orthogonal Training of Multiple "
    "CNNs, ICIP 2022, arXiv 2203.02246",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    paper_name="GANDetection",
    requires=("timm",),
    notes="128x128 or larger. Cost is that of one patch in each network; a 256x256 picture has 200 "
    "random and 4 x 153 grid patches, so a score takes hundreds of times that.",
)
