"""Checkpoints: which one is meant, and loading it strictly.

What may be given after ``--weights`` (or ``DETECTOR:``): nothing (the first published checkpoint),
the name of a published one, a file (``.pth``, ``.pt``, ``.safetensors``), or the folder of a
training run. A published checkpoint may be several files; it is there when all of them are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.api import DetectorSpec, HasState, Weights
from harness.checkpoint_files import (
    FILE_TYPES,
    files_of,
    identity,
    is_published,
    read_files,
    read_state,
    sha256_of,
)
from harness.errors import WeightsError, WeightsMissingError
from harness.presence import UNVERIFIED, by_hand, file_presence, weights_dir
from harness.results.records import WeightsRef

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
    "epochs": list,
    "weights_sha256": str,
}
LOCAL = "a local file; its sha256 is not that of a checkpoint known here"


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedWeights:
    """A checkpoint read from disk, before a network has taken it. Equal to nothing but itself.

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
            raise WeightsMissingError(
                f"{spec.name} has no published checkpoint",
                hint=f"python -m harness train --method {spec.name} --suite mini-train, "
                "then give the run's folder with --weights",
            )
        return _published(spec, spec.weights[0])
    if token in published:
        return _published(spec, published[token])
    if any(token == start.name for start in spec.pretrained):
        raise WeightsError(
            f"{spec.name}:{token} is no checkpoint of {spec.name}: training starts from it",
            hint=f"python -m harness train --method {spec.name} --train-data DIR --val-data DIR",
        )
    return _given(spec, token)


def pretrained(spec: DetectorSpec, name: str) -> LoadedWeights:
    """Finds, reads and hashes a published network that training starts from.

    Args:
        spec: the detector.
        name: of the entry of ``spec.pretrained``; ``state`` is what ``start_from`` takes.

    Raises:
        WeightsError: there is no such entry, a file is absent (says how to get it) or damaged.
    """
    known = {start.name: start for start in spec.pretrained}
    if name not in known:
        raise WeightsError(
            f"{spec.name} has no published network {name!r} to start training from",
            hint=f"it has {', '.join(known) or 'none'}; '' starts from random weights",
        )
    return _published(spec, known[name])


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
    except RuntimeError as error:
        reason = _misfit(detector.state_dict(), loaded.state) or str(error)
        raise WeightsError(
            f"{loaded.path} does not fit {spec.name}: {reason}",
            hint="python -m harness weights lists the checkpoints that fit; a file of your own "
            "that is laid out like one of them must have its name",
        ) from error


def _given(spec: DetectorSpec, token: str) -> LoadedWeights:
    """A file or a training run's folder."""
    path = Path(token).expanduser()
    if path.name == RUN_WEIGHTS and (path.parent / RUN_FACTS).is_file():
        path = path.parent
    if path.is_dir():
        return _run_folder(spec, path)
    if path.is_file():
        return _local_file(spec, path)
    if len(path.parts) > 1:
        raise WeightsMissingError(
            f"{spec.name}: there is no {token}",
            hint=f"python -m harness train --method {spec.name} --suite mini-train",
        )
    published = ", ".join(weights.name for weights in spec.weights) or "none"
    raise WeightsError(
        f"{token!r} is no published checkpoint of {spec.name}, no file and no folder",
        hint=f"published: {published}; python -m harness weights lists them",
    )


def _published(spec: DetectorSpec, weights: Weights) -> LoadedWeights:
    return _as_published(weights, _at_hand(spec, weights))


def _at_hand(spec: DetectorSpec, weights: Weights, own: Path | None = None) -> list[Path]:
    """Where an entry's files are. ``own`` stands for its own; the others may lie beside it."""
    folders = [weights_dir()] if own is None else [own.parent, weights_dir()]
    paths, missing = [], {}
    for part in files_of(weights):
        found = [file_presence(part, folder) for folder in folders]
        path = own if own and part is weights else next((f.path for f in found if f.path), None)
        if path:
            paths.append(path)
        else:
            missing[part] = found[-1].state
    if missing:
        raise _absent(spec, weights, missing)
    return paths


def _absent(
    spec: DetectorSpec, weights: Weights, missing: Mapping[Weights, str]
) -> WeightsMissingError:
    """Names every missing file, and how to get it."""
    folder = weights_dir()
    fetched = [by_hand(part, folder) for part in missing if part.sha256]
    others: dict[str, list[str]] = {}  # one address may give several of them
    for part in missing:
        if not part.sha256:
            others.setdefault(part.url, []).append(part.filename)
    ways = [
        f"{', '.join(names)} cannot be fetched, sha256 not known here: download {url} by hand to "
        f"{folder}"
        for url, names in others.items()
    ]
    if fetched:
        command = f"python -m harness weights --fetch {spec.name}:{weights.name}"
        ways.insert(0, f"{command}, or {' and '.join(fetched)}")
    states = (f"{part.filename}: {state}" for part, state in missing.items())
    # No folder in the first line: it is printed in tables, which are the same on every machine.
    return WeightsMissingError(
        f"{spec.name}:{weights.name}: {'; '.join(states)}",
        hint="; ".join(ways) + " (the environment's LFM_WEIGHTS names the folder)",
    )


def _as_published(weights: Weights, paths: Sequence[Path]) -> LoadedWeights:
    parts = files_of(weights)
    notes = [weights.note] if weights.note else []
    if not all(part.sha256 for part in parts):
        notes.append(UNVERIFIED)
    sha256, files = identity(weights, paths)
    return LoadedWeights(
        state=read_files(weights, paths),
        ref=WeightsRef(
            label=weights.name,
            sha256=sha256,
            files=files,
            trained_on=weights.trained_on,
            licence="; ".join(dict.fromkeys(part.licence for part in parts)),
            note="; ".join(notes),
        ),
        variant=weights.variant,
        path=paths[0],
    )


def _local_file(spec: DetectorSpec, path: Path) -> LoadedWeights:
    if path.suffix not in FILE_TYPES:
        raise WeightsError(f"{path}: expected a file ending in {', '.join(FILE_TYPES)}")
    digest = sha256_of(path)
    for weights in spec.weights:
        if is_published(weights, digest):
            return _as_published(weights, _at_hand(spec, weights, path))
    # A file under a published name is laid out as the published one, whatever is in it.
    layout = next((weights for weights in spec.weights if weights.filename == path.name), None)
    if layout is None:
        state, sha256, files = read_state(path), digest, dict[str, str]()
    else:
        paths = _at_hand(spec, layout, path)
        state, (sha256, files) = read_files(layout, paths), identity(layout, paths)
    return LoadedWeights(
        state=state,
        ref=WeightsRef(label=f"{path.name}#{sha256[:8]}", sha256=sha256, files=files, note=LOCAL),
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
    said = {**facts["train"], **facts}  # a run of before some of this was recorded says less
    names = ("scaling", "generators", "started_from", "weights_epoch")
    more = {name: said[name] for name in names if name in said}
    more["val_ap"] = facts["epochs"][said.get("weights_epoch", 0) - 1]["val_ap"]
    manifests = {f"{part}_manifest": facts[part]["digest"] for part in ("train", "val")}
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
            recipe={**facts["recipe"], **manifests, **more},
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
