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
from baselines._sharpness import sharpness_aware
from harness.api import DetectorSpec, Deviation, InputRule, Recipe, ScoreSpec, TorchDetector

SIDE = 380
DROPOUT = 0.4


class WithDropout(nn.Module):
    """A network in training: every call drops the same features, whatever the weights are."""

    def __init__(self, network: nn.Module, seed: int) -> None:
        super().__init__()
        self.network = network
        self._seed = seed

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, H, W) -> (N, 2) logits."""
        generator = torch.Generator().manual_seed(self._seed)
        return _efficientnet.training_logits(self.network, x, DROPOUT, generator)


class SelfBlendedDetector(TorchDetector):
    """EfficientNet-B4 with the classes real and fake, trained on self-blended pictures.

    Args:
        rho: radius of the sharpness-aware training; 0 = plain training, half the time.
    """

    def __init__(self, rho: float) -> None:
        super().__init__(_efficientnet.two_classes(), mean=(0.0,) * 3, std=(1.0,) * 3)
        self.rho = rho

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) logits: fake minus real, so softmax 0.5 is 0."""
        logits: Tensor = self.module(images)
        return logits[:, 1] - logits[:, 0]

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy of the batch's real pictures, each with a self-blended fake beside it.

        Given fakes are not looked at. A batch without a real picture gives 0.
        """
        real = images[labels == 0].cpu().contiguous()
        if not len(real):
            return 0 * next(self.network.parameters()).sum()
        pairs = [self_blended(image, generator) for image in real]
        reals, fakes = (torch.stack(pictures) for pictures in zip(*pairs, strict=True))
        pictures = torch.cat([reals, fakes]).to(images.device)
        classes = torch.arange(2, device=images.device).repeat_interleave(len(real))
        return self.classes_loss(pictures, classes, generator)

    def classes_loss(self, images: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy with dropout on the features; sharpness-aware where ``rho`` is not 0."""
        seed = int(torch.randint(2**31, (), generator=generator))
        network = WithDropout(self.network, seed)
        images = self.module.normalise(images)

        def loss_of(logits: Tensor) -> Tensor:
            return nn.functional.cross_entropy(logits, classes)

        if not self.rho:
            return loss_of(network(images))
        return sharpness_aware(network, images, loss_of, self.rho)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 1792)."""
        return _efficientnet.features(self.network, self.module.normalise(images))


def build(rho: float = 0.05) -> SelfBlendedDetector:
    """A detector with untrained weights; ``rho`` as of :class:`SelfBlendedDetector`."""
    return SelfBlendedDetector(rho)


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
        here="sharpness-aware gradients (rho 0.05) for the training loop's Adam; a decay of the "
        "rate is not described and not used",
    ),
    Deviation(
        what="batch",
        paper="32 pictures",
        code="not seen",
        here="the real ones of 32 pictures and one fake of each: 32 when half of the data is real",
    ),
    Deviation(
        what="start",
        paper="AdvProp ImageNet weights (timm: tf_efficientnet_b4.ap_in1k)",
        code="not seen",
        here="random weights unless started otherwise",
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
        train_preprocess=f"resize({SIDE},{SIDE})|hflip(0.5)",
        val_preprocess=f"resize({SIDE},{SIDE})",
        source="the paper, through a description: SAM, rate 0.001, batch 32, 100 epochs, AdvProp "
        "ImageNet start; 8 frames a video for training, 32 for testing",
    ),
    citation="Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022, "
    "arXiv 2204.08376",
    deviations=DEVIATIONS,
    paper_name="SelfBland",
    requires=("timm",),
    notes="Input is RGB in [0, 1] without mean and deviation. Trained on real pictures only: fakes "
    "of a training set are not looked at. No published checkpoint may be used here.",
)
