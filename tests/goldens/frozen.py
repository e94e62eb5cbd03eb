"""Scores of detectors that no authors' code exists for, or only for another variant: our own.

They prove no parity. They fail when a number moves without anyone meaning it; who means it makes
them anew (``python -m tests.goldens.frozen``, from the checkout's root) and raises the detector's
version. The same for what every detector declares: geometry, decision, recipe.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from harness.checkpoints.files import files_of
from harness.data.preprocess import to_tensor
from harness.engine import contracts
from harness.registry import detectors as registry
from tests.goldens.pictures import cnn_pictures
from tests.goldens.rules import Values, fill
from tests.goldens.stored import FOLDER

# Detector and variant; "" where it has none.
FROZEN = (
    *(("lfm", "algorithm1"), ("gap", ""), ("gap-rgb", ""), ("frepgan", "")),
    *(("bihpf", "pixels"), ("bihpf", "spectrum"), ("trivial", ""), ("chance", "")),
    ("metadata", ""),
)


def frozen() -> dict[str, Values]:
    """The scores of the CNNs' pictures, or of the contract's file headers, under rule weights."""
    return {f"{name} {variant}".strip(): scores(name, variant) for name, variant in FROZEN}


def scores(name: str, variant: str) -> Values:
    spec = registry.detector(name)
    detector = spec.build(**spec.variants.get(variant, {}))
    if hasattr(detector, "state_dict"):
        keep = [entry for entry in detector.state_dict() if "sample_conv" in entry]  # constants
        fill(detector, tuple(keep))
    if hasattr(detector, "score_headers"):
        return np.asarray(detector.score_headers(list(contracts.HEADERS)))
    images = torch.stack([to_tensor(picture) for picture in cnn_pictures()])
    with torch.no_grad():
        found: Values = detector.score(images).double().numpy()
    return found


def declared() -> dict[str, Any]:
    """Detector -> what its numbers depend on besides its code and weights."""
    return {
        name: {
            "score": asdict(spec.score),
            "geometry": spec.geometry,
            "smallest": spec.input_rule.smallest,
            "multiple_of": spec.input_rule.multiple_of,
            "variants": spec.variants,
            "files": {
                f"{each.name}: {file.filename}": [file.sha256, file.size]
                for each in (*spec.weights, *spec.pretrained)
                for file in files_of(each)
            },
            "recipe": spec.recipe
            and {k: v for k, v in asdict(spec.recipe).items() if k != "source"},
        }
        for name, spec in registry.detectors().items()
    }


def text(specs: dict[str, Any]) -> str:
    return json.dumps(specs, indent=1, sort_keys=True, default=dict) + "\n"


if __name__ == "__main__":
    np.savez_compressed(FOLDER / "frozen.npz", **frozen())  # type: ignore[arg-type]
    (FOLDER / "specs.json").write_text(text(declared()), encoding="utf-8")
