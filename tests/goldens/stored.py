"""Reads the committed goldens, and makes again what follows from rules: pictures and weights."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.api import DetectorSpec
from harness.data.preprocess import parse, to_tensor
from tests.goldens import pictures
from tests.goldens.pictures import Pixels
from tests.goldens.rules import Values, chirp

FOLDER = Path(__file__).parent
SAMPLE = np.s_[..., ::29, ::29]  # of every stored tensor these values are kept, and its digest

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NONE = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

State = dict[str, Tensor]
Golden = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Input:
    """What the authors' code made of the pictures before the network saw them.

    Attributes:
        prepare: (H, W, 3) uint8 to the side of the network, uint8.
        normal: mean and standard deviation that intensities in [0, 1] are normalised by.
        odd: whether the picture of unequal sides was prepared too.
        extra: more pictures that were prepared, by the names that the golden's fields have.
    """

    pictures: Callable[[], Pixels]
    prepare: Callable[[Pixels], Pixels]
    normal: tuple[tuple[float, ...], tuple[float, ...]]
    odd: bool = False
    extra: Mapping[str, Pixels] = field(default_factory=dict)

    def pixels(self, patch: Values | None = None) -> list[Pixels]:
        """The prepared pictures in the order of the sources; ``patch`` is added to them."""
        made = [self.prepare(picture) for picture in self.sources()]
        if patch is not None:
            made = [(one + fix).astype(np.uint8) for one, fix in zip(made, patch, strict=True)]
        return made

    def sources(self) -> list[Pixels]:
        """The pictures: the batch, the odd one, the extra ones."""
        odd = [pictures.odd_picture()] if self.odd else []
        return [*self.pictures(), *odd, *self.extra.values()]

    def tensor(self, pixels: Pixels) -> Values:
        """(H, W, 3) uint8 -> (3, H, W) float32, normalised."""
        mean, std = (np.array(part, np.float32).reshape(3, 1, 1) for part in self.normal)
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
        return (planes / np.float32(255) - mean) / std


def _whole(height: int, width: int, kernel: pictures.Kernel, **axes: Any) -> Any:
    return partial(pictures.pillow_resized, height=height, width=width, kernel=kernel, **axes)


def _short(side: int, kernel: pictures.Kernel) -> Callable[[Pixels], Pixels]:
    """The shorter side (263 pixels, the width) to ``side``, then the middle."""
    resize = _whole(side * 281 // 263, side, kernel)
    return lambda image: pictures.centre(resize(image), side)


def _fatformer(image: Pixels) -> Pixels:
    resize = _whole(256, 256, pictures.bilinear, axes=(0, 1))  # as Pillow 13 does
    return pictures.centre(resize(image), 224)


_cnn = partial(Input, pictures=pictures.cnn_pictures, odd=True)
_chirp = partial(Input, pictures=pictures.chirp_pictures)
_odd_and_tiny = partial(
    _chirp,
    extra={"odd": pictures.chirp_picture(2, 201, 311), "tiny": pictures.chirp_picture(3, 37, 53)},
)
_square = _whole(256, 256, pictures.bilinear)
_ladeda = _chirp(prepare=_whole(256, 256, pictures.bilinear, axes=(0, 1)), normal=IMAGENET)
_xception = _whole(299, 299, pictures.cubic(-0.5))

INPUTS = {
    "lfm": _cnn(prepare=_square, normal=IMAGENET),
    "npr": _cnn(prepare=_square, normal=IMAGENET),
    "freqnet": _cnn(prepare=_square, normal=IMAGENET),
    "lgrad_d": _cnn(prepare=_square, normal=HALF),
    "cnndetection": _cnn(prepare=partial(pictures.centre, side=224), normal=IMAGENET),
    "safe": _cnn(prepare=partial(pictures.centre, side=256), normal=NONE),
    "corvi2023": Input(pictures=pictures.small_chirps, prepare=np.array, normal=IMAGENET),
    "ladeda": _ladeda,
    "ladeda_two_thirds": _ladeda,
    "tiny_ladeda": _ladeda,
    "tiny_ladeda_right_diag": _ladeda,
    "clipdet": _chirp(prepare=_short(224, pictures.cubic(-0.5)), normal=CLIP),
    "ferretnet_s": _chirp(prepare=partial(pictures.centre, side=256), normal=CLIP),
    "ferretnet_b": _chirp(prepare=partial(pictures.centre, side=256), normal=CLIP),
    **{
        f"rine_{classes}class": _chirp(prepare=partial(pictures.centre, side=224), normal=CLIP)
        for classes in (1, 2, 4)
    },
    "ojha": _chirp(prepare=partial(pictures.centre, side=224), normal=CLIP),
    "c2p_clip": _chirp(prepare=_short(224, pictures.bilinear), normal=CLIP),
    "fatformer": _chirp(prepare=_fatformer, normal=IMAGENET),
    "patchfor": _chirp(prepare=_short(299, pictures.lanczos), normal=HALF),
    "f3net": _chirp(prepare=_xception, normal=HALF),
    "f3net_both": _chirp(prepare=_xception, normal=HALF),
    "f3net_dfb": _chirp(
        prepare=partial(pictures.opencv_resized, side=256, kernel=pictures.cubic(-0.75)),
        normal=HALF,
    ),
    "sbi": _chirp(
        prepare=partial(pictures.opencv_resized, side=380, kernel=pictures.bilinear), normal=NONE
    ),
    "effort": _odd_and_tiny(
        prepare=partial(pictures.opencv_resized, side=224, kernel=pictures.bilinear), normal=CLIP
    ),
    "effort_univfd": _odd_and_tiny(
        prepare=partial(pictures.tiled, side=256, crop=224), normal=CLIP
    ),
    "dda": _chirp(
        prepare=partial(pictures.centre, side=336),
        normal=CLIP,
        extra={
            "odd": pictures.chirp_picture(2, 401, 351),
            "mixed": pictures.chirp_picture(4, 201, 451),
            "tiny": pictures.chirp_picture(3, 37, 53),
        },
    ),
    "bfree": Input(
        pictures=lambda: np.stack([pictures.blocks_picture(n, 535, 553) for n in range(2)]),
        prepare=lambda image: image,
        normal=IMAGENET,
        extra={
            "small": pictures.chirp_picture(0, 281, 263),
            "tall": pictures.blocks_picture(2, 620, 263),
        },
    ),
    "d3": _odd_and_tiny(prepare=_whole(224, 224, pictures.bilinear), normal=CLIP),
    "rigid": _chirp(prepare=_whole(224, 224, pictures.bilinear), normal=IMAGENET),
    "aeroblade": Input(
        pictures=lambda: np.stack([pictures.chirp_picture(n, 128, 160) for n in range(2)]),
        prepare=lambda image: image,
        normal=NONE,
    ),
    "cospy": _chirp(prepare=_short(384, pictures.bilinear), normal=NONE),
    "drct_convb": _odd_and_tiny(
        prepare=partial(pictures.centre, side=224, half=math.floor), normal=IMAGENET
    ),
    "drct_clip": _odd_and_tiny(
        prepare=partial(pictures.centre, side=224, half=math.floor), normal=IMAGENET
    ),
}

EXTRAS = {"odd": pictures.odd_picture, "tiny": pictures.tiny_picture}
"""More pictures than the batch, for goldens that keep ``logits_odd_chirp`` and its like."""


def digest(pixels: list[Pixels]) -> str:
    """SHA-256 of shapes and bytes."""
    parts = hashlib.sha256()
    for one in pixels:
        parts.update(repr(one.shape).encode() + np.ascontiguousarray(one).tobytes())
    return parts.hexdigest()


@cache
def golden(name: str) -> Golden:
    """The stored arrays of a golden; with pictures and tensors where :data:`INPUTS` has it.

    Returns:
        The file's arrays, and: ``images_u8``, ``odd_u8`` and ``NAME_u8`` of every extra one, the
        pictures, and all of them as ``sources``; ``pixels``, these prepared; ``input``
        (N, 3, H, W), ``odd_input`` and ``NAME_input``, what the network is given, and all of it
        as ``tensors``.

    Raises:
        AssertionError: what the rules made is not what the authors' code was given.
    """
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        found: Golden = {entry: file[entry] for entry in file.files}
    if name not in INPUTS:
        return found
    made = INPUTS[name]
    pixels = made.pixels(found.pop("patch", None))
    tensors = [made.tensor(one) for one in pixels]
    assert digest(made.sources()) == str(found["pictures_sha256"]), f"{name}: other pictures"
    assert digest(pixels) == str(found["pixels_sha256"]), f"{name}: pictures prepared otherwise"
    np.testing.assert_allclose(
        sampled(tensors), found["input_sample"], rtol=0, atol=1e-6, err_msg=name
    )
    sources, count = made.sources(), len(made.pictures())
    if made.odd:
        found |= {"odd_u8": sources[count], "odd_input": tensors[count]}
    first = len(sources) - len(made.extra)
    for entry, source, tensor in zip(made.extra, sources[first:], tensors[first:], strict=True):
        found |= {f"{entry}_u8": source, f"{entry}_input": tensor[None]}
    return {
        **found,
        "sources": sources,
        "images_u8": np.stack(sources[:count]),
        "pixels": pixels,
        "tensors": tensors,
        "input": np.stack(tensors[:count]),
    }


def sampled(tensors: list[Values]) -> Values:
    """Some values of every tensor; of tensors of several sizes those that all have."""
    found = [tensor[SAMPLE] for tensor in tensors]
    height, width = (min(one.shape[axis] for one in found) for axis in (1, 2))
    return np.stack([np.ascontiguousarray(one[:, :height, :width]) for one in found])


@cache
def _all_keys() -> dict[str, list[tuple[str, list[int], str]]]:
    with gzip.open(FOLDER / "keys.json.gz", "rt", encoding="utf-8") as file:
        found: dict[str, list[tuple[str, list[int], str]]] = json.load(file)
    return found


def keys(name: str) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and type of every entry of the authors' checkpoint, in its order."""
    return [(entry, tuple(shape), kind) for entry, shape, kind in _all_keys()[name]]


def keys_of(state: Any) -> list[tuple[str, tuple[int, ...], str]]:
    """The same of a state dict of ours."""
    return [(entry, tuple(v.shape), str(v.dtype)[6:]) for entry, v in state.items()]


def published(name: str, without: tuple[str, ...] = ()) -> State:
    """The authors' checkpoint as rule ``chirp`` fills it; second names share the first's memory.

    Args:
        without: names that begin so are not made.
    """
    gold = golden(name)
    meta = json.loads(str(gold["meta"]))
    state: State = {}
    for entry, shape, kind in keys(name):
        if entry.startswith((*meta.get("unused_prefixes", ()), *without)):
            continue
        first = _first_name(entry, meta["alias"])
        if entry in meta.get("constants_spec", {}):
            state[entry] = constant(**meta["constants_spec"][entry]).reshape(shape)
        elif kind == "int64":
            state[entry] = torch.zeros(shape, dtype=torch.int64)
        elif first in state:
            state[entry] = state[first]
        else:
            state[entry] = state[first] = chirp(first, shape, _gain(first, meta["gain"]))
    for target, rows in meta.get("embedding_slices", {}).items():
        ids = torch.from_numpy(gold[rows["ids"]]).long()
        state[target] = state[rows["table"]][ids][:, rows["start"] : rows["stop"]].clone()
    return state


def _first_name(entry: str, alias: list[list[str]]) -> str:
    for prefix, target in alias:
        if entry.startswith(prefix) and not entry.startswith(target):
            return target + entry[len(prefix) :]
    return entry


def _gain(entry: str, gain: Any) -> float:
    if isinstance(gain, (int, float)):
        return float(gain)
    return next((float(value) for pattern, value in gain if re.search(pattern, entry)), 1.0)


def constant(
    kind: str, size: int = 0, low: float = 0, high: float = 0, values: Any = None
) -> Tensor:
    """Written apart from ``baselines/_frequency.py``, which is tested with it."""
    k, x = np.mgrid[:size, :size]
    band = ((k + x >= low) & (k + x <= high)).astype(np.float64)
    basis = np.cos(np.pi * (x + 0.5) * k / max(size, 1)) * math.sqrt(2 / max(size, 1))
    basis[:1] /= math.sqrt(2)
    made = {
        "dct": basis,
        "dct_transposed": basis.T,
        "band": band,
        "band_sum": band.sum(),
        "values": values,
    }[kind]
    return torch.from_numpy(np.array(made, dtype=np.float32))


def close(got: Tensor, want: Values, atol: float = 1e-5) -> None:
    """rtol 1e-4, atol 1e-5 unless told: the goldens' own tolerance."""
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-4, atol=atol)


def near(got: Any, want: Values, *, atol: float, rtol: float = 0.0) -> None:
    got = got.detach().numpy() if isinstance(got, Tensor) else got
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def extras_are_met(name: str, spec: DetectorSpec, detector: Any) -> None:
    """The odd and the tiny picture, by the spec's geometry, score as the authors' code says."""
    for part, picture in EXTRAS.items():
        image = to_tensor(parse(spec.geometry["*"])(picture()))
        with torch.no_grad():
            close(detector.score(image[None])[:, None], golden(name)[f"logits_{part}_chirp"])


def checked_stages(network: nn.Module, images: Tensor, gold: Golden) -> Tensor:
    """Runs the network; fails at the first module whose output's statistics are not the stored.

    Returns:
        The network's output.
    """
    seen: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    names = [key.removeprefix("stat/") for key in gold if key.startswith("stat/")]
    hooks = [
        modules[name].register_forward_hook(
            lambda _, __, output, name=name: seen.setdefault(name, output.detach())
        )
        for name in names
        if name in modules
    ]
    with torch.no_grad():
        output: Tensor = network(images)
    for hook in hooks:
        hook.remove()
    assert seen, "no stored stage is a module of this network"
    for name, values in seen.items():
        flat = values.double().flatten(1)
        parts = (flat.mean(1), flat.std(1, unbiased=False), flat.amin(1), flat.amax(1))
        want = gold[f"stat/{name}"]
        np.testing.assert_allclose(
            torch.stack(parts, 1).numpy(),
            want,
            rtol=1e-3,
            atol=1e-4 * np.abs(want).max(),
            err_msg=f"first stage that differs: {name}",
        )
    return output


def preprocessing_is_exact(
    name: str, spec: DetectorSpec, suite: str, normalise: Any = None, atol: float = 1e-5
) -> None:
    """A detector's geometry gives the stored pixels, its normalisation the stored tensors.

    Args:
        normalise: where building the detector would take gigabytes, its normalisation.
    """
    gold = golden(name)
    preprocess = parse(spec.preprocess_for(suite))
    normalise = normalise or spec.build().module.normalise
    for image, pixels, tensor in zip(gold["sources"], gold["pixels"], gold["tensors"], strict=True):
        prepared = preprocess(image)
        assert np.array_equal(prepared, pixels), f"{name}: {np.sum(prepared != pixels)} differ"
        near(normalise(to_tensor(prepared)[None])[0], tensor, atol=atol)
