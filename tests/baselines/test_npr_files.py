"""NPR's two published files: both layouts load; random tensors under their names are told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.npr import SPEC, build
from harness.checkpoints.files import sha256_of
from harness.checkpoints.resolve import load_into, resolve
from harness.errors import WeightsError


def stored(name: str, path: Path) -> dict[str, torch.Tensor]:
    """Writes a file laid out as the published one of that name; its tensors."""
    torch.manual_seed(0)
    state = {name: value.clone() for name, value in build().state_dict().items()}
    content: dict[str, Any] = dict(state)
    if name == "released":
        prefixed = {f"module.{name}": value for name, value in state.items()}
        content = {"model": prefixed, "optimizer": {"state": {}, "lr": 2e-4}, "total_steps": 9}
    torch.save(content, path)
    return state


@pytest.mark.parametrize("name", ["released", "last-3090"])
def test_both_layouts_load_under_their_own_hash(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    entry = next(weights for weights in SPEC.weights if weights.name == name)
    path = tmp_path / entry.filename
    state = stored(name, path)
    with pytest.raises(WeightsError, match="another file has its name"):
        resolve(SPEC, name)
    known = replace(entry, sha256=sha256_of(path), size=path.stat().st_size)
    detector, loaded = build(), resolve(replace(SPEC, weights=(known,)), name)
    load_into(detector, loaded, SPEC)
    assert loaded.ref.verified is True
    assert all(torch.equal(value, state[n]) for n, value in detector.state_dict().items())


def test_random_tensors_under_the_published_name_are_not_the_published_ones(
    tmp_path: Path,
) -> None:
    path = tmp_path / "NPR.pth"
    stored("released", path)
    ref = resolve(SPEC, str(path)).ref
    assert ref.label == f"NPR.pth#{ref.sha256[:8]}" and ref.verified is False
    assert "under the published name NPR.pth, its sha256 is not the published one" in ref.note
