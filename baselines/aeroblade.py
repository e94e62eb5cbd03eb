"""AEROBLADE: autoencoder reconstruction error (CVPR 2024); nothing is trained.

Idea: a latent diffusion model's pictures came out of its auto-encoder, so that it reproduces
them better than photographs. The score is minus the LPIPS distance between a picture and what
the auto-encoder makes of it.
Provenance: written from a description of the released code (github jonasricker/aeroblade,
50fc2b2), which has no licence, and of LPIPS; no line of these is copied.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from baselines._vae import LATENT, SHRINK, WIDTHS, AutoEncoder, current_name
from harness.api import (
    Behaviour,
    DetectorSpec,
    Deviation,
    InputRule,
    ScoreSpec,
    TorchDetector,
    Weights,
)

SEED = 1  # of the latents' noise, the release's
LAYER = 2  # of LPIPS's five, by which the release scores: VGG's relu2_2
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
# Channels of VGG-16's convolutions, group by group, and the first one's number in torchvision.
GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
FIRST = (0, 5, 10, 17, 24)


class VggGroups(nn.Module):
    """VGG-16's convolutions in LPIPS's five groups, numbered as torchvision numbers them."""

    def __init__(self) -> None:
        super().__init__()
        given = 3
        for group, (first, widths) in enumerate(zip(FIRST, GROUPS, strict=True), start=1):
            convolutions = nn.Module()
            for number, width in enumerate(widths):
                convolutions.add_module(str(first + 2 * number), nn.Conv2d(given, width, 3, 1, 1))
                given = width
            self.add_module(f"slice{group}", convolutions)

    def forward(self, x: Tensor) -> Iterator[Tensor]:
        """(N, 3, H, W) -> each group's map, one after the other, as they are asked for."""
        for group in range(1, len(GROUPS) + 1):
            if group > 1:
                x = nn.functional.max_pool2d(x, 2)
            for convolution in self.get_submodule(f"slice{group}").children():
                x = nn.functional.relu(convolution(x))
            yield x


class Lpips(nn.Module):
    """LPIPS 0.1 on VGG-16: a distance of two pictures for each of five layers."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.net = VggGroups()
        for layer, widths in enumerate(GROUPS):
            linear = nn.Module()
            linear.model = nn.ModuleList([nn.Identity(), nn.Conv2d(widths[-1], 1, 1, bias=False)])
            self.add_module(f"lin{layer}", linear)
        for name, values in (("shift", SHIFT), ("scale", SCALE)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, one: Tensor, two: Tensor) -> Iterator[Tensor]:
        """Two (N, 3, H, W) in [0, 1] -> (N,) mean distance, layer by layer as asked for."""
        maps = (self.net((2 * x - 1 - self.shift) / self.scale) for x in (one, two))
        for layer, (first, second) in enumerate(zip(*maps, strict=True)):
            squares = (_unit(first) - _unit(second)).square()
            weighted: Tensor = self.get_submodule(f"lin{layer}.model.1")(squares)
            yield weighted.mean((1, 2, 3))


def _unit(x: Tensor) -> Tensor:
    """Each place divided by its channels' length."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


def noise_of(height: int, width: int, seed: int = SEED) -> Tensor:
    """(1, 4, height, width): the noise that a picture's latent of this size gets here."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, LATENT, height, width, generator=generator, device="cpu")


class AerobladeNetwork(nn.Module):
    """The auto-encoder (``vae``) and the distance (``lpips``); (N, 3, H, W) in [0, 1] -> (N,).

    Args:
        widths: of the auto-encoder.
        seed: of the latents' noise.
        levels: the reconstruction is cut off to 256 levels.
    """

    def __init__(self, widths: tuple[int, ...], seed: int, levels: bool) -> None:
        super().__init__()
        self.seed, self.levels = seed, levels
        self.vae = AutoEncoder(widths)
        self.lpips = Lpips()

    def reconstructed(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> the same through the auto-encoder, in 256 levels.

        Levels are cut off, not rounded, as by the release's way into a PNG file.

        Args:
            noise: of the latents, (N or 1, 4, H / 8, W / 8); by default :func:`noise_of`.
        """
        mean, deviation = self.vae.latents(2 * x - 1)
        if noise is None:
            sides = int(mean.shape[2]), int(mean.shape[3])
            noise = noise_of(*sides, self.seed).to(x.device, x.dtype)
        made = (self.vae.decode(mean + deviation * noise) / 2 + 0.5).clamp(0, 1)
        return (made * 255).floor() / 255 if self.levels else made

    def distances(self, x: Tensor) -> Iterator[Tensor]:
        """(N, 3, H, W) in [0, 1] -> (N,) for each of LPIPS's layers, as asked for."""
        found: Iterator[Tensor] = self.lpips(x, self.reconstructed(x))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,), minus the distance by layer 2."""
        layers = self.distances(x)
        for _ in range(LAYER):
            distance = next(layers)
        return -distance


class AerobladeDetector(TorchDetector):
    """AEROBLADE with one auto-encoder; pictures as they are."""

    network: AerobladeNetwork
    no_places = "its score is a mean over the whole picture of what another network made of it"

    def __init__(
        self, widths: tuple[int, ...] = WIDTHS, seed: int = SEED, levels: bool = True
    ) -> None:
        super().__init__(AerobladeNetwork(widths, seed, levels), mean=0.0, std=1.0)


def build(
    widths: tuple[int, ...] = WIDTHS, seed: int = SEED, levels: bool = True
) -> AerobladeDetector:
    """A detector with random weights; options as of :class:`AerobladeNetwork`."""
    return AerobladeDetector(widths, seed, levels)


def _vae(name: str) -> str:
    return f"vae.{current_name(name)}"


def _vgg(name: str) -> str | None:
    """torchvision's VGG-16 -> its convolutions here; its classifier has no use."""
    if not name.startswith("features."):
        return None
    number = int(name.split(".")[1])
    group = sum(number >= first for first in FIRST)
    return f"lpips.net.slice{group}.{name.removeprefix('features.')}"


def _linear(name: str) -> str:
    return f"lpips.{name}"


VGG = Weights(
    name="vgg16",
    filename="vgg16-397923af.pth",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af",
    licence="BSD-3-Clause (torchvision); ImageNet's terms are its own",
    trained_on="ImageNet-1k classification (torchvision's IMAGENET1K_V1); nothing forensic",
    note="about 528 MB; its publisher names the first 8 digits of the sha256 only",
    mapping=_vgg,
)
LPIPS = Weights(
    name="lpips",
    filename="lpips_v0.1_vgg.pth",
    url="https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/vgg.pth",
    sha256="",
    licence="BSD-2-Clause",
    trained_on="human judgements of image distortions (BAPPS)",
    note="five vectors; also in the wheel of the package lpips, weights/v0.1/vgg.pth",
    mapping=_linear,
)


def _autoencoder(name: str, repository: str, licence: str) -> Weights:
    return Weights(
        name=name,
        filename=f"aeroblade_{name}.pth",
        url=f"https://huggingface.co/{repository}/resolve/main/vae/diffusion_pytorch_model.bin",
        sha256="",
        licence=licence,
        trained_on=f"the auto-encoder of {repository}; nothing forensic",
        note="about 335 MB, under another name than its publisher's; its sha256 is not known here",
        mapping=_vae,
        also=(VGG, LPIPS),
    )


DEVIATIONS = (
    Deviation(
        what="several auto-encoders",
        paper="the best of several counts",
        code="the maximum over Stable Diffusion 1.1, 2 (base) and Kandinsky 2.1",
        here="one at a time, aeroblade:sd1 or aeroblade:sd2; Kandinsky's is another network, which "
        "is not here",
    ),
    Deviation(
        what="latents",
        paper="-",
        code="sampled: one generator (seed 1) for a whole folder, so that a score depends on the "
        "order of files and on the batch",
        here="sampled, seed 1 for every picture",
    ),
    Deviation(
        what="levels",
        paper="-",
        code="the reconstruction goes through an 8-bit PNG file, cut off and not rounded, which "
        "darkens it by half a level",
        here="as the code, without a file",
    ),
    Deviation(
        what="precision",
        paper="-",
        code="half precision on a GPU; distances are halves, with about three digits and ties",
        here="float32",
    ),
    Deviation(
        what="sizes",
        paper="512x512",
        code="sides that are no multiples of 8 end in an error",
        here="what is left over on the right and below is cut off first",
    ),
    Deviation(
        what="threshold",
        paper="none",
        code="none: AP and true positives at 5 % false ones",
        here="0, below which every score lies: no picture is called fake, so read AP and AUC, and "
        "no accuracy",
    ),
)

BEHAVIOURS = (
    Behaviour(name="latents of seed 2", deviation="latents", options={"seed": 2}, random=True),
    Behaviour(
        name="reconstruction not cut to 8 bits", deviation="levels", options={"levels": False}
    ),
    Behaviour(
        name="the best of several auto-encoders",
        deviation="several auto-encoders",
        absent="Kandinsky's is another network, which is not here; each of the others is a "
        "checkpoint of its own",
    ),
)

SPEC = DetectorSpec(
    name="aeroblade",
    title="AEROBLADE",
    family="training-free",
    build=build,
    score=ScoreSpec(kind="uncalibrated", threshold=0.0),
    geometry={"*": f"crop_multiple({SHRINK})"},
    input_rule=InputRule(smallest=(16, 16), multiple_of=SHRINK),
    evaluation_size=(512, 512),
    weights=(
        _autoencoder("sd1", "CompVis/stable-diffusion-v1-1", "CreativeML OpenRAIL-M"),
        _autoencoder("sd2", "stabilityai/stable-diffusion-2-base", "OpenRAIL++-M"),
    ),
    citation="Ricker, Lukovnikov, Fischer, AEROBLADE: Training-Free Detection of Latent Diffusion "
    "Images Using Autoencoder Reconstruction Error, CVPR 2024, pp. 9130-9140",
    deviations=DEVIATIONS,
    behaviours=BEHAVIOURS,
    notes="Sides are multiples of 8, from 16 on. No weights of its own: an auto-encoder, VGG-16 "
    "and LPIPS's five vectors. It calls nothing fake, since no threshold is published. "
    "About 1.9 T multiply-accumulates at 512x512.",
)
