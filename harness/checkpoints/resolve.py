"""Checkpoints: which one is meant, and loading it strictly.

What may be given after ``--weights`` (or ``DETECTOR:``): nothing (the first published checkpoint),
the name of a published one, a file (``.pth``, ``.pt``, ``.safetensors``), or the folder of a
training run. A published checkpoint may be several files; it is there when all of them are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.api import DetectorSpec, HasState, Weights
from harness.checkpoints.files import (
    FILE_TYPES,
    LoadedWeights,
    files_of,
    identity,
    is_published,
    read_files,
    read_state,
    sha256_of,
)
from harness.checkpoints.presence import (
    ANOTHER,
    UNVERIFIED,
    by_hand,
    file_presence,
    is_direct,
    weights_dir,
)
from harness.checkpoints.run_weights import (
    agreed,
    known_variant,
    marked_file,
    read_mark,
    run_folder,
    run_of,
    unmarked_variant,
)
from harness.errors import WeightsError, WeightsMissingError
from harness.results.records import WeightsRef

__all__ = ["LOCAL", "LoadedWeights", "load_into", "pretrained", "resolve"]

LOCAL = "a local file; its sha256 is not that of a checkpoint known here"


def resolve(spec: DetectorSpec, token: str = "", variant: str = "") -> LoadedWeights:
    """Finds, reads and hashes the checkpoint that ``token`` means.

    Args:
        spec: the detector.
        token: "", a published name, a file, or a training run's folder.
        variant: that the weights are of, for a file that does not say it; "" = what they say.

    Raises:
        WeightsError: it is absent, damaged, another detector's or variant's, or not what it should
            be.
        UsageError: the variant is unknown, or is needed and was not given.
    """
    known_variant(spec, variant)
    if spec.recipe is None and not spec.weights and not spec.takes_weights:
        if token:
            raise WeightsError(f"{spec.name} has no weights, got {token!r}")
        return LoadedWeights(state={}, ref=WeightsRef())
    published = {weights.name: weights for weights in spec.weights}
    if not token and spec.takes_weights:
        raise WeightsMissingError(
            f"{spec.name} is nothing without a checkpoint", hint="give its file: --weights FILE"
        )
    if not token and not spec.weights:
        raise WeightsMissingError(
            f"{spec.name} has no published checkpoint",
            hint=f"python -m harness train --method {spec.name} --train-suite mini-train, "
            "then give the run's folder with --weights",
        )
    if not token or token in published:
        weights = published[token] if token else spec.weights[0]
        agreed(spec, weights.variant, variant, f"{spec.name}:{weights.name}")
        return _published(spec, weights)
    if any(token == start.name for start in spec.pretrained):
        raise WeightsError(
            f"{spec.name}:{token} is no checkpoint of {spec.name}: training starts from it",
            hint=f"python -m harness train --method {spec.name} --train-data DIR --val-data DIR",
        )
    return _given(spec, token, variant)


def pretrained(spec: DetectorSpec, name: str) -> LoadedWeights:
    """Finds, reads and hashes a published network that training starts from.

    Args:
        spec: the detector.
        name: of the entry of ``spec.pretrained``; ``state`` is what ``start_from`` takes.

    Raises:
        WeightsError: there is no such entry, a file is absent (says how to get it) or damaged.
    """
    known = {start.name: start for start in spec.pretrained}
    if name in known:
        try:
            return _published(spec, known[name])
        except WeightsMissingError as error:
            if not spec.needs_pretrained:
                error.hint += "; or train from random weights: --start none"
            raise
    raise WeightsError(
        f"{spec.name} has no published network {name!r} to start training from",
        hint=f"it has {', '.join(known) or 'none'}; '' starts from random weights",
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
    except RuntimeError as error:
        reason = _misfit(detector.state_dict(), loaded.state) or str(error)
        raise WeightsError(
            f"{loaded.path} does not fit {spec.name}: {reason}",
            hint="python -m harness weights lists the checkpoints that fit; a file of your own "
            "that is laid out like one of them must have its name",
        ) from error


def _given(spec: DetectorSpec, token: str, variant: str) -> LoadedWeights:
    """A file or a training run's folder."""
    path = Path(token).expanduser()
    if run := run_of(path):
        return run_folder(spec, run, variant)
    if path.is_file():
        return _local_file(spec, path, variant)
    if len(path.parts) > 1:
        raise WeightsMissingError(
            f"{spec.name}: there is no {token}",
            hint=f"python -m harness train --method {spec.name} --train-suite mini-train"
            if spec.recipe
            else "give a file that is there",
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
    places: dict[str, list[Weights]] = {}  # one address may give several of them
    for part in missing:
        places.setdefault(part.url, []).append(part)
    ways = [" and ".join(by_hand(folder, *parts) for parts in places.values())]
    command = f"python -m harness weights --fetch {spec.name}:{weights.name}"
    unknown = [part for part in missing if not part.sha256]
    if unknown and all(map(is_direct, unknown)):
        names = ", ".join(part.filename for part in unknown)
        ways.insert(0, f"{command} --accept-unverified (nothing vouches for {names})")
    elif len(unknown) < len(missing):
        ways.insert(0, command)
    states = (f"{part.filename}: {state}" for part, state in missing.items())
    # No folder in the first line: it is printed in tables, which are the same on every machine.
    return WeightsMissingError(
        f"{spec.name}:{weights.name}: {'; '.join(states)}",
        hint=", or ".join(ways) + " (the environment's LFM_WEIGHTS names the folder)",
    )


def _as_published(weights: Weights, paths: Sequence[Path]) -> LoadedWeights:
    parts = files_of(weights)
    verified = all(part.sha256 for part in parts)
    notes = [weights.note, "" if verified else UNVERIFIED]
    return _read(
        weights,
        paths,
        weights.variant,
        label=weights.name,
        trained_on=weights.trained_on,
        licence="; ".join(dict.fromkeys(part.licence for part in parts)),
        note="; ".join(filter(None, notes)),
        verified=verified,
        not_papers=weights.not_papers,
    )


def _read(
    layout: Weights, paths: Sequence[Path], variant: str, *, label: str = "", **about: Any
) -> LoadedWeights:
    """Files that are laid out as an entry says, and what is known ``about`` them."""
    sha256, files = identity(layout, paths)
    label = label or f"{paths[0].name}#{sha256[:8]}"
    return LoadedWeights(
        state=read_files(layout, paths),
        ref=WeightsRef(label=label, sha256=sha256, files=files, **about),
        variant=variant,
        path=paths[0],
    )


def _local_file(spec: DetectorSpec, path: Path, variant: str) -> LoadedWeights:
    if path.suffix not in FILE_TYPES:
        raise WeightsError(f"{path}: expected a file ending in {', '.join(FILE_TYPES)}")
    digest = sha256_of(path)
    for weights in spec.weights:
        if is_published(weights, digest):
            agreed(spec, weights.variant, variant, path)
            return _as_published(weights, _at_hand(spec, weights, path))
    said = read_mark(path)
    if said is not None:
        return marked_file(spec, path, said, variant)
    # A file under a published name is laid out as the published one, whatever is in it.
    layout = next((weights for weights in spec.weights if weights.filename == path.name), None)
    if layout is not None:  # and nobody knows that it is the published one
        note = ANOTHER.format(name=path.name) if layout.sha256 else UNVERIFIED
        paths = _at_hand(spec, layout, path)
        if layout.variant and not layout.sha256:  # for all that is known it is the published one
            agreed(spec, layout.variant, variant, path)
        return _read(layout, paths, variant or layout.variant, note=note, verified=False)
    variant = unmarked_variant(spec, path, variant)
    ref = WeightsRef(label=f"{path.name}#{digest[:8]}", sha256=digest, note=LOCAL)
    return LoadedWeights(state=read_state(path), ref=ref, variant=variant, path=path)


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
