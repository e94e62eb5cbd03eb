"""Checkpoints: where they lie, which one is meant, and loading them strictly.

What may be given after ``--weights`` (or ``DETECTOR:``): nothing (the first published checkpoint),
the name of a published one, a file (``.pth``, ``.pt``, ``.safetensors``), or the folder of a
training run. Every file is known by its sha256; its name is only where it is looked for first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from harness.api import DetectorSpec, HasState, Weights
from harness.env import CHECKOUT
from harness.errors import WeightsError
from harness.results.records import WeightsRef

FILE_TYPES = (".pth", ".pt", ".safetensors")
RUN_WEIGHTS = "weights.safetensors"
RUN_FACTS = "run.json"
# What is needed of a training run's record (see harness.training.run_folder).
RUN_NEEDS: dict[str, type] = {
    "detector": str,
    "variant": str,
    "seed": int,
    "trained_on": str,
    "recipe": dict,
    "scaling": str,
    "train": dict,
    "val": dict,
    "weights_sha256": str,
}
UNVERIFIED = "not verified: the sha256 of the published file is not known here"
LOCAL = "a local file; its sha256 is not that of a checkpoint known here"


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """A checkpoint read from disk, before a network has taken it.

    Args:
        state: name -> tensor on the CPU, names as the network has them; empty for a detector that
            has no weights.
        ref: which checkpoint it is, as stored with results.
        variant: the entry of the spec's ``variants`` to build the network with, "" = no options.
        path: the file; None for a detector that has no weights.
    """

    state: Mapping[str, Tensor]
    ref: WeightsRef
    variant: str = ""
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Whether a published checkpoint is at hand: the file to load, or None, and a word on it."""

    path: Path | None
    state: str


def weights_dir() -> Path:
    """The folder of published checkpoints: the environment's LFM_WEIGHTS, or ``weights/`` here."""
    given = os.environ.get("LFM_WEIGHTS")
    return Path(given).expanduser() if given else CHECKOUT / "weights"


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes; asked again for an unchanged file, it is remembered."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


def presence(weights: Weights, folder: Path) -> Presence:
    """Looks for a published checkpoint in a folder, by name and then by size and sha256."""
    named = folder / weights.filename
    if not weights.sha256:
        if named.is_file():
            return Presence(path=named, state=f"present, {UNVERIFIED}")
        return Presence(path=None, state="absent")
    for path in (named, *_same_size(weights, folder)):
        if path.is_file() and sha256_of(path) == weights.sha256:
            return Presence(path=path, state="present" if path == named else f"as {path.name}")
    if named.is_file():
        return Presence(path=None, state=f"another file has its name (sha256 {sha256_of(named)})")
    return Presence(path=None, state="absent")


def by_hand(weights: Weights, folder: Path) -> str:
    """How to get a checkpoint without this program's help."""
    size = f", {weights.size:,} bytes" if weights.size else ""
    expected = f", sha256 {weights.sha256}" if weights.sha256 else ""
    return f"download {weights.url} by hand to {folder / weights.filename}{size}{expected}"


def resolve(spec: DetectorSpec, token: str = "") -> LoadedWeights:
    """Finds, reads and hashes the checkpoint that ``token`` means.

    Args:
        spec: the detector.
        token: "", a published name, a file, or a training run's folder.

    Raises:
        WeightsError: it is absent, damaged, another detector's, or not what it should be.
    """
    if spec.recipe is None and not spec.weights:
        if token:
            raise WeightsError(f"{spec.name} has no weights, got {token!r}")
        return LoadedWeights(state={}, ref=WeightsRef())
    published = {weights.name: weights for weights in spec.weights}
    if not token:
        if not spec.weights:
            raise WeightsError(
                f"{spec.name} has no published checkpoint",
                hint=f"python -m harness train --method {spec.name} --suite mini-train, "
                "then give the run's folder with --weights",
            )
        return _published(spec, spec.weights[0])
    if token in published:
        return _published(spec, published[token])
    path = Path(token).expanduser()
    if path.name == RUN_WEIGHTS and (path.parent / RUN_FACTS).is_file():
        path = path.parent
    if path.is_dir():
        return _run_folder(spec, path)
    if path.is_file():
        return _local_file(spec, path)
    raise WeightsError(
        f"{token!r} is no published checkpoint of {spec.name}, no file and no folder",
        hint=f"published: {', '.join(published) or 'none'}; python -m harness weights lists them",
    )


def load_into(detector: object, loaded: LoadedWeights, spec: DetectorSpec) -> None:
    """Gives a freshly built detector its weights, all of them and no others.

    Raises:
        WeightsError: names or shapes differ; the first of each kind is named.
    """
    if not loaded.state:
        return
    if not isinstance(detector, HasState):
        raise WeightsError(f"{spec.name} takes no weights, got {loaded.path}")
    try:
        detector.load_state_dict(loaded.state)
    except FileNotFoundError as error:  # a published head needs its published backbone
        raise WeightsError(f"{spec.name}: {error}") from error
    except RuntimeError as error:
        reason = _misfit(detector.state_dict(), loaded.state) or str(error)
        raise WeightsError(
            f"{loaded.path} does not fit {spec.name}: {reason}",
            hint="python -m harness weights lists the checkpoints that fit",
        ) from error


def read_state(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a checkpoint file, on the CPU; nothing in it is executed.

    Training scripts save more than the bare state: ``{'model': state, ...}``,
    ``{'state_dict': state, ...}`` and names that all begin with ``module.`` are unwrapped.

    Raises:
        WeightsError: not a checkpoint, damaged, or holding anything but named tensors.
    """
    content = _read(path)
    for wrapper in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: expected named tensors, got {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {name!r} is {type(value).__name__}, expected a tensor")
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): value.detach() for name, value in content.items()}


def _published(spec: DetectorSpec, weights: Weights) -> LoadedWeights:
    folder = weights_dir()
    found = presence(weights, folder)
    if found.path is None:
        fetch = f"python -m harness weights --fetch {spec.name}:{weights.name}, or "
        if not weights.sha256:
            fetch = "it cannot be fetched, its sha256 is not known here; "
        raise WeightsError(
            f"{spec.name}:{weights.name}: {weights.filename} in {folder}: {found.state}",
            hint=fetch + by_hand(weights, folder) + " (the environment's LFM_WEIGHTS names the "
            "folder)",
        )
    return _as_published(weights, found.path)


def _as_published(weights: Weights, path: Path) -> LoadedWeights:
    notes = [weights.note] if weights.note else []
    if not weights.sha256:
        notes.append(UNVERIFIED)
    return LoadedWeights(
        state=_renamed(read_state(path), weights, path),
        ref=WeightsRef(
            label=weights.name,
            sha256=sha256_of(path),
            trained_on=weights.trained_on,
            licence=weights.licence,
            note="; ".join(notes),
        ),
        variant=weights.variant,
        path=path,
    )


def _local_file(spec: DetectorSpec, path: Path) -> LoadedWeights:
    if path.suffix not in FILE_TYPES:
        raise WeightsError(f"{path}: expected a file ending in {', '.join(FILE_TYPES)}")
    digest = sha256_of(path)
    for weights in spec.weights:
        if weights.sha256 == digest:
            return _as_published(weights, path)
    # A file under a published name is laid out as the published one, whatever is in it.
    layout = next((weights for weights in spec.weights if weights.filename == path.name), None)
    state = read_state(path)
    return LoadedWeights(
        state=_renamed(state, layout, path) if layout else state,
        ref=WeightsRef(label=f"{path.name}#{digest[:8]}", sha256=digest, note=LOCAL),
        variant=layout.variant if layout else "",
        path=path,
    )


def _run_folder(spec: DetectorSpec, folder: Path) -> LoadedWeights:
    facts = _run_facts(folder)
    if facts["detector"] != spec.name:
        raise WeightsError(
            f"{folder} is a training of {facts['detector']}, not of {spec.name}",
            hint=f"python -m harness run --method {facts['detector']} --weights {folder}",
        )
    variant = facts["variant"]
    if variant and variant not in spec.variants:
        raise WeightsError(
            f"{folder}: {spec.name} has no variant {variant!r}; it has {', '.join(spec.variants)}"
        )
    path = folder / RUN_WEIGHTS
    if sha256_of(path) != facts["weights_sha256"]:
        raise WeightsError(
            f"{path}: sha256 {sha256_of(path)}, {RUN_FACTS} says {facts['weights_sha256']}",
            hint="run the same python -m harness train again to make it anew",
        )
    return LoadedWeights(
        state=read_state(path),
        ref=WeightsRef(
            label=f"{facts['trained_on']}/seed{facts['seed']}",
            sha256=sha256_of(path),
            trained_on=facts["trained_on"],
            seed=facts["seed"],
            recipe={
                **facts["recipe"],
                "scaling": facts["scaling"],
                "train_manifest": facts["train"]["digest"],
                "val_manifest": facts["val"]["digest"],
            },
        ),
        variant=variant,
        path=path,
    )


def _run_facts(folder: Path) -> dict[str, Any]:
    for name in (RUN_FACTS, RUN_WEIGHTS):
        if not (folder / name).is_file():
            raise WeightsError(
                f"{folder} is no finished training run: it has no {name}",
                hint="run the same python -m harness train again to finish it",
            )
    try:
        facts = json.loads((folder / RUN_FACTS).read_text(encoding="utf-8"))
        wrong = [name for name, kind in RUN_NEEDS.items() if not isinstance(facts[name], kind)]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder / RUN_FACTS} is damaged ({type(error).__name__}: {error})"
        ) from error
    if wrong:
        raise WeightsError(
            f"{folder / RUN_FACTS}: {wrong[0]} is {facts[wrong[0]]!r}, "
            f"expected {RUN_NEEDS[wrong[0]].__name__}"
        )
    return dict(facts)


def _renamed(state: dict[str, Tensor], weights: Weights, path: Path) -> dict[str, Tensor]:
    if weights.mapping is None:
        return state
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        own = weights.mapping(name)
        if own is None:
            continue
        if own in renamed:
            raise WeightsError(f"{path}: two of its names map to {own!r}, one of them {name!r}")
        renamed[own] = value
    return renamed


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():
            # Old torch files hold typed storages; reading one warns of their end.
            warnings.filterwarnings("ignore", "TypedStorage is deprecated", UserWarning)
            # SAFE's file holds its training arguments beside the weights: plain values.
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds something besides tensors, or is damaged: it is not loaded, because "
            f"loading it could run code ({str(error).splitlines()[0]})",
            hint="save only the state dict: torch.save(network.state_dict(), PATH)",
        ) from error
    except (safetensors.SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: cannot be read as a checkpoint ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no more is known'})"
        ) from error


def _misfit(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    shapes = [
        f"{name!r} has shape {tuple(given[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected
        if name in given and given[name].shape != expected[name].shape
    ]
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {len(expected)} names missing, first {missing[0]!r}")
    if unexpected:
        parts.append(f"{len(unexpected)} unexpected, first {unexpected[0]!r}")
    if shapes:
        parts.append(f"{len(shapes)} of another shape, first {shapes[0]}")
    return "; ".join(parts)


def _same_size(weights: Weights, folder: Path) -> list[Path]:
    if not weights.size or not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in FILE_TYPES and path.is_file() and path.stat().st_size == weights.size
    )


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
