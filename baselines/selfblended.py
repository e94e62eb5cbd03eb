"""Selfblended: detecting deepfakes with self-blended images (CVPR 2022, arXiv 2204.08376).

Idea: train on real pictures only. A fake is made of each by blending it with a changed copy of
itself inside a soft mask, so that a plain EfficientNet-B4 learns the traces of blending and not
those of one generator.
Provenance: written from a description of the paper and from timm's stock network. The authors'
repository is under terms that begin with its use, so nothing of it (code, data pipeline, weights)
was seen or is used here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines import _efficientnet
from baselines._blending import self_blended
from harness.api import DetectorSpec, Deviation, InputRule, Recipe, ScoreSpec, TorchDetector

SIDE = 380
DROPOUT = 0.4


class SelfBlendedDetector(TorchDetector):
    """EfficientNet-B4 with the classes real and fake, trained on self-blended pictures."""

    def __init__(self) -> None:
        super().__init__(_efficientnet.two_classes(), mean=0.0, std=1.0)

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy of the batch's real pictures, each with a self-blended fake beside it.

        With dropout on the features. Given fakes are not looked at; a batch without a real
        picture gives 0.
        """
        real = images[labels == 0].cpu().contiguous()
        if not len(real):
            return 0 * next(self.network.parameters()).sum()
        pairs = [self_blended(image, generator) for image in real]
        reals, fakes = (torch.stack(pictures) for pictures in zip(*pairs, strict=True))
        pictures = torch.cat([reals, fakes]).to(images.device)
        classes = torch.arange(2, device=images.device).repeat_interleave(len(real))
        seen = self.module.normalise(pictures)
        logits = _efficientnet.training_logits(self.network, seen, DROPOUT, generator)
        return nn.functional.cross_entropy(logits, classes)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 1792)."""
        return _efficientnet.features(self.network, self.module.normalise(images))


def build() -> SelfBlendedDetector:
    return SelfBlendedDetector()


def from_efficientnet_pytorch(name: str) -> str:
    """A name in a file of the package that the method was published on -> ours."""
    return _efficientnet.timm_name(name.removeprefix("net."))


DEVIATIONS = (
    Deviation(
        what="official code and checkpoint",
        paper="said to be available",
        code="under restrictive, non-commercial terms that begin with its use",
        here="neither seen nor used: the network is timm's, the training pictures are made from a "
        "description of the paper",
    ),
    Deviation(
        what="region that is blended",
        paper="convex hull of facial landmarks, deformed by an affine map and an elastic field",
        code="not seen",
        here="a random convex shape, deformed likewise: pictures that are not faces have no "
        "landmarks",
    ),
    Deviation(
        what="strength of the changes",
        paper="channel shift, hue and saturation, brightness and contrast, down-scaling or "
        "sharpening; the source resized and moved; blend ratio from {0.25, 0.5, 0.75, 1, 1, 1}",
        code="not seen",
        here="the same kinds and the same ratios; the ranges of the others are this project's "
        "(baselines/_blending.py)",
    ),
    Deviation(
        what="real pictures in training",
        paper="not described in what was at hand",
        code="not seen",
        here="each is its fake's target, changed colours included: a pair differs by the blending "
        "alone, and both are rounded to 8 bits",
    ),
    Deviation(
        what="optimiser",
        paper="SAM, rate 0.001, batch 32, 100 epochs",
        code="not seen",
        here="SAM of radius 0.05 over SGD with momentum 0.9, the values of SAM's own paper; a "
        "decay of the rate and a choice of an epoch are not described and not used",
    ),
    Deviation(
        what="batch",
        paper="32 pictures",
        code="not seen",
        here="16 real pictures and one fake of each; the 16 given fakes are not looked at, so "
        "that the method trains on the data of every other",
    ),
    Deviation(
        what="start",
        paper="AdvProp ImageNet weights (timm: tf_efficientnet_b4.ap_in1k)",
        code="not seen",
        here="the same",
    ),
    Deviation(
        what="padding",
        paper="-",
        code="the package efficientnet_pytorch freezes its padding for 380 pixels: another "
        "function at other sizes (logits differ by 0.7 to 2.0)",
        here='timm: "same" padding of the size at hand; equal at 380',
    ),
    Deviation(
        what="the row in the LFM paper",
        paper="equals FatFormer's table digit for digit; high on Deepfake only",
        code="-",
        here="whole pictures resized to 380x380 in place of face crops, an assumption",
    ),
)

SPEC = DetectorSpec(
    name="selfblended",
    title="SelfBlend",
    family="blending",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"resize({SIDE},{SIDE})", "mini": "native"},
    input_rule=InputRule(),
    evaluation_size=(SIDE, SIDE),
    recipe=Recipe(
        epochs=100,
        batch_size=32,
        lr=1e-3,
        optimiser="sam",
        balanced=True,
        start="advprop",
        train_preprocess=f"resize({SIDE},{SIDE})|hflip(0.5)",
        val_preprocess=f"resize({SIDE},{SIDE})",
        source="the paper, through a description; 8 frames a video for training, 32 for testing",
    ),
    pretrained=(_efficientnet.ADVPROP,),
    citation="Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022, "
    "arXiv 2204.08376",
    deviations=DEVIATIONS,
    paper_name="SelfBland",
    notes="Input is RGB in [0, 1] without mean and deviation. Trained on real pictures only: fakes "
    "of a training set are not looked at. No published checkpoint may be used here.",
)
