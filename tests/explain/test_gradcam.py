"""Maps of detectors: against hand computation, torch.topk, and networks that know nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.stats import spearmanr
from torch import Tensor, nn

from harness.api import Detector, ExactMap, HasExactMap, TorchDetector
from harness.engine.scorer import make_job
from harness.errors import DetectorError, UsageError
from harness.explain.gradcam import NoMapError, grad_cam, spatial_layers
from harness.explain.maps import explain, ready
from harness.metrics.focus import focus
from harness.registry import detectors as registry

EXACT = ("lfm", "gap", "gap-rgb", "npr", "safe", "freqnet", "patchfor")


def picture(seed: int = 0, side: int = 96) -> Tensor:
    return torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(seed))


def built(name: str, seed: int = 0, **options: object) -> Detector:
    """A detector with random weights, batch statistics and biases included."""
    torch.manual_seed(seed)
    detector = registry.detector(name).build(**options)
    detector.module.eval()
    for module in detector.module.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return detector


class Tiny(nn.Module):
    """Two channels by 1x1 convolution, squared, averaged, weighted."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Conv2d(3, 3, 1)
        self.first = nn.Conv2d(3, 2, 1)
        self.last = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.first(x)
        self.unused(cells.repeat(1, 2, 1, 1)[:, :3])
        return self.last((cells**2).mean((2, 3)))


@pytest.fixture
def tiny() -> TorchDetector:
    torch.manual_seed(3)
    return TorchDetector(Tiny().eval(), mean=(0.0,) * 3, std=(1.0,) * 3)


def test_it_is_the_formula_of_the_paper(tiny: TorchDetector) -> None:
    images = picture(side=5)
    cam, layer = grad_cam(tiny, images)
    assert layer == "network.first"
    cells = tiny.network.first(images).detach()
    # d score / d cell = w 2 cell / 25; a channel's weight is its mean over the 25 cells.
    slopes = tiny.network.last.weight.detach()[0, :, None, None] * 2 * cells[0] / 25
    expected = (slopes.mean((1, 2), keepdim=True) * cells[0]).sum(0)
    torch.testing.assert_close(cam[0], expected)


def test_the_layer_is_the_last_map_that_the_score_depends_on(tiny: TorchDetector) -> None:
    assert spatial_layers(tiny, picture(side=5)) == {"network.first": (5, 5)}
    npr = built("npr")
    assert next(reversed(spatial_layers(npr, picture()))) == "network.layer2"
    assert grad_cam(built("lfm"), picture())[1] == "network.covn1_1"


def test_every_layer_can_be_named() -> None:
    detector = built("npr")
    cam, layer = grad_cam(detector, picture(), "network.layer1")
    assert layer == "network.layer1"
    assert cam.shape == (1, 24, 24)
    with pytest.raises(UsageError, match=r"unknown layer 'network\.layr1'") as raised:
        grad_cam(detector, picture(), "network.layr1")
    assert "did you mean 'network.layer1'" in raised.value.hint
    with pytest.raises(NoMapError, match="puts out no map") as raised:
        grad_cam(detector, picture(), "network.fc1")
    assert "network.layer2" in raised.value.hint


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_map_adds_up_to_the_score(name: str) -> None:
    detector = built(name)
    assert isinstance(detector, HasExactMap)
    images = torch.cat([picture(1), picture(2)])
    exact = detector.exact_map(images)
    with torch.no_grad():
        scores = detector.score(images)
    assert exact.contribution.shape[0] == 2
    assert float(exact.contribution.abs().max()) > 0
    torch.testing.assert_close(
        exact.contribution.sum((1, 2)) + exact.bias, scores, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("variant", ["algorithm1", "released"])
def test_selected_cells_and_slots_are_those_of_top_k(variant: str) -> None:
    options = registry.detector("lfm").variants[variant]
    detector = built("lfm", **options)
    images = picture(4)
    exact = detector.exact_map(images)
    with torch.no_grad():
        maps = detector.network.cells(detector.module.normalise(images))[0]
    side = maps.shape[-1]
    weight = detector.network.fc1.weight.detach()[0].view(64, 16)
    counts = torch.zeros(side, side, dtype=torch.int64)
    contribution = torch.zeros(side, side)
    for channel, values in enumerate(maps):
        order = values.flatten().topk(16).indices.tolist()
        if variant == "algorithm1":  # ascending: slot 0 is the smallest of the sixteen
            order.reverse()
        for slot, place in enumerate(order):
            counts[place // side, place % side] += 1
            contribution[place // side, place % side] += (
                weight[channel, slot] * values.flatten()[place]
            )
    assert exact.selected is not None
    assert torch.equal(exact.selected[0], counts)
    torch.testing.assert_close(exact.contribution[0], contribution)


def test_the_order_of_the_slots_matters() -> None:
    maps = [
        built("lfm", order=order).exact_map(picture(4)) for order in ("ascending", "descending")
    ]
    assert torch.equal(maps[0].selected, maps[1].selected)
    assert not torch.allclose(maps[0].contribution, maps[1].contribution, atol=1e-4)


def test_max_pooling_takes_one_cell_of_each_map_and_a_mean_takes_all() -> None:
    assert int(built("lfm", pooling="max").exact_map(picture()).selected.sum()) == 64
    assert built("gap").exact_map(picture()).selected is None
    with pytest.raises(ValueError, match="attention"):
        built("lfm", pooling="attention").exact_map(picture())


@pytest.mark.parametrize("name", ["gap", "npr", "safe"])
def test_after_a_mean_grad_cam_is_the_exact_map(name: str) -> None:
    """Selvaraju et al., appendix A: for such networks it is Zhou et al.'s CAM."""
    cam, exact = explain(built(name), picture(5))
    assert (cam.kind, exact.kind) == ("grad-cam", "exact")
    np.testing.assert_allclose(cam.map, exact.map, atol=1e-5)


@pytest.mark.parametrize("name", ["lfm", "npr", "cnndetection"])
def test_other_weights_give_another_map(name: str) -> None:
    """Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018."""
    trained, again, random = (
        explain(built(name, seed), picture(6, side=128)) for seed in (0, 0, 1)
    )
    for mine, same, other in zip(trained, again, random, strict=True):
        assert spearmanr(mine.map.ravel(), same.map.ravel()).statistic == pytest.approx(1)
        assert abs(spearmanr(mine.map.ravel(), other.map.ravel()).statistic) < 0.7


def test_the_released_network_sees_other_things_than_a_random_one(
    released_weights: Path,
) -> None:
    """The same check from trained weights, where a trained map exists to be lost."""
    spec = registry.detector("lfm")
    trained = ready(make_job(spec, str(released_weights)))
    maps = [explain(trained, picture(7, side=128))]
    for seed in (1, 2):
        maps.append(explain(built("lfm", seed), picture(7, side=128)))
    for kind in range(2):
        for random in (1, 2):
            pair = (maps[0][kind].map.ravel(), maps[random][kind].map.ravel())
            assert abs(spearmanr(*pair).statistic) < 0.5


def test_one_map_names_its_layer_score_and_selection() -> None:
    detector = built("lfm")
    cam, exact = explain(detector, picture(8))
    with torch.no_grad():
        assert cam.score == exact.score == float(detector.score(picture(8))[0])
    assert cam.map.dtype == exact.map.dtype == np.float32
    assert cam.layer == "network.covn1_1"
    assert cam.selected is None
    assert exact.selected is not None and int(exact.selected.sum()) == 64 * 16


def test_no_gradient_is_left_behind_and_the_image_is_untouched() -> None:
    detector, image = built("lfm"), picture(8)
    before = image.clone()
    explain(detector, image)
    assert torch.equal(image, before)
    assert not image.requires_grad
    assert all(parameter.grad is None for parameter in detector.module.parameters())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("chance", "no torch network"),
        ("durall", "no torch network"),
        ("frank-net", "a place is a frequency"),
        ("bihpf", "a place is a frequency"),
        ("gandetection", "five networks"),
    ],
)
def test_a_detector_without_places_says_why(name: str, reason: str) -> None:
    detector = registry.detector(name).build()
    with pytest.raises(NoMapError, match=reason):
        explain(detector, picture(side=128))


def test_bihpf_on_pixels_has_places() -> None:
    cam, _ = grad_cam(built("bihpf", view="pixels"), picture(side=64))
    assert cam.shape == (1, 2, 2)


def test_a_detector_of_headers_has_no_map(tmp_path: Path) -> None:
    spec = registry.detector("metadata")
    detector = spec.build()
    path = tmp_path / "w.safetensors"
    save_file({name: value.clone() for name, value in detector.state_dict().items()}, path)
    with pytest.raises(NoMapError, match="sees no pixels"):
        ready(make_job(spec, str(path)))


def test_a_map_that_does_not_add_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = built("gap")
    true = detector.exact_map

    def wrong(images: Tensor) -> ExactMap:
        exact = true(images)
        return ExactMap(contribution=exact.contribution, bias=exact.bias + 1)

    monkeypatch.setattr(detector, "exact_map", wrong)
    with pytest.raises(DetectorError, match="adds up to"):
        explain(detector, picture())


def test_without_the_extra_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(UsageError, match="'explain'") as raised:
        explain(built("gap"), picture())
    assert ".[explain]" in raised.value.hint


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_untrained_top_k_is_local_already(seed: int) -> None:
    """A small focus of LFM's exact map is its pooling's doing, and no proof of what it learned."""
    _, exact = explain(built("lfm", seed), picture(9, side=128))
    found = focus(exact.map).value
    assert found is not None and found < 0.12
