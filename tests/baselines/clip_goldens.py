"""Weights of the goldens on CLIP (``goldens/README-clip-xception.md``, rule chirp, gain 1), and
CLIP in small: the detectors' own code on networks that take megabytes and milliseconds."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines import _clip
from baselines._clip import Sizes
from harness.api import DetectorSpec, Weights
from harness.data.preprocess import parse, to_tensor
from tests.goldens import close

SMALL = Sizes(width=128, layers=3, output=128, text_width=128, text_layers=1)
CHUNK = 1 << 20


def listed(shared: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every entry of the official checkpoint."""
    entries = json.loads((shared / f"methods/cards/{name}.keys.json").read_text())
    return {entry: tuple(shape) for entry, shape, _ in entries}


def chirp(name: str, shape: tuple[int, ...]) -> Tensor:
    """The deterministic values of one floating entry."""
    count = math.prod(shape)
    wave = np.empty(count, dtype=np.float32)
    for start in range(0, count, CHUNK):
        i = np.arange(start, min(start + CHUNK, count), dtype=np.int64)
        phase = 0.37 * i.astype(np.float64) + sum(name.encode()) % 97
        wave[start : start + len(i)] = _scaled(np.sin(phase + (i % 9973) ** 2 % 9973), name, shape)
    return torch.from_numpy(wave.reshape(shape))


def _scaled(wave: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) == 1 and name.endswith("weight"):
        return 1 + 0.1 * np.abs(wave)
    if len(shape) >= 2:
        return math.sqrt(2 / math.prod(shape[1:])) * wave
    if math.prod(shape) == 1 and not name.endswith("bias"):
        return 0.5 + 0.25 * wave
    return 0.05 * wave


def meta_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A state dict of these shapes that takes no memory."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def on_meta(build: Callable[..., Any], **options: Any) -> Any:
    """A full-size detector that takes no memory."""
    with torch.device("meta"):
        return build(**options)


def in_small(spec: DetectorSpec, build: Callable[..., Any]) -> DetectorSpec:
    """The same detector with a small CLIP inside."""
    return replace(spec, build=lambda: build(sizes=SMALL))


def preprocessing_is_exact(shared: Path, spec: DetectorSpec) -> None:
    gold = np.load(shared / f"methods/goldens/{spec.name}.npz")
    preprocess = parse(spec.preprocess_for("diffusion"))
    normalise = on_cpu_normalisation(spec)
    for image, stored in zip(gold["images_u8"], gold["x"], strict=True):
        close(normalise(to_tensor(preprocess(image))[None])[0], stored, 1e-6)


def on_cpu_normalisation(spec: DetectorSpec) -> Callable[[Tensor], Tensor]:
    """The detector's normalisation without its network."""
    small: Any = in_small(spec, spec.build).build()
    normalise: Callable[[Tensor], Tensor] = small.module.normalise
    return normalise


def publish_small_clip(
    folder: Path, patch: pytest.MonkeyPatch, spec: DetectorSpec
) -> tuple[DetectorSpec, dict[str, Tensor]]:
    """Puts a small CLIP, stored as OpenAI stores its own (float16 TorchScript), where it is looked
    for; returns the spec that expects this file, and the file's entries."""
    torch.manual_seed(5)
    clip = _clip.both_towers(SMALL).half()
    state = {name: value.float() for name, value in clip.state_dict().items()}
    del clip.attn_mask  # no entry of OpenAI's file; the next three are
    del clip.context_length, clip.vocab_size
    for name, value in zip(_clip.CONSTANTS, (224, 77, 49408), strict=True):
        clip.register_buffer(name, torch.tensor(value))
    path = folder / _clip.OPENAI.filename
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        pictures = torch.zeros(1, 3, 224, 224, dtype=torch.half)
        torch.jit.trace_module(clip, {"encode_image": pictures}).save(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    patch.setenv("LFM_WEIGHTS", str(folder))
    return replace(
        spec,
        weights=tuple(_expecting(entry, digest) for entry in spec.weights),
        pretrained=tuple(_expecting(entry, digest) for entry in spec.pretrained),
    ), state


def _expecting(entry: Weights, digest: str) -> Weights:
    """The entry, or what it is completed with, as a publisher of this CLIP would have it."""
    if entry.filename == _clip.OPENAI.filename:
        return replace(entry, sha256=digest)
    return replace(entry, also=tuple(_expecting(part, digest) for part in entry.also))
