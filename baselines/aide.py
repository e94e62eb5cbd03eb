"""AIDE: AI-generated image detector with hybrid features (ICLR 2025, arXiv 2406.19435).

Idea: two experts. One sees the patches with the least and the most high frequency, through
high-pass filters and a ResNet-50 for each kind; the other sees the whole picture through a frozen
CLIP ConvNeXt-XXL.
Provenance: written from a description of the released code (github shilinyan99/AIDE, 6725b71); no
line of that repository is copied. ResNet-50 is torchvision's, ConvNeXt timm's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from baselines._backbones import resnet50, resnet50_features
from baselines._clip import CLIP_MEAN, CLIP_STD
from baselines._frequency import band_masks
from baselines._spectrum import dct_matrix
from baselines._srm import srm_filters
from harness.api import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    ScoreSpec,
    TorchDetector,
    Weights,
)
from harness.api.torchvision import ensure_torchvision

PATCH, STRIDE, BANDS = 32, 16, 6


@dataclass(frozen=True, kw_only=True)
class AideSizes:
    """Dimensions; the defaults are the release's. Tests take smaller ones.

    Args:
        side: of what the networks see, pixels; a multiple of 32.
        depths, widths: of ConvNeXt's four stages.
    """

    side: int = 256
    depths: tuple[int, ...] = (3, 4, 30, 3)
    widths: tuple[int, ...] = (384, 768, 1536, 3072)


RELEASED = AideSizes()


def patches_of(image: Tensor) -> Tensor:
    """(3, H, W) -> (count, 3, 32, 32): every 16 pixels, row by row; what remains is left out."""
    windows = image.unfold(1, PATCH, STRIDE).unfold(2, PATCH, STRIDE)
    return windows.permute(1, 2, 0, 3, 4).reshape(-1, 3, PATCH, PATCH)


def grades(patches: Tensor) -> Tensor:
    """(count, 3, 32, 32) in [0, 1] -> (count,): how much of high frequencies each holds.

    The mean of ln(1 + |c|) over a band of the DCT, summed over colours; the next band counts
    twice as much as the one before.
    """
    basis = dct_matrix(PATCH, patches)
    spectrum = (basis @ patches @ basis.T).abs().log1p()
    edges = [2 * PATCH / BANDS * k for k in range(BANDS + 1)]
    masks = band_masks(PATCH, tuple(pairwise(edges))).to(patches)
    means = torch.einsum("nchw,khw->nk", spectrum, masks) / masks.sum((1, 2))
    total: Tensor = means @ 2.0 ** torch.arange(BANDS, device=patches.device).to(patches)
    return total


def picked(graded: Tensor) -> list[int]:
    """Places of the lowest, the highest, the second lowest and the second highest grade.

    A picture of one patch has it four times.
    """
    order = graded.argsort(stable=True).tolist()
    return [order[0], order[-1], order[min(1, len(order) - 1)], order[max(-2, -len(order))]]


def _resized(images: Tensor, side: int, smooth: bool) -> Tensor:
    sides = (side, side)
    return nn.functional.interpolate(
        images, sides, mode="bilinear", align_corners=False, antialias=smooth
    )


def views(image: Tensor, side: int, smooth: bool = False) -> Tensor:
    """(3, H, W) in [0, 1] -> (5, 3, side, side) in [0, 1]: four patches, and the whole picture.

    Resized without anti-aliasing unless ``smooth``, the picture without its aspect.
    """
    patches = patches_of(image)
    four = patches[picked(grades(patches))]
    return torch.cat([_resized(four, side, smooth), _resized(image[None], side, smooth)])


class Filters(nn.Module):
    """The 30 fixed filters, each on the sum of the three colours."""

    def __init__(self) -> None:
        super().__init__()
        self.hpf = nn.Conv2d(3, 30, 5, padding=2, bias=False)
        self.hpf.weight.requires_grad_(False)
        kernels = srm_filters()[:, None].expand(30, 3, 5, 5)
        self.hpf.weight.data = kernels.clone().to(self.hpf.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 30, H, W)."""
        left: Tensor = self.hpf(x)
        return left


class TwoLayers(nn.Module):
    """A linear layer, the exact GELU, a linear layer."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) -> (N, outputs)."""
        logits: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return logits


def _residual_network() -> Any:
    """ResNet-50 for 30 filtered planes; its classifier of 1000 is in the file and never used."""
    network = resnet50(1000)
    network.conv1 = nn.Conv2d(30, 64, 7, stride=2, padding=3, bias=False)
    return network


def _convnext(sizes: AideSizes) -> Any:
    ensure_torchvision()  # timm imports torchvision
    import timm

    shape: dict[str, Any] = {"depths": sizes.depths, "dims": sizes.widths}
    network = timm.create_model(
        "convnext_xxlarge", pretrained=False, num_classes=0, global_pool="", **shape
    )
    return network.requires_grad_(False)


class AideNetwork(nn.Module):
    """(N, 3, H, W) in [0, 1], both sides 32 at least -> (N, 2) logits of real and fake."""

    mean: Tensor
    std: Tensor

    def __init__(self, sizes: AideSizes, smooth: bool = False) -> None:
        super().__init__()
        self.side = sizes.side
        self.smooth = smooth
        self.hpf = Filters()
        self.model_min: Any = _residual_network()
        self.model_max: Any = _residual_network()
        self.fc = TwoLayers(2048 + 256, 1024, 2)
        self.openclip_convnext_xxl: Any = _convnext(sizes)
        self.convnext_proj = nn.Sequential(nn.Linear(sizes.widths[-1], 256))
        self.convnext_proj.requires_grad_(False)  # the release computes it without gradient
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def views(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 5, 3, side, side), normalised as ImageNet's."""
        shown = torch.stack([views(image, self.side, self.smooth) for image in x])
        return (shown - self.mean) / self.std

    def features(self, shown: Tensor) -> Tensor:
        """(N, 5, 3, side, side) -> (N, 2304): the whole picture's 256, then the patches' mean."""
        lowest, highest, second_lowest, second_highest = (
            self.hpf(shown[:, place]) for place in range(4)
        )
        low = [resnet50_features(self.model_min, x) for x in (lowest, second_lowest)]
        high = [resnet50_features(self.model_max, x) for x in (highest, second_highest)]
        mean = (low[0] + high[0] + low[1] + high[1]) / 4
        return torch.cat([self.semantic(shown[:, 4]), mean], 1)

    def semantic(self, whole: Tensor) -> Tensor:
        """Normalised as ImageNet's (N, 3, side, side) -> (N, 256).

        The norm of the last map comes before its mean.
        """
        mean, std = (self.mean.new_tensor(part).view(3, 1, 1) for part in (CLIP_MEAN, CLIP_STD))
        seen = whole * (self.std / std) + (self.mean - mean) / std
        projected: Tensor = self.convnext_proj(self.openclip_convnext_xxl(seen).mean((2, 3)))
        return projected

    def forward(self, x: Tensor) -> Tensor:
        """The two logits of each picture."""
        logits: Tensor = self.fc(self.features(self.views(x)))
        return logits


class AideDetector(TorchDetector):
    """AIDE; it normalises what it has cut and resized itself.

    Args:
        sizes: of the networks.
        smooth: resize with anti-aliasing.
    """

    network: AideNetwork
    no_places = "its network sees ranked patches and a resized picture"

    def __init__(self, sizes: AideSizes = RELEASED, smooth: bool = False) -> None:
        super().__init__(AideNetwork(sizes, smooth), mean=0.0, std=1.0)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 2304)."""
        return self.network.features(self.network.views(images))


DRIVE = "https://drive.google.com/drive/folders/1qx76UFvDpgCxaPLBCmsA2WY-SSzeJrd4"
LICENCE = "MIT (code; the weights have no statement of their own)"

DEVIATIONS = (
    Deviation(
        what="the semantic projection",
        paper="its text was not at hand",
        code="computed without gradient: never trained, so it exists in the checkpoint only",
        here="loaded",
    ),
    Deviation(
        what="first weights of the two ResNets",
        paper="-",
        code="ImageNet's are read and dropped; they start from noise, whatever --resnet_path says",
        here="loaded from the checkpoint",
    ),
    Deviation(
        what="resize",
        paper="-",
        code="on tensors; torchvision anti-aliases them by default from 0.17 on, the pinned one "
        "does not. Pictures above 256 differ",
        here="not anti-aliased",
    ),
    Deviation(
        what="patches",
        paper="-",
        code="pass a DCT, a mask of ones and the inverse DCT, which moves them by 7e-7",
        here="as they are",
    ),
    Deviation(
        what="patches of one grade",
        paper="-",
        code="ranked by an unstable sort: flat pictures may differ from machine to machine",
        here="the first in the picture comes first",
    ),
    Deviation(
        what="pictures below 32",
        paper="-",
        code="an error at test, another picture in training",
        here="refused",
    ),
    Deviation(
        what="training",
        paper="AdamW, half a cosine, label smoothing",
        code="20 epochs at 1e-4 from a frozen ConvNeXt-XXL that is left in training mode, so that "
        "its stochastic depth acts; the best epoch is chosen under the training augmentation",
        here="not trained here: 844 of 898 million parameters are frozen ones",
    ),
    Deviation(
        what="evaluation on several GPUs",
        paper="-",
        code="uneven subsets are padded with repeated samples, which then count",
        here="every image counts once",
    ),
    Deviation(
        what="published averages",
        paper="GenImage's",
        code="users' own trainings reach 85 % instead (issues 8 and 24)",
        here="the published files, where given",
    ),
)

BEHAVIOURS = (
    Behaviour(
        name="resized with anti-aliasing",
        deviation="resize",
        options={"smooth": True},
        seen="torchvision's default on tensors from 0.17 on",
    ),
)

SPEC = DetectorSpec(
    name="aide",
    title="AIDE",
    family="clip",
    build=AideDetector,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": "native"},
    input_rule=InputRule(smallest=(PATCH, PATCH)),
    weights=(
        Weights(
            name="progan",
            filename="progan_train.pth",
            url=DRIVE,
            sha256="ce3a9d66c124e4c24846a6e513d4c66a7e34a16c46bd46a8041f809c2a4a756e",
            size=3_592_077_976,
            licence=LICENCE,
            trained_on="ForenSynths train: ProGAN and LSUN, all 20 classes",
            note="3.6 GB, the frozen ConvNeXt inside; size and sha256 are a third party's record",
        ),
        Weights(
            name="sd14",
            filename="aide_sd14_train.pth",
            url=DRIVE,
            sha256="",
            licence=LICENCE,
            trained_on="GenImage train: Stable Diffusion 1.4 and ImageNet",
            note="3.6 GB; its own name is not known here: download it by hand and name it so",
        ),
    ),
    citation="Yan et al., A Sanity Check for AI-generated Image Detection, ICLR 2025, "
    "arXiv 2406.19435",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="Takes every size from 32x32, at its own resolution. 898 million parameters: 3.6 GB of "
    "memory, twice that while a checkpoint is read.",
)
