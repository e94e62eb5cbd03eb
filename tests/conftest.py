"""Shared fixtures: facts handed to the developers (absent elsewhere), small generated images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harness.checkpoints.run_weights import Mark
from harness.registry import detectors as registry

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED = CHECKOUT.parent / "shared"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """What was not tested and why is the last line of all, behind pytest's own closing line."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and (skipped := reporter.stats.get("skipped")):
        reporter.write_line(not_tested(map(reason_of, skipped)))


def not_tested(reasons: Iterable[str]) -> str:
    """One line: how many tests were skipped for each reason, the commonest first."""
    counts = Counter(reasons)
    parts = [f"{count} because {reason}" for reason, count in counts.most_common()]
    return f"not tested: {counts.total()} tests: {'; '.join(parts)}"


def reason_of(report: Any) -> str:
    """Why a test was skipped."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").strip() or "no reason was given"


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Small tensors are faster on one thread, and sums come out in one order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of goldens and checkpoints; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    return SHARED


@pytest.fixture(scope="session")
def released_weights(shared: Path) -> Path:
    """The published LFM checkpoint."""
    return shared / "weights" / "lfm_bs_model.pth"


def noise(seed: int, height: int = 64, width: int = 64) -> np.ndarray:
    """(H, W, 3) uint8: smooth colour plus noise, different for each seed."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 160, width)[None, :, None] * np.ones((height, 1, 3))
    return np.clip(ramp + rng.integers(0, 90, (height, width, 3)), 0, 255).astype(np.uint8)


def write_images(folder: Path, seeds: range, height: int = 64, width: int = 64) -> None:
    """PNG files ``000.png`` ... of :func:`noise`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        Image.fromarray(noise(seed, height, width)).save(folder / f"{seed:03d}.png")


def marked(name: str) -> dict[str, str]:
    """The header of weights of a detector as ``build()`` without options gives them."""
    spec = registry.detector(name)
    variant = "released" if name == "lfm" else next(iter(spec.variants), "")
    mark = Mark(detector=name, variant=variant, seed=0, recipe="r" * 64, train="t" * 64)
    return mark.header
