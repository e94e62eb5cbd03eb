"""BiHPF: there is no official code, so what is tested is what its description promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.bihpf import (
    VARIANTS,
    build,
    enhanced,
    frequency_filtered,
    frequency_gain,
    pixel_filtered,
    pixel_gain,
    spectrum,
)
from harness.registry import detectors as registry

SIZES = [(32, 32), (33, 48), (64, 31)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def rises(values: np.ndarray[Any, Any], distance: np.ndarray[Any, Any]) -> bool:
    order = np.argsort(distance.ravel())
    return bool((np.diff(values.ravel()[order]) >= -1e-6).all())


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_frequency_gain_is_zero_for_the_mean_and_rises(height: int, width: int) -> None:
    gain = frequency_gain(height, width, torch.zeros(())).numpy()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    assert gain.shape == (height, width)
    assert gain[0, 0] == 0
    assert 0.9 < gain.max() <= 1
    assert rises(gain, radius)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pixel_gain_rises_from_the_centre_to_the_corners(height: int, width: int) -> None:
    gain = pixel_gain(height, width, torch.zeros(())).numpy()
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    assert rises(gain, np.hypot(y, x))
    assert gain[0, 0] == gain.max() > 0.8
    assert gain[height // 2, width // 2] < 0.02


def test_constant_pictures_leave_nothing() -> None:
    flat = torch.full((1, 3, 32, 40), 0.7)
    for filtered in (pixel_filtered(flat), frequency_filtered(flat), enhanced(flat, True, True)):
        assert filtered.abs().max() < 1e-6


def test_without_filters_the_picture_passes_unchanged() -> None:
    images = noise(2, 3, 33, 40)
    assert torch.equal(enhanced(images, False, False), images)
    network = build(frequency=False, pixel=False, view="pixels").network
    assert torch.equal(network.inputs(images), images)


def test_frequency_filter_is_real_and_keeps_high_waves_only() -> None:
    columns = torch.arange(64.0)
    for cycles, low, high in ((1, 0.0, 0.01), (30, 0.99, 1.0)):
        wave = torch.sin(2 * torch.pi * cycles * columns / 64 + 0.3).expand(1, 3, 64, 64)
        passed = frequency_filtered(wave)
        assert passed.dtype == torch.float32
        assert low <= (passed.norm() / wave.norm()).item() <= high


def test_spectrum_has_its_mean_in_the_centre() -> None:
    found = spectrum(torch.full((1, 3, 32, 40), 1.0))
    # The orthonormal transform of a constant 255 is 255 sqrt(HW) at zero frequency, 0 elsewhere.
    assert found[0, 0, 16, 20].item() == pytest.approx(np.log1p(255 * (32 * 40) ** 0.5), rel=1e-5)
    assert found.sum().item() == pytest.approx(3 * found[0, 0, 16, 20].item(), rel=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_network_classifies_the_filtered_view(variant: str) -> None:
    torch.manual_seed(0)
    detector = build(**VARIANTS[variant])
    detector.module.eval()
    images = noise(2, 3, 40, 33)
    filtered = enhanced(images, True, True)
    view = spectrum(filtered) if variant == "spectrum" else filtered
    with torch.no_grad():
        scores = detector.score(images)
        assert torch.allclose(scores, detector.network.classifier(view).flatten())
        assert detector.embed(images).shape == (2, 2048)
    assert sum(p.numel() for p in detector.network.parameters()) == 23_510_081


def test_unknown_view_is_refused() -> None:
    with pytest.raises(ValueError, match="phase"):
        build(view="phase")


def test_row_says_what_it_is() -> None:
    spec = registry.detector("bihpf")
    assert "re-implementation, no official code" in spec.title
    assert "not a reproduction" in spec.notes
    assert not spec.weights
