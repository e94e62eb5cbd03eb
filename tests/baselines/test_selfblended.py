"""Selfblended: the stock network's numbers, blending, the loss on pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines import _backbones, _blending, _efficientnet, _pixels
from baselines._chance import dropout
from baselines.selfblended import SPEC, build, from_efficientnet_pytorch
from harness.cost.count import count_module
from harness.data.preprocess import parse, to_tensor
from tests.conftest import noise
from tests.goldens.stored import close, golden, published

Change = Callable[[Tensor], Tensor]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def picture() -> Tensor:
    return to_tensor(noise(1, 64, 80))


def test_goldens_through_the_names_of_the_other_package() -> None:
    state, gold = published("sbi"), golden("sbi")
    detector = build()
    own = {from_efficientnet_pytorch(name): value for name, value in state.items()}
    assert len(own) == len(state) == 706
    detector.load_state_dict(own)
    detector.module.eval()
    images = torch.from_numpy(gold["input"])
    with torch.no_grad():
        features = detector.embed(images)
        logits = detector.network.classifier(features)
        close(features, gold["feat_chirp"])
        close(logits, gold["logits_chirp"])
        close(detector.score(images[:1]), gold["logits_chirp"][:1, 1] - gold["logits_chirp"][:1, 0])


def test_preprocessing_is_within_one_grey_level_of_the_stored_tensors() -> None:
    gold = golden("sbi")
    preprocess = parse(SPEC.preprocess_for("diffusion"))
    for image, stored in zip(gold["images_u8"], gold["input"], strict=True):
        assert np.abs(to_tensor(preprocess(image)).numpy() - stored).max() <= 1.001 / 255


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("net._blocks.0._bn2.bias", "blocks.0.0.bn2.bias"),
        ("net._blocks.1._project_conv.weight", "blocks.0.1.conv_pw.weight"),
        ("net._blocks.2._project_conv.weight", "blocks.1.0.conv_pwl.weight"),
        ("net._blocks.31._se_expand.bias", "blocks.6.1.se.conv_expand.bias"),
        ("net._bn1.weight", "bn2.weight"),
        ("net._fc.bias", "classifier.bias"),
        ("surprise", "surprise"),
    ],
)
def test_names(name: str, own: str) -> None:
    assert from_efficientnet_pytorch(name) == own


def test_cost_is_the_cards() -> None:
    counts = count_module(build().module, (1, 3, 380, 380))
    assert counts.parameters == 17_552_202
    assert round(counts.macs / 1e9, 2) == 4.49


def test_a_pair_differs_by_the_blending_alone(picture: Tensor) -> None:
    outside, inside, originals = [], [], 0
    for seed in range(30):
        real, fake = _blending.self_blended(picture, seeded(seed))
        for made in (real, fake):
            assert made.shape == picture.shape
            assert torch.equal(made, _pixels.as_stored(made))
        gap = (real - fake).abs().amax(0)
        outside.append(gap[0].max().item())
        inside.append(gap.max().item())
        originals += torch.equal(real, picture)
    assert max(inside) > 0.2
    assert np.mean(np.array(outside) == 0) > 0.5  # the first row is seldom in the mask
    assert 8 <= originals <= 22  # the changed copy is the target in half of the cases


def test_blending_follows_the_generator(picture: Tensor) -> None:
    first, again, other = (_blending.self_blended(picture, seeded(s)) for s in (5, 5, 6))
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_blend_ratios_are_the_papers(picture: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = []

    def remembered(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        peaks.append(round(mask.max().item(), 3))
        return target

    monkeypatch.setattr(_blending, "blend", remembered)
    monkeypatch.setattr(_blending, "soft_mask", lambda h, w, g: torch.ones(1, h, w))
    monkeypatch.setattr(_blending, "changed", lambda image, generator: image)
    generator = seeded()
    for _ in range(300):
        _blending.self_blended(picture[:, :8, :8], generator)
    shares = {ratio: peaks.count(ratio) / len(peaks) for ratio in sorted(set(peaks))}
    assert list(shares) == [0.25, 0.5, 0.75, 1.0]
    assert shares[1.0] == pytest.approx(1 / 2, abs=0.1)
    assert shares[0.25] == pytest.approx(1 / 6, abs=0.07)


def test_masks_are_soft_and_inside_the_picture() -> None:
    masks = [_blending.soft_mask(48, 64, seeded(seed)) for seed in range(40)]
    for mask in masks:
        assert mask.shape == (1, 48, 64)
        assert mask.min() >= 0
        assert mask.max() <= 1 + 1e-5
    areas = torch.stack(masks).mean((1, 2, 3))
    assert 0.1 < areas.mean() < 0.5
    assert areas.std() > 0.03
    assert np.mean([((m > 0.05) & (m < 0.95)).any().item() for m in masks]) > 0.9


def test_convex_masks_are_convex() -> None:
    for seed in range(20):
        mask = _blending.convex_mask(40, 40, seeded(seed))[0]
        for line in (*mask, *mask.T):
            steps = line.diff().abs().sum() + line[0] + line[-1]
            assert steps <= 2  # every row and column meets it in one piece


CHANGES: dict[str, Change] = {
    "channels": lambda x: _pixels.shift_channels(x, torch.tensor([0.1, 0, 0])),
    "brightness": lambda x: _pixels.brightness_contrast(x, 0.1, 0.0),
    "hue": lambda x: _pixels.hue_saturation(x, 0.1, 0.0),
    "blur": lambda x: _pixels.blur(x, 1.5),
    "sharpen": lambda x: _pixels.sharpen(x, 0.5),
    "down": lambda x: _pixels.down_and_up(x, 0.3),
    "jpeg": lambda x: _pixels.jpeg(x, 50),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_change_and_stay_pictures(name: str, picture: Tensor) -> None:
    kept = picture.clone()
    made = CHANGES[name](picture)
    assert torch.equal(picture, kept)
    assert made.shape == picture.shape
    assert made.dtype == torch.float32
    assert 0 <= made.min() <= made.max() <= 1 + 1e-6
    assert (made - picture).abs().mean() > 0.01


def test_changes_of_nothing_are_nothing(picture: Tensor) -> None:
    none = torch.zeros(3)
    torch.testing.assert_close(_pixels.shift_channels(picture, none), picture)
    torch.testing.assert_close(_pixels.brightness_contrast(picture, 0.0, 0.0), picture)
    torch.testing.assert_close(_pixels.hue_saturation(picture, 0.0, 0.0), picture)
    torch.testing.assert_close(_pixels.sharpen(picture, 0.0), picture)


def test_a_third_of_the_circle_turns_red_into_green() -> None:
    red = torch.zeros(3, 2, 2)
    red[0] = 0.5
    gray = 0.299 * 0.5
    turned = _pixels.hue_saturation(red, 1 / 3, 0.0)
    # Gray plus the colours' differences to it, passed on by one channel.
    expected = torch.tensor([0.0, 0.5, 0.0])
    torch.testing.assert_close(turned[:, 0, 0], expected, atol=1e-5, rtol=0)
    assert _pixels.hue_saturation(red, 0.0, -1.0)[:, 0, 0].tolist() == pytest.approx([gray] * 3)


def test_blur_is_a_gaussian() -> None:
    point = torch.zeros(1, 31, 31)
    point[0, 15, 15] = 1
    blurred = _pixels.blur(point, 2.0)
    steps = torch.arange(31) - 15
    assert blurred.sum().item() == pytest.approx(1, abs=1e-5)
    assert (blurred[0].sum(0) * steps**2).sum().item() == pytest.approx(4, rel=0.05)


def test_training_starts_from_a_network_of_1000_classes() -> None:
    torch.manual_seed(0)
    mapping = _efficientnet.ADVPROP.mapping
    assert mapping is not None
    published = _backbones.efficientnet_b4(1000).state_dict()
    state = {own: value for name, value in published.items() if (own := mapping(name))}
    detector = build()
    untouched = {n: v.clone() for n, v in detector.state_dict().items() if n not in state}
    assert sorted(untouched) == ["classifier.bias", "classifier.weight"]
    detector.start_from(state)
    for name, value in detector.state_dict().items():
        assert torch.equal(value, {**state, **untouched}[name]), name
    with pytest.raises(RuntimeError, match="classifier"):
        detector.start_from({"classifier.weight": published["classifier.weight"]})


def test_loss_looks_at_real_pictures_only() -> None:
    torch.manual_seed(0)
    detector = build()
    detector.module.train()
    images, labels = torch.rand(3, 3, 32, 32), torch.tensor([0.0, 1.0, 0.0])
    loss = detector.loss(images, labels, seeded())
    others = images.clone()
    others[1] = 0
    torch.manual_seed(7)  # the global generator has no part in it
    assert detector.loss(others, labels, seeded()).item() == pytest.approx(loss.item(), rel=1e-5)
    assert detector.loss(images, labels, seeded(1)).item() != pytest.approx(loss.item(), rel=1e-3)
    loss.backward()
    assert detector.network.conv_stem.weight.grad.abs().sum() > 0
    empty = detector.loss(images, torch.ones(3), seeded())
    empty.backward()
    assert empty.item() == 0


def test_dropout_keeps_the_mean_and_follows_the_generator() -> None:
    ones = torch.ones(100, 100)
    dropped = dropout(ones, 0.4, seeded())
    assert (dropped == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert dropped.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(dropped, dropout(ones, 0.4, seeded()))
