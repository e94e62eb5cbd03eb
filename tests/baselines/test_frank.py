"""Frank: features, statistics, networks and loss equal the authors' numbers; fitting; sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch
from torch import Tensor

from baselines._frank import ConvNet, DenseNet, LinearNet, Net, Pixels, ResidualNet, Standardise
from baselines._spectrum import dct2, levels, log_dct
from baselines.frank import VARIANTS, FrankLinear, FrankNet, build_net
from harness.data.preprocess import parse
from harness.registry import detectors as registry
from tests.goldens.pictures import frequency_tensor as images
from tests.goldens.pictures import pillow_gray
from tests.goldens.rules import filled, hashed, sine
from tests.goldens.stored import golden, near

NETS: dict[str, Callable[[], Net]] = {
    "cnn5": lambda: ConvNet(128, 5),
    "cnn1": lambda: ConvNet(128),
    "resnet1": ResidualNet,
    "nn1": lambda: DenseNet(128),
    "ridge1": lambda: LinearNet(128),
    "ridge5": lambda: LinearNet(128, 5),
    "ridge1_pixel": lambda: LinearNet(128),
}

RULES = {"sin": sine, "hash": hashed}


def statistics(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """mean, std, min, max, median."""
    parts = (np.mean, np.std, np.min, np.max, np.median)
    return np.array([part(values) for part in parts])


def last(values: Tensor) -> np.ndarray[Any, Any]:
    """(N, C, H, W) -> (N, H, W, C), as the goldens have it."""
    return values.movedim(1, -1).numpy()


def pictures(count: int, seed: int = 0) -> Tensor:
    draw = np.random.default_rng(seed).integers(0, 256, (count, 3, 128, 128))
    return torch.from_numpy(draw).float() / 255


def test_levels_undo_the_division_by_255() -> None:
    every = torch.arange(256, dtype=torch.uint8).float() / 255
    assert torch.equal(levels(every), torch.arange(256, dtype=torch.float64))


def test_dct_is_scipys() -> None:
    planes = torch.randn(2, 3, 24, 40, dtype=torch.float64, generator=torch.Generator())
    near(dct2(planes), scipy.fft.dctn(planes.numpy(), axes=(2, 3), norm="ortho"), atol=1e-12)


def test_features_equal_the_goldens() -> None:
    gold, pixels = golden("frank"), images()
    for name, values in (("dct", dct2(levels(pixels))), ("logdct", log_dct(pixels))):
        near(last(values)[:, :16, :16], gold[f"rgb_{name}_lo16"], atol=1e-9)
        near(last(values)[:, -16:, -16:], gold[f"rgb_{name}_hi16"], atol=1e-9)
    for image, stats in zip(last(log_dct(pixels)), gold["rgb_logdct_stats"], strict=True):
        for channel in range(3):
            near(statistics(image[:, :, channel]), stats[channel], atol=1e-9)


def test_gray_features_equal_the_goldens() -> None:
    gold = golden("frank")
    gray = torch.from_numpy(pillow_gray()).double()
    near(dct2(gray)[:, :16, :16], gold["gray_dct_lo16"], atol=1e-9)
    logs = (dct2(gray).abs() + 1e-12).log()
    near(logs[:, :16, :16], gold["gray_logdct_lo16"], atol=1e-9)
    near(logs[2, ::16, ::16], gold["gray_logdct_full_img2"], atol=1e-5)


def test_statistics_equal_the_goldens_and_not_the_defective_script() -> None:
    gold, features = golden("frank"), log_dct(images())
    layer = Standardise(256)
    for part in (features[:1], features[1:4]):
        layer.observe(part)
    near(last(layer.mean[None])[0, :16, :16], gold["welford_mean_lo16"], atol=1e-9)
    near(last(layer.variance[None])[0, :16, :16], gold["welford_var_lo16"], atol=1e-9)
    assert layer.count.item() == 4
    with torch.no_grad():
        got = last(layer.eval()(features))
    near(got[:, :16, :16], gold["rgb_norm_lo16"], atol=1e-6)
    near(got[:, -16:, -16:], gold["rgb_norm_hi16"], atol=1e-6)
    defective = gold["compute_mean_var_mean_lo16"]
    assert np.abs(last(layer.mean[None])[0, :16, :16] - defective).max() > 1


def crops() -> Tensor:
    return images()[:, :, 64:192, 64:192]


def test_geometry_cuts_the_golden_crop() -> None:
    whole = (images()[0].movedim(0, -1).numpy() * 255).round().astype(np.uint8)
    cut = parse(registry.detector("frank").preprocess_for("ufd"))(whole)
    assert np.array_equal(cut, whole[64:192, 64:192])


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("name", NETS)
def test_networks_equal_the_goldens(name: str, kind: str) -> None:
    gold, pixels = golden("frank"), crops()
    if name.endswith("pixel"):
        inputs = Pixels()(pixels).float()
    else:
        features = log_dct(pixels)
        layer = Standardise(128)
        layer.observe(features)
        inputs = layer.eval()(features)
        near(last(inputs)[:, :8, :8], gold["net_input_lo8"], atol=1e-5)
    network = NETS[name]()
    filled(network, RULES[kind])
    parameters = sum(p.numel() for p in network.parameters())
    buffers = sum(b.numel() for b in network.buffers() if b.is_floating_point())
    assert parameters + buffers == gold[f"{name}_params"]
    with torch.no_grad():
        logits = network(inputs)
        hidden = network.hidden(inputs)
    atol = 2e-4 if name == "resnet1" else 1e-4
    near(logits, gold[f"{name}_{kind}_logit"], atol=atol)
    near(hidden[:, :32], gold[f"{name}_{kind}_feat_first32"], atol=atol)


def test_loss_is_cross_entropy_plus_the_penalty() -> None:
    ce, penalty = golden("frank")["ridge1_hash_loss_ce_reg"]
    detector = build_net(**VARIANTS["ridge"])
    filled(detector.net, hashed)
    standardise = detector.network.standardise
    assert standardise is not None
    standardise.observe(log_dct(crops()))
    detector.module.eval()
    labels = torch.tensor([0.0, 1.0, 0.0, 1.0])
    with torch.no_grad():
        assert float(detector.penalty()) == pytest.approx(penalty, rel=1e-5)
    loss = detector.loss(crops(), labels, torch.Generator())
    assert loss.item() == pytest.approx(ce + penalty, rel=1e-5)


def test_training_statistics_are_those_of_the_set_whatever_the_batches() -> None:
    whole, parts = build_net(net="linear"), build_net(net="linear")
    data, labels = pictures(6), torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    generator = torch.Generator()
    for detector, sizes in ((whole, (6,)), (parts, (1, 2, 3, 1, 5))):
        detector.module.train()
        start = 0
        for size in sizes:
            chosen = [i % 6 for i in range(start, start + size)]
            detector.loss(data[chosen], labels[chosen], generator)
            start += size
    one, two = whole.network.standardise, parts.network.standardise
    assert one is not None and two is not None
    features = log_dct(data)
    near(one.mean, features.mean(0).numpy(), atol=1e-12)
    near(one.variance, features.var(0, correction=0).numpy(), atol=1e-12)
    near(two.mean, one.mean.numpy(), atol=1e-12)
    near(two.variance, one.variance.numpy(), atol=1e-11)


@pytest.mark.parametrize("build", [FrankLinear, build_net])
def test_scoring_leaves_the_statistics_alone(build: Callable[[], FrankLinear | FrankNet]) -> None:
    detector = build()
    detector.module.train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    detector.score(pictures(2))
    for name, value in detector.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_coefficient_that_never_varies_stays_finite() -> None:
    detector = build_net(net="linear")
    detector.module.train()
    flat = torch.full((2, 3, 128, 128), 0.5)
    detector.loss(flat, torch.tensor([0.0, 1.0]), torch.Generator())
    detector.module.eval()
    with torch.no_grad():
        assert detector.score(pictures(1)).isfinite().all()


def test_dropout_draws_from_the_generator_only() -> None:
    detector = build_net(net="resnet")
    detector.module.train()
    data, labels = pictures(2), torch.tensor([0.0, 1.0])
    detector.loss(data, labels, torch.Generator())  # the statistics settle
    # Eval mode holds batch norm still; dropout is this project's own and follows loss().
    detector.module.eval()
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    losses = [
        detector.loss(data, labels, torch.Generator().manual_seed(seed)).item()
        for seed in (5, 5, 6)
    ]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_from_its_loss(variant: str) -> None:
    torch.manual_seed(0)
    detector = build_net(**VARIANTS[variant])
    detector.module.train()
    loss = detector.loss(pictures(2), torch.tensor([0.0, 1.0]), torch.Generator())
    loss.backward()  # type: ignore[no-untyped-call]
    moved = [p.grad.abs().sum().item() > 0 for p in detector.module.parameters()]  # type: ignore[union-attr]
    assert all(moved[:1]) and sum(moved) >= len(moved) - 1


def test_lasso_adds_the_absolute_values() -> None:
    detector = build_net(**VARIANTS["lasso"])
    with torch.no_grad():
        expected = 0.01 * detector.net.penalised().abs().sum()  # type: ignore[union-attr]
        assert float(detector.penalty()) == pytest.approx(float(expected))


def upsampled(count: int, seed: int) -> Tensor:
    """Every pixel of a 64x64 picture four times: regular gaps in the DCT."""
    return pictures(count, seed)[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_the_fitted_model_finds_the_grid_and_solves_the_published_objective() -> None:
    detector = FrankLinear()
    real, fake = pictures(24, 1), upsampled(24, 2)
    labels = np.array([0] * 24 + [1] * 24)
    detector.fit(detector.features(torch.cat([real, fake])), labels, 0)
    with torch.no_grad():
        assert (detector.score(upsampled(8, 3)) > 0).all()
        assert (detector.score(pictures(8, 4)) < 0).all()
    # At the optimum the gradient of mean cross-entropy + 0.01 sum w^2 is zero.
    train = build_net(**VARIANTS["ridge"])
    train.load_state_dict(detector.state_dict())
    train.module.eval()
    loss = train.loss(torch.cat([real, fake]), torch.from_numpy(labels).float(), torch.Generator())
    loss.backward()  # type: ignore[no-untyped-call]
    weight = train.net.penalised()
    assert weight is not None and weight.grad is not None
    assert weight.grad.norm() < 0.01 * 2 * 0.01 * weight.norm()  # 1 % of the penalty's own


def test_fitted_and_trained_linear_models_share_their_names() -> None:
    fitted, trained = FrankLinear().state_dict(), build_net(net="linear").state_dict()
    assert {k: v.shape for k, v in fitted.items()} == {k: v.shape for k, v in trained.items()}


@pytest.mark.parametrize("name", ["frank", "frank-net"])
def test_other_sizes_are_refused(name: str) -> None:
    rule = registry.detector(name).input_rule
    assert rule.problem(128, 128) == ""
    for size in ((127, 127), (128, 256), (256, 256)):
        assert "128x128 only" in rule.problem(*size)
    with pytest.raises(ValueError, match="96"):
        build_net().loss(torch.zeros(1, 3, 96, 96), torch.zeros(1), torch.Generator())
