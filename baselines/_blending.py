"""Self-blended images (Shiohara and Yamasaki, CVPR 2022): fakes made of one real picture each.

Two copies of a picture, one of them changed in colour or sharpness and slightly moved, are blended
inside a soft deformed mask. The paper's mask is the hull of facial landmarks; pictures here have
none, so a random convex shape stands in. Written from a description of the paper only; strengths
that it does not give are this project's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines import _pixels
from baselines._chance import integer, uniform

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
CORNERS = 12
MOST_SCALED = 0.05
MOST_MOVED = 0.03


def self_blended(image: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A real picture and a fake made of it, which differ by the blending alone.

    Args:
        image: (3, H, W) float32 in [0, 1], on the CPU.
        generator: of every draw.

    Returns:
        Real and fake, of the same size, both rounded to 8 bits. The real one is the blending's
        target, which in half of the cases is the changed copy.
    """
    source, target = image, image
    if uniform(generator) < 0.5:
        source = changed(source, generator)
    else:
        target = changed(target, generator)
    height, width = image.shape[1:]
    mask = soft_mask(height, width, generator) * RATIOS[integer(generator, len(RATIOS))]
    fake = blend(moved(source, generator), target, mask)
    return _pixels.as_stored(target), _pixels.as_stored(fake)


def blend(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The source where the (1, H, W) mask is 1, the target where it is 0."""
    return source * mask + target * (1 - mask)


def changed(image: Tensor, generator: torch.Generator) -> Tensor:
    """Colours shifted (channels, hue and saturation, brightness and contrast), then down-scaled
    or sharpened."""
    by = 0.08 * (2 * torch.rand(3, generator=generator) - 1)
    image = _pixels.shift_channels(image, by)
    hue, saturation = uniform(generator, -0.04, 0.04), uniform(generator, -0.3, 0.3)
    image = _pixels.hue_saturation(image, hue, saturation)
    brightness, contrast = uniform(generator, -0.1, 0.1), uniform(generator, -0.1, 0.1)
    image = _pixels.brightness_contrast(image, brightness, contrast)
    if uniform(generator) < 0.5:
        return _pixels.down_and_up(image, uniform(generator, 0.25, 0.5))
    return _pixels.sharpen(image, uniform(generator, 0.2, 0.5))


def moved(image: Tensor, generator: torch.Generator) -> Tensor:
    """Each side scaled by up to 5 %, and shifted by up to 3 %; the border is repeated."""
    scale = torch.tensor([uniform(generator, -MOST_SCALED, MOST_SCALED) for _ in range(2)])
    shift = torch.tensor([uniform(generator, -MOST_MOVED, MOST_MOVED) for _ in range(2)])
    matrix = torch.cat([torch.diag(1 + scale), 2 * shift[:, None]], 1)  # the picture is -1 to 1
    return _sampled(image, _places(image, matrix), border="border")


def soft_mask(height: int, width: int, generator: torch.Generator) -> Tensor:
    """(1, H, W) in [0, 1]: a convex shape, deformed, its edge moved in or out and softened.

    Between the two blurs only what the first left whole is kept: a first blur wider than the
    second shrinks the shape, a narrower one lets it grow.
    """
    mask = deformed(convex_mask(height, width, generator), generator)
    side = min(height, width)
    first, second = (side * uniform(generator, 0.01, 0.05) for _ in range(2))
    kept = (_pixels.blur(mask, first) > 0.99).to(mask.dtype)
    return _pixels.blur(kept, second)


def convex_mask(height: int, width: int, generator: torch.Generator) -> Tensor:
    """(1, H, W) of 0 and 1: the part of the picture inside random half-planes around a centre."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    x = x - uniform(generator, -0.3, 0.3)
    y = y - uniform(generator, -0.3, 0.3)
    inside = torch.ones(height, width, dtype=torch.bool)
    for number in range(CORNERS):
        turn = 2 * torch.pi * (number + uniform(generator)) / CORNERS
        angle = torch.tensor(turn)
        inside &= x * angle.cos() + y * angle.sin() <= uniform(generator, 0.5, 1.0)
    return inside[None].float()


def deformed(mask: Tensor, generator: torch.Generator) -> Tensor:
    """The (1, H, W) mask turned, sheared and shifted a little, and bent by a smooth field."""
    angle = torch.tensor(uniform(generator, -0.3, 0.3))
    matrix = torch.tensor([[1.0, uniform(generator, -0.1, 0.1), 0], [0, 1.0, 0]])
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    matrix[:, :2] = turn @ matrix[:, :2]
    matrix[:, 2] = torch.tensor([uniform(generator, -0.05, 0.05) for _ in range(2)])
    coarse = 0.1 * (2 * torch.rand(1, 2, 6, 6, generator=generator) - 1)
    bend = nn.functional.interpolate(coarse, size=mask.shape[1:], mode="bicubic")
    places = _places(mask, matrix) + bend.movedim(1, -1)
    return (_sampled(mask, places, border="zeros") > 0.5).to(mask.dtype)


def _places(image: Tensor, matrix: Tensor) -> Tensor:
    """Where an affine map (2, 3) takes each pixel from, as ``grid_sample`` wants it."""
    size = [1, *image.shape]
    return nn.functional.affine_grid(matrix[None], size, align_corners=False)


def _sampled(image: Tensor, places: Tensor, *, border: str) -> Tensor:
    sampled: Tensor = nn.functional.grid_sample(
        image[None], places, padding_mode=border, align_corners=False
    )
    return sampled[0]
