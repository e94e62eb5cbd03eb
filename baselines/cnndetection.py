"""CNNDetection: CNN-generated images are surprisingly easy to spot (CVPR 2020, arXiv 1912.11035).

Idea: a plain ResNet-50 trained on one generator (ProGAN) finds many others' images, when blur and
JPEG compression in training keep it from learning ProGAN's most fragile traces.
Provenance: written from a description of the released code (github PeterWang512/CNNDetection,
ea0b562); no line of that repository is copied. The network is torchvision's.
"""

from __future__ import annotations

from torch import Tensor

from baselines._backbones import IMAGENET_RESNET50, resnet50, resnet50_features
from harness.api import (
    DetectorSpec,
    Deviation,
    Recipe,
    ScoreSpec,
    TorchDetector,
    Weights,
)


class CNNDetector(TorchDetector):
    """ResNet-50 with one logit behind its ImageNet normalisation."""

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 2048)."""
        return resnet50_features(self.network, self.module.normalise(images))


def build() -> CNNDetector:
    return CNNDetector(resnet50())


LICENCE = "none stated for weights; repository CC BY-NC-SA 4.0"
TRAINED_ON = "ForenSynths train: ProGAN and LSUN, all 20 classes"
NOT_PAPERS = (
    "the row has 91.4 / 99.4 on ProGAN where the authors report 100 / 100 with this file: "
    "presumably a re-training on fewer classes"
)

DEVIATIONS = (
    Deviation(
        what="the table's row",
        paper="LFM and NPR print 91.4 / 99.4 on ProGAN for CNNDetection",
        code="its own README reports 100 / 100 with the released files",
        here="the tables' row is not from the released files, presumably a re-training on fewer "
        "classes; a measured row says which weights it used",
    ),
    Deviation(
        what="test geometry",
        paper="centre crop 224 (the published numbers)",
        code="crop optional; its README recommends none, with batch 1",
        here="centre crop 224; the other by --preprocess native, recorded",
    ),
    Deviation(
        what="learning-rate schedule",
        paper="a drop by 10 when validation accuracy gains under 0.1 % in 5 epochs, until 1e-6",
        code="0.1 % before the first drop, 0.2 % after it; and after a drop the best score is "
        "forgotten, so that the next epoch replaces the best file even when it is worse",
        here="0.1 % throughout; the best score is remembered",
    ),
    Deviation(
        what="validation images",
        paper="not described",
        code="still blurred and compressed at random (sigma 1.5, quality 65, probability as in "
        "training): validation accuracy is a matter of chance",
        here="plain: resize, centre crop",
    ),
    Deviation(
        what="JPEG encoder of the augmentation",
        paper="OpenCV or PIL, at random",
        code="OpenCV or PIL, at random",
        here="PIL only (OpenCV is no dependency); quality and probability as published",
    ),
    Deviation(
        what="--data_aug",
        paper="-",
        code="inert: blur_prob and jpg_prob decide; blur comes before JPEG, crop before flip",
        here="that order",
    ),
    Deviation(
        what="small images",
        paper="-",
        code="below 224 the centre crop pads with black",
        here="the same",
    ),
    Deviation(
        what="first weights",
        paper="ImageNet",
        code="ImageNet, fc N(0, 0.02)",
        here="the same (torchvision's IMAGENET1K_V1)",
    ),
)

SPEC = DetectorSpec(
    name="cnndetection",
    title="CNNDetection",
    family="image classifier",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "center_crop(224)", "mini": "native"},
    evaluation_size=(224, 224),
    weights=(
        Weights(
            name="blur_jpg_prob0.5",
            filename="blur_jpg_prob0.5.pth",
            url="https://www.dropbox.com/s/2g2jagq2jn1fd0i/blur_jpg_prob0.5.pth?dl=1",
            sha256="3533f3e58a3b82215f21197f2faf4e99b911ec42a4a6e2d7823e04d5f3fd245a",
            size=282_442_597,
            licence=LICENCE,
            trained_on=TRAINED_ON,
            note="blur and JPEG with probability 0.5 each; sha256 and size are those under which "
            "git LFS of a third party (nguyentrivinhntv-lgtm/DSC2F 9806cff) keeps a file of this "
            "name, not the authors' word",
            not_papers=NOT_PAPERS,
        ),
        Weights(
            name="blur_jpg_prob0.1",
            filename="blur_jpg_prob0.1.pth",
            url="https://www.dropbox.com/s/h7tkpcgiwuftb6g/blur_jpg_prob0.1.pth?dl=1",
            sha256="",
            licence=LICENCE,
            trained_on=TRAINED_ON,
            note="blur and JPEG with probability 0.1 each",
            not_papers=NOT_PAPERS,
        ),
    ),
    recipe=Recipe(
        epochs=1000,
        batch_size=64,
        lr=1e-4,
        schedule="plateau",
        lr_gamma=0.1,
        min_lr=1e-6,
        patience=5,
        monitor="val_acc",
        min_gain=0.001,
        keep="best",
        start="imagenet",
        train_preprocess="resize(256)|gaussian_blur(0.5,0,3)|jpeg(0.5,30,100)"
        "|random_crop(224)|hflip(0.5)",
        val_preprocess="resize(256)|center_crop(224)",
        source="options of github PeterWang512/CNNDetection ea0b562, probability 0.5; training "
        "ends when the rate has fallen below 1e-6, so the number of epochs is a bound of ours",
    ),
    pretrained=(IMAGENET_RESNET50,),
    citation="Wang et al., CNN-generated images are surprisingly easy to spot... for now, "
    "CVPR 2020, arXiv 1912.11035",
    deviations=DEVIATIONS,
    paper_name="CNNDetection",
    notes="Takes every size; smaller images are padded with black by the centre crop.",
)
