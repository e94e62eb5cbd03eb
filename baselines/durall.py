"""Durall: the azimuthally averaged log spectrum in a classical classifier (arXiv 1911.00686).

Idea: up-convolutions cannot reproduce the spectral fall-off of photographs; one number a ring of
the Fourier spectrum shows it, and a support vector machine separates.
Provenance: written from a description of github cc-hpc-itwm/DeepFakeDetection (aaff429, no
licence); no line of that repository is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines._logistic import Features, Labels
from baselines._spectrum import gray_levels, log_magnitude, ring_means, ring_sizes
from harness.api import DetectorSpec, Deviation, InputRule, Recipe, ScoreSpec

LARGEST_SVM = 3200
"""Images that a support vector machine is fitted on, as many as the release's largest."""

SPLINE_NEEDS = 4


def profile(gray: Features) -> Features:
    """(N, H, W) gray levels -> (N, R) mean log magnitude of every ring.

    The first ring (which holds zero frequency) and the last are left out, as in the release.
    """
    return ring_means(log_magnitude(gray))[:, 1:-1]


def resampled(profiles: Features, points: int) -> Features:
    """(N, R) -> (N, points): cubic interpolation with end points aligned, over the first value."""
    from scipy.interpolate import CubicSpline  # takes long to import

    places = np.linspace(0, points, profiles.shape[1])
    spline = CubicSpline(places, profiles, axis=1)
    curve: Features = spline(np.linspace(0, points, points))
    return curve / curve[:, :1]


def middle_third(gray: Features) -> Features:
    """(N, H, W) -> the central third of both sides, as cut from face videos."""
    height, width = (side // 3 for side in gray.shape[1:])
    return gray[:, height:-height, width:-width]


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A scikit-learn model and the kernel that its decision function needs.

    Args:
        make: number of features -> an unfitted model.
        kernel: (n, D) support, (D,) features, D -> (n,) kernel values.
    """

    make: Callable[[int], Any]
    kernel: Callable[[Features, Features, int], Features]


C, GAMMA = 6.37, 0.86


def _linear(support: Features, x: Features, dimension: int) -> Features:
    products: Features = (support * x).sum(1)
    return products


def _rbf(support: Features, x: Features, dimension: int) -> Features:
    values: Features = np.exp(-GAMMA * ((support - x) ** 2).sum(1))
    return values


def _cubic(support: Features, x: Features, dimension: int) -> Features:
    return (_linear(support, x, dimension) / dimension) ** 3


# scikit-learn takes a second to import, and only fitting needs it.
def _machine(**settings: Any) -> Any:
    from sklearn.svm import SVC

    return SVC(**settings)


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(solver="liblinear", max_iter=1000)


CLASSIFIERS = {
    "svm-rbf": Classifier(make=lambda d: _machine(kernel="rbf", C=C, gamma=GAMMA), kernel=_rbf),
    "svm-linear": Classifier(make=lambda d: _machine(kernel="linear"), kernel=_linear),
    "svm-poly": Classifier(make=lambda d: _machine(kernel="poly", gamma=1 / d), kernel=_cubic),
    "logistic": Classifier(make=lambda d: _logistic(), kernel=_linear),
}


class DurallDetector:
    """One of the release's classifiers on one of its features; untrained it answers 0.

    Args:
        classifier: a name of :data:`CLASSIFIERS`.
        points: length that profiles are resampled to.
        middle: cut the central third first.
    """

    def __init__(self, classifier: str = "svm-rbf", points: int = 80, middle: bool = False) -> None:
        self.points = points
        self.middle = middle
        self._classifier = CLASSIFIERS[classifier]
        self._support: Features = np.zeros((0, points))
        self._weights: Features = np.zeros(0)
        self._offset: Features = np.zeros(1)

    def features(self, images: Tensor) -> Features:
        """(N, 3, H, W) in [0, 1] -> (N, points)."""
        gray = gray_levels(images)
        return resampled(profile(middle_third(gray) if self.middle else gray), self.points)

    def fit(self, features: Features, labels: Labels, seed: int) -> None:
        """Fits on (N, points) features and (N,) labels; a machine on at most 3200 of them."""
        model = self._classifier.make(self.points)
        if hasattr(model, "kernel"):  # a support vector machine
            chosen = drawn(labels, LARGEST_SVM, seed)
            model.fit(features[chosen], labels[chosen])
        else:
            model.fit(features, labels)
        self._take(model)

    def _take(self, model: Any) -> None:
        """A linear decision is one support vector, the coefficients, with weight 1."""
        linear = getattr(model, "kernel", "linear") == "linear"
        self._support = np.array(model.coef_ if linear else model.support_vectors_)
        self._weights = np.ones(1) if linear else np.array(model.dual_coef_[0])
        self._offset = np.array(model.intercept_)

    def decide(self, features: Features) -> Features:
        """(N, points) -> (N,) decision values, above 0 for fake."""
        kernel = self._classifier.kernel
        # One by one, so that no sum depends on the batch.
        sums = [(self._weights * kernel(self._support, x, self.points)).sum() for x in features]
        return np.array(sums) + self._offset

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) decision values."""
        return torch.from_numpy(self.decide(self.features(images)))

    def state_dict(self) -> Mapping[str, Tensor]:
        """support (n, points), weights (n,), offset (1,), float64; n is what the fit gave."""
        values = {"support": self._support, "weights": self._weights, "offset": self._offset}
        return {name: torch.from_numpy(value.copy()) for name, value in values.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes exactly these names and shapes, any n; RuntimeError otherwise."""
        vectors = len(state["support"]) if "support" in state else 0
        expected = {"support": (vectors, self.points), "weights": (vectors,), "offset": (1,)}
        given = {name: tuple(value.shape) for name, value in state.items()}
        if given != expected:
            raise RuntimeError(f"state does not fit: got {given}, expected {expected}")
        values = {name: value.double().numpy().copy() for name, value in state.items()}
        self._support, self._weights = values["support"], values["weights"]
        self._offset = values["offset"]


def drawn(labels: Labels, most: int, seed: int) -> Labels:
    """Positions of at most ``most`` images, drawn evenly from both classes, ascending."""
    if len(labels) <= most:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(labels == label))[: most // 2] for label in (0, 1)]
    positions: Labels = np.sort(np.concatenate(chosen))
    return positions


@lru_cache(maxsize=256)
def size_problem(height: int, width: int) -> str:
    """The spline needs four rings between the first and the last."""
    rings = len(ring_sizes(height, width)) - 2
    return "" if rings >= SPLINE_NEEDS else f"its spectrum has {max(rings, 0)} rings, 4 are needed"


def build(**options: object) -> DurallDetector:
    """An untrained detector; options as of :class:`DurallDetector`."""
    return DurallDetector(**options)  # type: ignore[arg-type]


VARIANTS: dict[str, dict[str, object]] = {
    "svm-rbf": {"classifier": "svm-rbf"},
    "svm-linear": {"classifier": "svm-linear"},
    "svm-poly": {"classifier": "svm-poly"},
    "logistic": {"classifier": "logistic"},
}

DEVIATIONS = (
    Deviation(
        what="what is averaged",
        paper="the azimuthal integral of the power spectrum (from summaries)",
        code="the mean of 20 ln|F + 1e-8|: a natural logarithm of the magnitude, so not decibels",
        here="as the code",
    ),
    Deviation(
        what="rings",
        paper="-",
        code="centre ((W - 1) / 2, (H - 1) / 2), half a pixel off zero frequency for even sizes; "
        "radii up to the corner; the first and the last ring are lost",
        here="as the code",
    ),
    Deviation(
        what="normalisation",
        paper="by the zero frequency",
        code="by the ring of radius 1 to 2, the first that is kept; none on Faces-HQ",
        here="as the code's CelebA rule",
    ),
    Deviation(
        what="length of the profile",
        paper="722 (Faces-HQ), 80 (CelebA), 300 (FaceForensics)",
        code="as the paper, cubic interpolation; FaceForensics on the central third",
        here="80 points for every size. Different sizes are stretched to the same 80 points, so "
        "a set whose classes differ in size is separated by size",
    ),
    Deviation(
        what="classifier",
        paper="SVM, logistic regression, k-means",
        code="SVM (linear, RBF with C 6.37 and gamma 0.86, cubic) and logistic regression; no "
        "k-means",
        here="the RBF machine; the other three as variants",
    ),
    Deviation(
        what="number of training images",
        paper="up to 3200",
        code="as the paper",
        here="a support vector machine is fitted on at most 3200, drawn evenly from both classes; "
        "logistic regression on all",
    ),
    Deviation(
        what="gray pictures",
        paper="-",
        code="cv2.imread(path, 0), the file reader's own conversion: for PNG up to 1 level off "
        "OpenCV's cvtColor, which moves smooth profiles by up to 5.4",
        here="cvtColor's rule for every file",
    ),
    Deviation(
        what="labels",
        paper="-",
        code="fake is 1 in two notebooks and 0 in the third; two legends are swapped",
        here="fake is 1",
    ),
    Deviation(
        what="data of the CelebA experiment",
        paper="100 % accuracy",
        code="all fakes are 128x128 JPEG of quality 75, all reals 178x218: class equals size",
        here="data are used as they are; see the audit of a suite",
    ),
    Deviation(
        what="the paper's row",
        paper="its ForenSynths numbers are copied from NPR's and FatFormer's READMEs; feature, "
        "classifier and sizes are not stated",
        code="-",
        here="ours is the configuration named here",
    ),
)

SPEC = DetectorSpec(
    name="durall",
    title="Durall (ring spectrum, SVM)",
    family="frequency",
    build=build,
    score=ScoreSpec(kind="uncalibrated", threshold=0.0),
    geometry={"*": "native"},
    input_rule=InputRule(smallest=(9, 9), check=size_problem),
    recipe=Recipe(
        epochs=1,
        batch_size=1,
        lr=0.0,
        source="notebook CelebA of DeepFakeDetection aaff429: one fit; rbf, C 6.37, gamma 0.86",
    ),
    variants=VARIANTS,
    citation="Durall et al., Unmasking DeepFakes with simple Features, arXiv 1911.00686; Watch "
    "your Up-Convolution, CVPR 2020, arXiv 2003.01826",
    deviations=DEVIATIONS,
    paper_name="Durall",
    notes="Any size from 9x9, odd ones too; no network, so no cost. The authors warn against "
    "resized and non-square pictures. Scores of the machines are decision values, of `logistic` "
    "log-odds.",
)
