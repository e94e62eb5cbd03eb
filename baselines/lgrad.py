"""LGrad: learning on gradients (CVPR 2023).

Idea: the gradient of a pre-trained GAN discriminator's score with respect to the pixels shows the
traces of generators and little of the picture's content; a ResNet-50 is trained on these gradients
instead of the pictures.
Provenance: written from a description of the released code (github chuangchuangtan/LGrad, 7cb5973,
its PyTorch path); no line of that repository is copied.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from baselines._backbones import FC, IMAGENET_RESNET50, entries, resnet50, resnet50_features
from baselines._stylegan import SIDE, StyleGANDiscriminator, as_8_bit
from harness.api import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
)

CROP = 224
"""Side of the random crops of gradient pictures that the classifier is trained on, pixels."""


class LGradNetwork(nn.Module):
    """Frozen discriminator, gradient picture, classifier; (N, 3, 256, 256) in [-1, 1] -> (N, 1).

    Args:
        whole: gradient pictures are rounded to 8 bits.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, whole: bool = True) -> None:
        super().__init__()
        self.whole = whole
        self.discriminator = StyleGANDiscriminator().requires_grad_(False)
        self.classifier = resnet50()
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            value = torch.tensor(values).view(1, -1, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def gradient_pictures(self, x: Tensor) -> Tensor:
        """What the classifier sees: (N, 3, 256, 256) in [-1, 1] -> same shape, 8 bits in [0, 1].

        One image at a time, as released: in a batch sums come out in another order, and a value
        near a kink of the discriminator or between two of the 256 steps then falls elsewhere.
        """
        with torch.no_grad():
            gradients = [self.discriminator.input_gradient(image) for image in torch.split(x, 1)]
            return as_8_bit(torch.cat(gradients), whole=self.whole) / 255

    def normalise(self, pictures: Tensor) -> Tensor:
        """Gradient pictures in [0, 1] -> what the classifier's first layer sees."""
        return (pictures - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 256, 256) in [-1, 1] -> (N, 1) logits."""
        logits: Tensor = self.classifier(self.normalise(self.gradient_pictures(x)))
        return logits


class LGradDetector(TorchDetector):
    """Both stages; the first one's weights are never trained."""

    network: LGradNetwork

    def __init__(self, whole: bool = True) -> None:
        super().__init__(LGradNetwork(whole), mean=0.5, std=0.5)

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """BCE on random 224 crops and flips of the gradient pictures, mean over the batch.

        The crop comes after the first stage, which takes 256x256 only; that is why it is here and
        not in the recipe's preprocessing.
        """
        pictures = self.network.gradient_pictures(self.module.normalise(images))
        crops = torch.cat([_crop(picture, generator) for picture in torch.split(pictures, 1)])
        logits = self.network.classifier(self.network.normalise(crops)).flatten()
        return nn.functional.binary_cross_entropy_with_logits(logits, labels)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, 256, 256) in [0, 1] -> (N, 2048)."""
        pictures = self.network.gradient_pictures(self.module.normalise(images))
        return resnet50_features(self.network.classifier, self.network.normalise(pictures))


def _crop(picture: Tensor, generator: torch.Generator) -> Tensor:
    """A random window of (1, 3, 256, 256), mirrored in half of the cases."""
    spare = SIDE - CROP
    top, left, mirror = (
        int(torch.randint(high, (), generator=generator)) for high in (spare + 1, spare + 1, 2)
    )
    crop = picture[..., top : top + CROP, left : left + CROP]
    return crop.flip(-1) if mirror else crop


def build(whole: bool = True) -> LGradDetector:
    """A detector with untrained weights, in both stages: the first is of no use so.

    Args:
        whole: gradient pictures are rounded to 8 bits.
    """
    return LGradDetector(whole)


DISCRIMINATOR = Weights(
    name="stylegan-bedrooms",
    filename="karras2019stylegan-bedrooms-256x256_discriminator.pth",
    url="https://lid-1302259812.cos.ap-nanjing.myqcloud.com/tmp/"
    "karras2019stylegan-bedrooms-256x256_discriminator.pth",
    sha256="",
    licence="CC BY-NC 4.0 (NVIDIA's network, converted with genforce)",
    trained_on="LSUN bedroom, as the discriminator of StyleGAN; knows no fakes of others",
    note="the first stage. Its tensors are 92.2 MB; the file itself was not seen here",
    mapping=entries(under="discriminator."),
)
START = replace(
    IMAGENET_RESNET50,
    mapping=entries(under="classifier.", without=FC),
    also=(DISCRIMINATOR,),
)

DEVIATIONS = (
    Deviation(
        what="resize before the gradient",
        paper="not mentioned in what is known of it here",
        code="PyTorch path: bilinear. TensorFlow path: PIL's default, now bicubic, nearest long "
        "ago; its README recommends this path, so the published numbers presumably come from it",
        here="bilinear, the PyTorch path; --preprocess 'resize_bicubic(256,256)' is the other",
    ),
    Deviation(
        what="8-bit gradients",
        paper="gradients",
        code="stretched to 0 ... 255 image by image and stored as PNG: 256 steps",
        here="as the code, without the files",
    ),
    Deviation(
        what="exactness of the gradient",
        paper="-",
        code="leaky ReLU kinks: float32 and float64 differ by up to 1.9 % of the peak at single "
        "pixels, 3.6 % of the bytes, at most 2 steps",
        here="no more exact; images go through one at a time, so that no batch adds to it",
    ),
    Deviation(
        what="train and test size",
        paper="-",
        code="the classifier is trained on 224 crops and tested at 256",
        here="as the code",
    ),
    Deviation(
        what="files of equal stem",
        paper="-",
        code="a gradient's file name ends at the picture's first dot: pictures that share it "
        "overwrite each other",
        here="no files",
    ),
    Deviation(
        what="folders and scripts",
        paper="-",
        code="img2gad in the repository, img2grad in its README, transform_img2grad_pytorch.sh is "
        "called transform_img2grad.sh; outputs go to 0_real_grad and 1_fake_grad",
        here="one command for both stages",
    ),
    Deviation(
        what="graph of the gradient",
        paper="-",
        code="kept for second derivatives that nobody uses: twice the memory",
        here="no graph: the gradient is written out as a forward computation",
    ),
    Deviation(
        what="resume",
        paper="-",
        code="saves a bare state dict, resuming expects {'model': ...}",
        here="both forms load",
    ),
    Deviation(
        what="seed and first weights",
        paper="ImageNet (classifier), LSUN bedroom StyleGAN (discriminator)",
        code="as in the paper; no seed; the last epoch is saved",
        here="as in the paper; seeded. Without the discriminator's file nothing is trained: a "
        "random one's gradients are not LGrad's",
    ),
    Deviation(
        what="the table's row",
        paper="LFM: the Mean cell of LGrad does not follow from its five set means",
        code="-",
        here="means are computed from the subsets",
    ),
    Deviation(
        what="cost",
        paper="50.95B FLOPs, 48.61M parameters",
        code="discriminator forward and input gradient plus classifier; 48.61M holds a 1000-class "
        "ResNet-50, the real one has one output: 46.56M. 50.95B is twice the discriminator without "
        "its blurs plus that 1000-class network, in fvcore's count of training mode",
        here="both stages are counted, gradient included: python -m harness cost",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="gradients not rounded",
        deviation="8-bit gradients",
        options={"whole": False},
        seen="the paper's wording",
    ),
)

SPEC = DetectorSpec(
    name="lgrad",
    title="LGrad",
    family="gradient",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "resize(256,256)"},
    input_rule=InputRule.only(SIDE, f"its discriminator takes {SIDE}x{SIDE} only"),
    weights=(
        Weights(
            name="4-class",
            filename="LGrad-4class-Trainon-Progan_car_cat_chair_horse.pth",
            url="https://drive.google.com/drive/folders/17-MAyCpMqyn4b_DFP2LekrmIgRovwoix",
            sha256="",
            licence="none stated (classifier code derives from CNNDetection, CC BY-NC-SA 4.0)",
            trained_on="ForenSynths train: ProGAN and LSUN, classes car, cat, chair, horse",
            note="the second stage. The folder is the README's; the file's name is as third "
            "parties give it",
            mapping=entries(under="classifier."),
            also=(DISCRIMINATOR,),
        ),
    ),
    recipe=Recipe(
        epochs=100,
        batch_size=16,
        lr=5e-4,
        lr_gamma=0.8,
        lr_step=10,
        start=START.name,
        train_preprocess="resize(256,256)",
        val_preprocess="resize(256,256)",
        source="train-detector.sh of github chuangchuangtan/LGrad 7cb5973, ForenSynths ProGAN, 4 "
        "classes; crop 224 and flip 0.5 act on the gradient pictures, inside the loss",
    ),
    pretrained=(START,),
    needs_pretrained=True,
    citation="Tan et al., Learning on Gradients: Generalized Artifacts Representation for "
    "GAN-Generated Images Detection, CVPR 2023",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    paper_name="LGrad",
    notes="Takes 256x256 only. Costs about 46 G multiply-accumulates an image before the "
    "classifier begins.",
)
