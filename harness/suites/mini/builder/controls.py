"""Controls: real tiles that were resampled, recompressed or demosaicked. They stay real.

A detector that calls them fake detects processing, not generation.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from .packages import fetch, package

DEMOSAIC_WEIGHTS = "demosaicnet/data/bayer.pth"


def bicubic_x2(tile: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Shrink by two and enlarge by two, both bicubic; (160, 160, 3) uint8 -> the same."""
    side = tile.shape[0]
    small = Image.fromarray(tile).resize((side // 2, side // 2), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def resize_1_3(tile: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Enlarge by 1.3, bicubic, and keep the centre; (160, 160, 3) uint8 -> the same."""
    side = tile.shape[0]
    large = round(1.3 * side)
    image = Image.fromarray(tile).resize((large, large), Image.Resampling.BICUBIC)
    cut = (large - side) // 2
    return np.asarray(image.crop((cut, cut, cut + side, cut + side)))


def jpeg_90(tile: NDArray[np.generic]) -> NDArray[np.uint8]:
    """JPEG at quality 90 with 4:2:0 chroma, decoded again; (160, 160, 3) uint8 -> the same."""
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=90, subsampling=2)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


class Demosaic(nn.Module):
    """Gharbi et al., "Deep Joint Demosaicking and Denoising", SIGGRAPH Asia 2016 (Bayer).

    Fifteen convolutions at half resolution; the last one's channels are filters and masks that
    are multiplied; a grouped transposed convolution brings 12 channels back to RGB; two
    convolutions join them with the mosaic.
    """

    def __init__(self) -> None:
        super().__init__()
        layers = OrderedDict[str, nn.Module](pack_mosaic=nn.Conv2d(3, 4, 2, stride=2))
        for index in range(1, 16):
            wide_in, wide_out = (4 if index == 1 else 64), (128 if index == 15 else 64)
            layers[f"conv{index}"] = nn.Conv2d(wide_in, wide_out, 3, padding=1)
            layers[f"relu{index}"] = nn.ReLU()
        self.main_processor = nn.Sequential(layers)
        self.residual_predictor = nn.Conv2d(64, 12, 1)
        self.upsampler = nn.ConvTranspose2d(12, 3, 2, stride=2, groups=3)
        joined = OrderedDict[str, nn.Module](post_conv=nn.Conv2d(6, 64, 3, padding=1))
        joined["post_relu"] = nn.ReLU()
        joined["output"] = nn.Conv2d(64, 3, 1)
        self.fullres_processor = nn.Sequential(joined)

    def forward(self, mosaic: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], two of three channels zero at every pixel -> (N, 3, H, W)."""
        filters, masks = self.main_processor(mosaic).chunk(2, dim=1)
        upsampled = self.upsampler(self.residual_predictor(filters * masks))
        result: Tensor = self.fullres_processor(torch.cat([mosaic, upsampled], dim=1))
        return result


def mosaic(tile: NDArray[np.generic]) -> NDArray[np.float32]:
    """Keep one colour a pixel (rows G R / B G); (H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    planes = tile.transpose(2, 0, 1).astype(np.float32) / 255.0
    kept = np.zeros_like(planes)
    kept[0, 0::2, 1::2] = planes[0, 0::2, 1::2]
    kept[1, 0::2, 0::2] = planes[1, 0::2, 0::2]
    kept[1, 1::2, 1::2] = planes[1, 1::2, 1::2]
    kept[2, 1::2, 0::2] = planes[2, 1::2, 0::2]
    result: NDArray[np.float32] = kept[None]
    return result


@torch.inference_mode()
def demosaic_tiles(tiles: NDArray[np.generic], cache: Path) -> NDArray[np.uint8]:
    """Mosaick and demosaick every tile; (N, 160, 160, 3) uint8 -> the same."""
    network = Demosaic()
    path = fetch(package("demosaicnet"), cache) / DEMOSAIC_WEIGHTS
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    network.eval()
    out = []
    for tile in tqdm(tiles, desc="ctl_demosaicnet", unit="tile"):
        image = network(torch.from_numpy(mosaic(tile)))[0].permute(1, 2, 0).numpy()
        out.append(np.clip(np.rint(image * 255.0), 0, 255).astype(np.uint8))
    return np.stack(out)


SIMPLE_CONTROLS = {
    "ctl_bicubic_x2": bicubic_x2,
    "ctl_resize1.3": resize_1_3,
    "ctl_jpeg90": jpeg_90,
}
"""Controls that are a function of one tile."""
