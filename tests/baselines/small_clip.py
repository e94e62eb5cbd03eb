"""CLIP in small: the detectors' own code on networks that take megabytes and milliseconds."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines import _clip
from baselines._clip import ClipSizes
from harness.api import DetectorSpec, Weights
from tests.goldens.stored import keys

SMALL = ClipSizes(width=128, layers=3, output=128, text_width=128, text_layers=1)


def meta_state(name: str) -> dict[str, Tensor]:
    """The authors' checkpoint, without values: it takes no memory."""
    return {entry: torch.empty(shape, device="meta") for entry, shape, _ in keys(name)}


def on_meta(build: Callable[..., Any], **options: Any) -> Any:
    """A full-size detector that takes no memory."""
    with torch.device("meta"):
        return build(**options)


def in_small(spec: DetectorSpec, build: Callable[..., Any]) -> DetectorSpec:
    """The same detector with a small CLIP inside."""
    return replace(spec, build=lambda: build(sizes=SMALL))


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
