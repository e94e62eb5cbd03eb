"""Small detectors with random weights, and a picture's bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from harness.demo.verdicts import Contestant
from harness.engine.scorer import Compute, make_job
from harness.registry import detectors as registry
from tests.conftest import marked, noise
from tests.data.image_files import encoded

COMPUTE = Compute(device=torch.device("cpu"))


def random_weights(name: str, folder: Path) -> str:
    """``name:FILE`` with weights drawn at random."""
    torch.manual_seed(0)
    detector = registry.detector(name).build()
    state = {key: value.detach().clone() for key, value in detector.state_dict().items()}
    if name in ("trivial", "metadata"):  # fitted ones start at zero
        state = {
            key: torch.rand_like(value) if value.is_floating_point() else value
            for key, value in state.items()
        }
    path = folder / f"{name}.safetensors"
    save_file(state, path, metadata=marked(name))
    return f"{name}:{path}"


def contestant(method: str) -> Contestant:
    name, _, token = method.partition(":")
    return Contestant(make_job(registry.detector(name), token), COMPUTE)


def picture_bytes(
    height: int = 90, width: int = 120, form: str = "PNG", **options: object
) -> bytes:
    return encoded(Image.fromarray(noise(1, height, width)), form, **options)


@pytest.fixture
def methods(tmp_path: Path) -> list[str]:
    """A convolutional network, a regression on pixels, one on headers, and one without weights."""
    folder = tmp_path / "weights"
    folder.mkdir()
    return [*(random_weights(name, folder) for name in ("lfm", "trivial", "metadata")), "chance"]
