"""Durall: spectra and decisions equal the authors' numbers; state, sizes, fitting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from torch import Tensor

from baselines._spectrum import gray_levels, ring_means, ring_sizes
from baselines.durall import (
    CLASSIFIERS,
    VARIANTS,
    build,
    drawn,
    middle_third,
    profile,
    resampled,
    size_problem,
)
from tests.goldens.pictures import frequency_tensor as images
from tests.goldens.pictures import opencv_gray, png_reader_gray
from tests.goldens.stored import golden, near

CUTS = {
    "256": np.s_[:, :, :],
    "255x255": np.s_[:, :255, :255],
    "200x256": np.s_[:, :200, :],
    "218x178": np.s_[:, :218, :178],
    "128": np.s_[:, 64:192, 64:192],
}


@pytest.fixture
def gold() -> Any:
    found = golden("durall")
    reader = png_reader_gray().copy()
    reader.flat[found["png_reader_gray_places"]] = found["png_reader_gray_levels"]
    return {**found, "gray": opencv_gray(), "gray_cv2_imread0_png": reader}


def test_gray_is_opencvs(gold: Any) -> None:
    assert np.array_equal(gray_levels(images()), gold["gray"])


@pytest.mark.parametrize("cut", CUTS)
def test_profiles_equal_the_goldens(gold: Any, cut: str) -> None:
    near(profile(gold["gray"][CUTS[cut]].astype(float)), gold[f"psd_{cut}"], atol=1e-7)


def test_profile_of_the_png_readers_gray_differs(gold: Any) -> None:
    want = gold["psd_256_from_imread0_png"]
    near(profile(gold["gray_cv2_imread0_png"].astype(float)), want, atol=1e-7)
    assert np.abs(want - gold["psd_256"]).max() > 1


@pytest.mark.parametrize("size", ["256x256", "255x255", "200x256", "128x128"])
def test_ring_sizes_equal_the_goldens(gold: Any, size: str) -> None:
    height, width = map(int, size.split("x"))
    assert ring_sizes(height, width) == tuple(gold[f"bincount_{size}"])


@pytest.mark.parametrize("size", ["256", "128", "218x178"])
def test_features_equal_the_goldens(gold: Any, size: str) -> None:
    found = resampled(profile(gold["gray"][CUTS[size]].astype(float)), 80)
    near(found, gold[f"celeba80_{size}"], atol=1e-7)


def test_face_crop_features_equal_the_goldens(gold: Any) -> None:
    found = resampled(profile(middle_third(gold["gray"].astype(float))), 300)
    near(found, gold["ff300_eps"], atol=1e-7)
    near(found, gold["ff300_noeps"], atol=1e-7)


def test_features_from_pictures(gold: Any) -> None:
    near(build().features(images()), gold["celeba80_256"], atol=1e-7)
    near(build(points=300, middle=True).features(images()), gold["ff300_eps"], atol=1e-7)


def test_ring_means_of_a_power_spectrum(gold: Any) -> None:
    spectrum = np.fft.fftshift(np.fft.fft2(gold["gray"].astype(float), norm="ortho"), axes=(1, 2))
    near(ring_means(np.abs(spectrum) ** 2)[:, 1:-1], gold["ricker_density"], atol=1e-6, rtol=1e-9)


@pytest.mark.parametrize(
    ("classifier", "name"),
    [
        ("svm-linear", "svc_linear"),
        ("svm-rbf", "svc_rbf"),
        ("svm-poly", "svc_poly_auto"),
        ("logistic", "logreg"),
    ],
)
def test_classifiers_equal_the_goldens(gold: Any, classifier: str, name: str) -> None:
    detector = build(classifier=classifier)
    detector.fit(gold["toy_X"][:30], gold["toy_y"][:30], 0)
    decisions = detector.decide(gold["toy_X"][30:])
    near(decisions, gold[f"toy_{name}_decision"], atol=1e-4)
    assert ((decisions > 0) == gold["toy_y"][30:]).mean() == gold[f"toy_{name}_acc"]


def blobs(count: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    return rng.normal(1, 0.05, (count, 80)) + 0.03 * labels[:, None], labels


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_decisions_are_scikit_learns(classifier: str) -> None:
    features, labels = blobs(60, 0)
    detector = build(classifier=classifier)
    detector.fit(features, labels, 0)
    model = CLASSIFIERS[classifier].make(80).fit(features, labels)
    others, _ = blobs(20, 1)
    near(detector.decide(others), model.decision_function(others), atol=1e-9)
    assert np.std(detector.decide(others)) > 0.01


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_state_is_plain_tensors_and_strict(classifier: str) -> None:
    features, labels = blobs(60, 0)
    detector, other = build(classifier=classifier), build(classifier=classifier)
    detector.fit(features, labels, 0)
    state = dict(detector.state_dict())
    assert {value.dtype for value in state.values()} == {torch.float64}
    other.load_state_dict(state)
    assert np.array_equal(other.decide(features), detector.decide(features))
    for wrong in (
        {**state, "extra": state["offset"]},
        {name: value for name, value in state.items() if name != "support"},
        {**state, "weights": state["weights"][:0]},
        {**state, "support": state["support"][:, :40]},
    ):
        with pytest.raises(RuntimeError, match="does not fit"):
            build(classifier=classifier).load_state_dict(wrong)


def test_a_large_set_is_sampled_evenly_by_seed() -> None:
    labels = np.array([0] * 5000 + [1] * 200)
    chosen = drawn(labels, 3200, 0)
    assert (labels[chosen] == 0).sum() == 1600
    assert (labels[chosen] == 1).sum() == 200
    assert len(set(chosen.tolist())) == len(chosen)
    assert np.array_equal(chosen, drawn(labels, 3200, 0))
    assert not np.array_equal(chosen, drawn(labels, 3200, 1))
    assert np.array_equal(drawn(labels[:50], 3200, 0), np.arange(50))


def test_only_machines_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = SVC.fit

    def fit(self: SVC, features: Any, labels: Any) -> Any:
        seen.append(len(features))
        return real(self, features, labels)

    monkeypatch.setattr(SVC, "fit", fit)
    monkeypatch.setattr("baselines.durall.LARGEST_SVM", 20)
    features, labels = blobs(60, 0)
    whole, machine = build(classifier="logistic"), build()
    whole.fit(features, labels, 0)
    machine.fit(features, labels, 0)
    assert seen == [20]
    half = build(classifier="logistic")
    half.fit(features[:20], labels[:20], 0)
    assert not np.allclose(whole.decide(features), half.decide(features))


def pictures(up: bool, count: int, seed: int) -> Tensor:
    """8-bit noise; upsampled by repeating pixels where ``up``."""
    draw = np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32))
    wide = draw.repeat(2, 2).repeat(2, 3) if up else np.tile(draw, (1, 1, 2, 2))[:, :, ::-1]
    noise = np.random.default_rng(seed + 1).integers(0, 256, wide.shape)
    return torch.from_numpy((wide + noise) // 2).float() / 255


@pytest.mark.parametrize("variant", VARIANTS)
def test_upsampled_pictures_are_found(variant: str) -> None:
    detector = build(**VARIANTS[variant])
    train = torch.cat([pictures(False, 20, 0), pictures(True, 20, 50)])
    detector.fit(detector.features(train), np.array([0] * 20 + [1] * 20), 0)
    scores = torch.cat([detector.score(pictures(up, 20, 200)) for up in (False, True)])
    assert roc_auc_score([0] * 20 + [1] * 20, scores.numpy()) >= 0.95


@pytest.mark.parametrize(
    ("height", "width", "fine"),
    [(9, 9, True), (8, 8, False), (1, 4, False), (4, 30, True), (33, 64, True)],
)
def test_sizes_as_stated(height: int, width: int, fine: bool) -> None:
    assert (size_problem(height, width) == "") is fine
    if fine:
        features = build().features(torch.rand(2, 3, height, width))
        assert features.shape == (2, 80)
        assert np.isfinite(features).all()
