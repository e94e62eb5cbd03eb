"""What trained weights say of themselves in their file's header, wherever the file is copied to.

The header of a safetensors file holds text beside the tensors. Ours is one entry of JSON with
sorted keys: the library writes several entries in no fixed order, and equal trainings are to give
equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from harness.errors import WeightsError
from harness.results.store import canonical_json

ENTRY = "lfm-bench"
FORMAT = 1
"""Raised when the entry changes its meaning; a file of a later format is refused."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Which training a weights file is of.

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
        return {ENTRY: json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)}


def read(path: Path) -> Mark | None:
    """The mark of a weights file; None where it has none: other people's, or older than marks.

    Raises:
        WeightsError: the mark is of a later format, or damaged.
    """
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(ENTRY)
    except (SafetensorError, OSError):
        return None  # reading its tensors says what is wrong with it
    if text is None:
        return None
    try:
        said = json.loads(text)
        if said["format"] != FORMAT:
            raise WeightsError(
                f"{path}: its header is of format {said['format']}, this version reads {FORMAT}",
                hint="use the version of lfm-bench that trained it",
            )
        facts = {field.name: said[field.name] for field in fields(Mark)}
        return Mark(**{**facts, "generators": tuple(facts["generators"])})
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path}: its header is damaged ({type(error).__name__}: {error})",
            hint="give the training's run folder",
        ) from error
