"""FreqNet: parity with the authors' numbers; its filters against their definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from baselines.freqnet import SPEC, build, channel_filter, spatial_high_pass
from harness.engine.accelerate import accelerate, same_scores
from tests.goldens.rules import fill
from tests.goldens.stored import (
    checked_stages,
    close,
    golden,
    keys,
    keys_of,
    preprocessing_is_exact,
)


def test_keys_are_the_published_ones() -> None:
    network = build().network
    assert sorted(keys_of(network.state_dict())) == sorted(keys("freqnet"))
    assert sum(p.numel() for p in network.parameters()) == 1_850_433


def test_goldens() -> None:
    gold = golden("freqnet")
    detector = fill(build())
    images = torch.from_numpy(gold["input"])
    with torch.no_grad():
        close(checked_stages(detector.network, images, gold), gold["logits"])
        close(detector.network(images[2:, :, :128, :192]), gold["logits_crop128x192"][2:])
        close(detector.network.features(images[3:]), gold["pooled"][3:])
    close(spatial_high_pass(images)[:, :, :4, :4], gold["hfri_corner"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("freqnet", SPEC, "diffusion")


def as_described(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Shift, zero the box about zero frequency, shift back, invert, real part, ReLU."""
    spectrum = torch.fft.fftshift(torch.fft.fftn(x, dim=axes), dim=axes)
    box = [slice(None)] * 4
    for axis in axes:
        middle, quarter = x.shape[axis] // 2, x.shape[axis] // 4
        box[axis] = slice(middle - quarter, middle + quarter)
    spectrum[tuple(box)] = 0
    back = torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=axes), dim=axes)
    return torch.relu(back.real)


SIZES = [(1, 1), (2, 3), (3, 8), (4, 4), (5, 9), (7, 6), (8, 12), (13, 16)]


@pytest.mark.parametrize("size", SIZES)
def test_spatial_filter_removes_the_described_box(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = as_described(x, (2, 3))
    torch.testing.assert_close(spatial_high_pass(x), expected, rtol=1e-6, atol=1e-6)
    removes_nothing = bool((expected - torch.relu(x)).abs().max() < 1e-6)
    assert removes_nothing == (min(size) < 4)


@pytest.mark.parametrize("channels", [1, 3, 4, 7, 64])
def test_channel_filter_removes_the_described_band(channels: int) -> None:
    x = torch.randn(2, channels, 3, 5, generator=torch.Generator().manual_seed(0))
    filtered = torch.relu(torch.nn.functional.conv2d(x, channel_filter(channels)))
    torch.testing.assert_close(filtered, as_described(x, (1,)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 14), (16, 12)])
def test_mixing_is_that_of_the_full_spectrum(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network, x = build().network, torch.randn(1, 64, *size)
    spectrum = torch.fft.fft2(x)
    real, imaginary = network.realconv1(spectrum.real), network.imagconv1(spectrum.imag)
    expected = torch.relu(torch.fft.ifft2(torch.complex(real, imaginary)).real)
    torch.testing.assert_close(network._mixed(x, 1), expected, rtol=1e-4, atol=1e-5)


def test_training_reaches_every_weight() -> None:
    torch.manual_seed(0)
    detector = build()
    loss = detector.loss(torch.rand(2, 3, 32, 48), torch.tensor([0.0, 1.0]), torch.Generator())
    loss.backward()
    for name, parameter in detector.network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert detector.network.weight1.grad.any()


def test_the_fast_form_is_made_and_equal(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    detector = build()
    fast = accelerate(detector, device=torch.device("cpu"))
    assert not caplog.records  # a network that cannot be traced is logged
    images = torch.rand(1, 3, 48, 64)
    detector.module.eval()
    with torch.inference_mode():
        assert same_scores(fast(images), detector.score(images))
