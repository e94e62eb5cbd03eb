"""Stable Diffusion's image auto-encoder (AutoencoderKL), under the names of diffusers.

The first and the second version have one architecture and different weights.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

WIDTHS = (128, 256, 512, 512)
LATENT = 4  # channels; of a latent each side is an eighth of the picture's
GROUPS = 32
SHRINK = 8


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, width, eps=1e-6)


def _conv(given: int, made: int) -> nn.Conv2d:
    return nn.Conv2d(given, made, 3, padding=1)


class VaeResnet(nn.Module):
    """Two convolutions, each behind norm and SiLU, added to what came in."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.norm1 = _norm(given)
        self.conv1 = _conv(given, made)
        self.norm2 = _norm(made)
        self.conv2 = _conv(made, made)
        self.conv_shortcut = nn.Identity() if given == made else nn.Conv2d(given, made, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, given, H, W) -> (N, made, H, W)."""
        silu = nn.functional.silu
        hidden = self.conv2(silu(self.norm2(self.conv1(silu(self.norm1(x))))))
        output: Tensor = self.conv_shortcut(x) + hidden
        return output


class VaeAttention(nn.Module):
    """One head over all places, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.group_norm = _norm(width)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same."""
        places = self.group_norm(x).flatten(2).transpose(1, 2)
        mixed = nn.functional.scaled_dot_product_attention(
            self.to_q(places), self.to_k(places), self.to_v(places)
        )
        output: Tensor = self.to_out[0](mixed)
        return x + output.transpose(1, 2).reshape(x.shape)


class VaeMiddle(nn.Module):
    """A block, attention, a block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([VaeAttention(width)])
        self.resnets = nn.ModuleList(VaeResnet(width, width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same."""
        output: Tensor = self.resnets[1](self.attentions[0](self.resnets[0](x)))
        return output


class Downsampler(nn.Module):
    """Halves both sides; a row and a column of zeros are added below and at the right only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H // 2, W // 2)."""
        output: Tensor = self.conv(nn.functional.pad(x, (0, 1, 0, 1)))
        return output


class Upsampler(nn.Module):
    """Doubles both sides by repeating pixels, then a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, 2 H, 2 W)."""
        output: Tensor = self.conv(nn.functional.interpolate(x, scale_factor=2.0))
        return output


class VaeStage(nn.Module):
    """Blocks of one width, and what changes the size after them (``name``), if anything does."""

    def __init__(
        self, given: int, made: int, blocks: int, name: str = "", change: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            VaeResnet(given if number == 0 else made, made) for number in range(blocks)
        )
        self.change = name
        if change is not None:
            self.add_module(name, nn.ModuleList([change]))

    def forward(self, x: Tensor) -> Tensor:
        """(N, given, H, W) -> (N, made, H', W')."""
        for block in self.resnets:
            x = block(x)
        return self.get_submodule(f"{self.change}.0")(x) if self.change else x


class VaeEncoder(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> (N, 8, H / 8, W / 8): mean and log variance, mixed."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        last = widths[-1]
        self.conv_in = _conv(3, widths[0])
        self.down_blocks = nn.ModuleList()
        for number, width in enumerate(widths):
            given = widths[max(number - 1, 0)]
            more = number < len(widths) - 1
            ending = ("downsamplers", Downsampler(width)) if more else ()
            self.down_blocks.append(VaeStage(given, width, 2, *ending))
        self.mid_block = VaeMiddle(last)
        self.conv_norm_out = _norm(last)
        self.conv_out = _conv(last, 2 * LATENT)

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        output: Tensor = self.conv_out(nn.functional.silu(self.conv_norm_out(self.mid_block(x))))
        return output


class VaeDecoder(nn.Module):
    """(N, 4, h, w) -> (N, 3, 8 h, 8 w), about [-1, 1]."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        downwards = widths[::-1]
        self.conv_in = _conv(LATENT, downwards[0])
        self.up_blocks = nn.ModuleList()
        for number, width in enumerate(downwards):
            given = downwards[max(number - 1, 0)]
            more = number < len(widths) - 1
            ending = ("upsamplers", Upsampler(width)) if more else ()
            self.up_blocks.append(VaeStage(given, width, 3, *ending))
        self.mid_block = VaeMiddle(downwards[0])
        self.conv_norm_out = _norm(widths[0])
        self.conv_out = _conv(widths[0], 3)

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        output: Tensor = self.conv_out(nn.functional.silu(self.conv_norm_out(x)))
        return output


class AutoEncoder(nn.Module):
    """Pictures to latents and back. Sides are multiples of 8."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.encoder = VaeEncoder(widths)
        self.decoder = VaeDecoder(widths)
        self.quant_conv = nn.Conv2d(2 * LATENT, 2 * LATENT, 1)
        self.post_quant_conv = nn.Conv2d(LATENT, LATENT, 1)

    def latents(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> mean and standard deviation of the latent, (N, 4, H / 8, W / 8) each."""
        mean, log_variance = self.quant_conv(self.encoder(x)).chunk(2, 1)
        return mean, (0.5 * log_variance.clamp(-30, 20)).exp()

    def decode(self, latent: Tensor) -> Tensor:
        """(N, 4, h, w) -> (N, 3, 8 h, 8 w)."""
        picture: Tensor = self.decoder(self.post_quant_conv(latent))
        return picture


_OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def current_name(name: str) -> str:
    """Names of older files -> those of diffusers today, which the networks here have."""
    found = re.fullmatch(r"(.*\.attentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)", name)
    return f"{found[1]}.{_OLD[found[2]]}.{found[3]}" if found else name
