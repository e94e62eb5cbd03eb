"""SAFE: Simple Preserved and Augmented FEatures (KDD 2025, arXiv 2408.06741).

Idea: do not resize, because that destroys what up-sampling left; look at the diagonal wavelet
band only, and train under heavy colour, rotation and mask augmentation.
Provenance: written from a description of the released network (github Ouxiang-Li/SAFE, 722620a);
no line of that repository is copied and no wavelet library is used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines._resnet import TwoStageResNet
from harness.api import (
    DetectorSpec,
    Deviation,
    PooledDetector,
    Recipe,
    ScoreSpec,
    Weights,
)

LABEL_SMOOTHING = 0.1


def differences(x: Tensor, axis: int) -> Tensor:
    """The high-pass half of one bior1.3 analysis step along an axis, symmetric extension.

    That filter's high-pass is Haar's: d[k] = (x[2k - 1] - x[2k - 2]) / sqrt(2), where x continues
    beyond both ends as its mirror image, the last sample repeated. Length n -> (n + 5) // 2.
    """
    length = x.shape[axis]
    count = 2 * ((length + 5) // 2)
    position = torch.arange(-2, count - 2, device=x.device) % (2 * length)
    mirrored = torch.minimum(position, 2 * length - 1 - position)
    extended = x.index_select(axis, mirrored).movedim(axis, -1)
    high: Tensor = (extended[..., 1::2] - extended[..., ::2]) * 0.5**0.5
    return high.movedim(-1, axis)


def diagonal_band(x: Tensor) -> Tensor:
    """The diagonal (HH) band of a one-level bior1.3 wavelet transform.

    (N, C, H, W) -> (N, C, (H + 5) // 2, (W + 5) // 2). Inside, for even sizes, half the mixed
    difference a - b - c + d of each 2x2 cell.
    """
    return differences(differences(x, 3), 2)


def stretched_band(x: Tensor) -> Tensor:
    """:func:`diagonal_band` resized bilinearly to the image's own size, (N, C, H, W)."""
    band = diagonal_band(x)
    # Antialiasing acts on images below 4 pixels only, whose band is larger than they are.
    return nn.functional.interpolate(band, x.shape[2:], mode="bilinear", antialias=True)


torch.fx.wrap("stretched_band")  # its sizes are numbers, so tracing must not look inside


class SAFENetwork(TwoStageResNet):
    """NPR's trunk on the stretched diagonal band; (N, 3, H, W) in [0, 1] -> (N, 2) logits."""

    def __init__(self) -> None:
        super().__init__(outputs=2)

    def residual(self, x: Tensor) -> Tensor:
        """The stretched diagonal band."""
        return stretched_band(x)


class SAFEDetector(PooledDetector):
    """SAFE's network; it sees plain [0, 1] pixels, without any normalisation."""

    def __init__(self) -> None:
        super().__init__(SAFENetwork(), mean=0.0, std=1.0)

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy of the two logits with label smoothing 0.1, mean over the batch."""
        logits = self.module(images)
        return nn.functional.cross_entropy(logits, labels.long(), label_smoothing=LABEL_SMOOTHING)


def build() -> SAFEDetector:
    return SAFEDetector()


DEVIATIONS = (
    Deviation(
        what="label smoothing",
        paper="not mentioned in what is known of it here",
        code="0.1, the default of an argument that the training script does not set",
        here="0.1",
    ),
    Deviation(
        what="evaluation on several GPUs",
        paper="-",
        code="subsets that do not divide evenly are padded with repeated samples, which then count "
        "in accuracy and AP",
        here="every image counts once",
    ),
    Deviation(
        what="score",
        paper="-",
        code="softmax probability of class 1 in float32, decided at 0.5; AP over it (probabilities "
        "that round to 1 tie)",
        here="the logits' difference, decided at 0: the same decisions, no ties by rounding",
    ),
    Deviation(
        what="rotation and masks in training",
        paper="augmentations that keep local features",
        code="a rotation leaves black corners, and masks are exact zeros: both put edges into the "
        "diagonal band",
        here="as the code",
    ),
    Deviation(
        what="unused front-ends",
        paper="-",
        code="FFT, DCT, Sobel and NPR front-ends that nothing calls (the NPR one would return the "
        "reconstruction, not the residual)",
        here="absent",
    ),
    Deviation(
        what="scale of the band",
        paper="-",
        code="multiplied by 1, unlike NPR's 2/3",
        here="not scaled",
    ),
    Deviation(
        what="checkpoint file",
        paper="-",
        code="holds its training options as a Python object, so that it loads only with "
        "weights_only=False; --pretrained and --input_size have no effect on the network",
        here="nothing in a file is executed; see the weights' note",
    ),
)

SPEC = DetectorSpec(
    name="safe",
    title="SAFE",
    family="local artefact",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    # Centre crop everywhere; the release's other mode ("source") takes images as they are.
    geometry={"*": "center_crop(256)", "mini": "native"},
    weights=(
        Weights(
            name="released",
            filename="safe_checkpoint-best.pth",
            url="https://github.com/Ouxiang-Li/SAFE/raw/"
            "722620a6a6c1acae5bfbc580c9b0a295f64b7a87/checkpoint/checkpoint-best.pth",
            sha256="",
            licence="Apache-2.0 (repository; its network file derives from NPR, no licence stated)",
            trained_on="ForenSynths train: ProGAN and LSUN, classes car, cat, chair, horse",
            note="the epoch with the best validation accuracy; the file also holds the optimiser "
            "and an argparse.Namespace, which the loader must be told to admit",
        ),
    ),
    recipe=Recipe(
        epochs=20,
        batch_size=128,
        lr=5e-3,
        optimiser="adamw",
        weight_decay=0.01,
        decay_vectors=False,
        schedule="cosine",
        min_lr=1e-6,
        warmup=1,
        monitor="val_acc",
        keep="best",
        train_preprocess="pad_for_crop(256)|random_crop(256)|hflip(0.5)|rotate(180)"
        "|color_jitter(0.5,0.5,0.5)|mask_patches(0.5,16,0.75)",
        val_preprocess="center_crop(256)",
        source="scripts/train.sh and defaults of github Ouxiang-Li/SAFE 722620a: base rate 1e-2 x "
        "batch 128 / 256",
    ),
    citation="Li et al., Improving Synthetic Image Detection Towards Generalization: An Image "
    "Transformation Perspective, KDD 2025, arXiv 2408.06741",
    deviations=DEVIATIONS,
    paper_name="SAFE",
    notes="Takes every size; smaller images are padded with black by the centre crop.",
)
