"""Weights that were trained here: in their run folder, or away from it with a mark of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from harness.api import DetectorSpec
from harness.checkpoints.files import LoadedWeights, read_state, sha256_of
from harness.errors import UsageError, WeightsError, unknown_name
from harness.results.records import WeightsRef
from harness.results.store import canonical_json

WEIGHTS = "weights.safetensors"
RECORD = "run.json"
IMAGES = "train_manifest.tsv"
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
MARK_ENTRY = "lfm-bench"
MARK_FORMAT = 1
"""Raised when the entry changes its meaning; a file of a later format is refused."""
AWAY = "trained here, read away from its run folder; images that it was trained on are not known"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Which training a weights file is of: what its header says, wherever the file is copied to.

    The header of a safetensors file holds text beside the tensors. Ours is one entry of JSON with
    sorted keys: the library writes several entries in no fixed order, and equal trainings are to
    give equal bytes.

    Args:
        detector, variant, seed: of the training; ``variant`` is "" where there are none.
        recipe: sha256 of the canonical JSON of the recipe in use.
        train: digest of the images that it was trained on.
        generators: what made them, "photo" for the real ones; empty where nothing says so.
    """

    detector: str
    variant: str
    seed: int
    recipe: str
    train: str
    generators: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Mark:
        """The mark of a training's record (see ``harness.training.run_folder``)."""
        return cls(
            detector=record["detector"],
            variant=record["variant"],
            seed=record["seed"],
            recipe=hashlib.sha256(canonical_json(record["recipe"]).encode()).hexdigest(),
            train=record["train"]["digest"],
            generators=tuple(record["train"].get("generators", ())),
        )

    @property
    def header(self) -> dict[str, str]:
        """The metadata to save a file with."""
        return {MARK_ENTRY: json.dumps({"format": MARK_FORMAT, **asdict(self)}, sort_keys=True)}


def read_mark(path: Path) -> Mark | None:
    """The mark of a weights file; None where it has none: other people's, or older than marks.

    Raises:
        WeightsError: the mark is of a later format, or damaged.
    """
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(MARK_ENTRY)
    except (SafetensorError, OSError):
        return None  # reading its tensors says what is wrong with it
    if text is None:
        return None
    try:
        said = json.loads(text)
        if said["format"] != MARK_FORMAT:
            raise WeightsError(
                f"{path}: its header is of format {said['format']}, "
                f"this version reads {MARK_FORMAT}",
                hint="use the version of lfm-bench that trained it",
            )
        facts = {field.name: said[field.name] for field in fields(Mark)}
        return Mark(**{**facts, "generators": tuple(facts["generators"])})
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path}: its header is damaged ({type(error).__name__}: {error})",
            hint="give the training's run folder",
        ) from error


def run_of(path: Path) -> Path | None:
    """The training run's folder that a path means: itself, or the one of its weights file."""
    if path.name == WEIGHTS and (path.parent / RECORD).is_file():
        return path.parent
    return path if path.is_dir() else None


def trained_on(folder: Path) -> frozenset[str]:
    """The sha256 of every image that a finished training was made of.

    Empty for one of before these were listed. The list has a line ``id, label, sha256`` an image,
    with tabs between; its own sha256 is the digest of the training data.
    """
    try:
        listed = (folder / IMAGES).read_bytes()
    except OSError:
        return frozenset()
    return frozenset(line.rsplit(b"\t", 1)[-1].decode() for line in listed.splitlines())


def run_folder(spec: DetectorSpec, folder: Path, variant: str = "") -> LoadedWeights:
    """The weights of a finished training.

    Args:
        spec: the detector.
        folder: the run's.
        variant: that was asked for, "" = the one that was trained.

    Raises:
        WeightsError: the run is of another detector or variant, unfinished or damaged.
    """
    facts = _run_facts(folder)
    _refuse_others(spec, folder, facts["detector"])
    trained = agreed(spec, facts["variant"], variant, folder)
    said = {**facts["train"], **facts}  # a run of before some of this was recorded says less
    names = ("scaling", "generators", "started_from", "weights_epoch")
    more = {name: said[name] for name in names if name in said}
    counts = [facts["train"].get(name) for name in ("n_real", "n_fake")]
    if None not in counts:
        more["training_images"] = sum(counts)
    more["val_ap"] = facts["epochs"][said.get("weights_epoch", 0) - 1]["val_ap"]
    manifests = {f"{part}_manifest": facts[part]["digest"] for part in ("train", "val")}
    path = folder / WEIGHTS
    if sha256_of(path) != facts["weights_sha256"]:
        raise WeightsError(
            f"{path}: sha256 {sha256_of(path)}, {RECORD} says {facts['weights_sha256']}",
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
        variant=trained,
        path=path,
        run=folder,
    )


def marked_file(spec: DetectorSpec, path: Path, said: Mark, variant: str = "") -> LoadedWeights:
    """Weights away from their run folder; what they are stands in their header.

    Args:
        spec: the detector.
        path: the file.
        said: its mark.
        variant: that was asked for, "" = the marked one.

    Raises:
        WeightsError: they are another detector's or another variant's.
    """
    _refuse_others(spec, path, said.detector)
    sha256 = sha256_of(path)
    known = {"sha256": said.recipe, "train_manifest": said.train}
    return LoadedWeights(
        state=read_state(path),
        ref=WeightsRef(
            label=f"{path.name}#{sha256[:8]}",
            sha256=sha256,
            note=AWAY,
            seed=said.seed,
            recipe={**known, "generators": list(said.generators)},
        ),
        variant=agreed(spec, said.variant, variant, path),
        path=path,
    )


def unmarked_variant(spec: DetectorSpec, path: Path, variant: str = "") -> str:
    """The variant of a file that does not say it: the one that was asked for.

    Raises:
        UsageError: none was asked for, and the detector's variants score differently.
    """
    if variant or spec.variants_score_alike:
        return variant
    raise UsageError(
        f"{path} does not say which variant of {spec.name} it is, and they score differently: "
        f"{', '.join(spec.variants)}",
        hint=f"--variant {next(iter(spec.variants))} (or another of them), or give the folder of "
        "the training",
    )


def known_variant(spec: DetectorSpec, variant: str) -> str:
    """A variant as typed.

    Raises:
        UsageError: the detector has no such variant.
    """
    if variant and not spec.variants:
        raise UsageError(f"{spec.name} has no variants, got --variant {variant}")
    if variant and variant not in spec.variants:
        raise unknown_name(f"variant of {spec.name}", variant, spec.variants)
    return variant


def agreed(spec: DetectorSpec, said: str, asked: str, what: object) -> str:
    """The variant that weights are said to be of, when it is there and is the one asked for.

    Raises:
        WeightsError: it is not.
    """
    if said and said not in spec.variants:
        raise WeightsError(
            f"{what}: {spec.name} has no variant {said!r}; it has {', '.join(spec.variants)}"
        )
    if asked and asked != said:
        raise WeightsError(
            f"{what} is of variant {said or 'none'}, got --variant {asked}",
            hint="leave --variant out",
        )
    return said


def _refuse_others(spec: DetectorSpec, path: Path, detector: str) -> None:
    if detector != spec.name:
        raise WeightsError(
            f"{path} is a training of {detector}, not of {spec.name}",
            hint=f"python -m harness run --method {detector} --weights {path}",
        )


def _run_facts(folder: Path) -> dict[str, Any]:
    for name in (RECORD, WEIGHTS):
        if not (folder / name).is_file():
            raise WeightsError(
                f"{folder} is no finished training run: it has no {name}",
                hint="run the same python -m harness train again to finish it",
            )
    try:
        facts = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        wrong = [name for name, kind in RUN_NEEDS.items() if not isinstance(facts[name], kind)]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder / RECORD} is damaged ({type(error).__name__}: {error})"
        ) from error
    if wrong:
        raise WeightsError(
            f"{folder / RECORD}: {wrong[0]} is {facts[wrong[0]]!r}, "
            f"expected {RUN_NEEDS[wrong[0]].__name__}"
        )
    return dict(facts)
