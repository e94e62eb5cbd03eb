"""A standardised logistic regression whose state is plain tensors: no pickle, strict loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Features = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.int64]]


class Logistic:
    """Standardise, then logistic regression (L2, C = 1); untrained it answers 0.

    Args:
        dimension: number of features.
    """

    def __init__(self, dimension: int) -> None:
        self._state = {
            "mean": np.zeros(dimension),
            "scale": np.ones(dimension),
            "coefficients": np.zeros(dimension),
            "intercept": np.zeros(1),
        }

    def fit(self, features: Features, labels: Labels, seed: int) -> None:
        """Fits on (N, D) features and (N,) labels; the solver draws nothing from the seed."""
        # Imported here: only fitting needs it, and it takes a second to load.
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(features)
        model = LogisticRegression(max_iter=5000, random_state=seed)
        model.fit(scaler.transform(features), labels)
        self._state = {
            "mean": scaler.mean_,
            "scale": scaler.scale_,
            "coefficients": model.coef_[0],
            "intercept": model.intercept_,
        }

    def logits(self, features: Features) -> Features:
        """(N, D) -> (N,) log-odds of fake."""
        state = self._state
        standard = (features - state["mean"]) / state["scale"]
        # A sum per row, not a matrix product: BLAS may sum a batch in another order.
        logits: Features = (standard * state["coefficients"]).sum(1) + state["intercept"]
        return logits

    def state_dict(self) -> Mapping[str, Tensor]:
        """mean, scale, coefficients (D,) and intercept (1,), float64."""
        return {name: torch.from_numpy(np.array(value)) for name, value in self._state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes exactly these names and shapes, or raises RuntimeError."""
        expected = {name: value.shape for name, value in self._state.items()}
        given = {name: tuple(value.shape) for name, value in state.items()}
        if given != expected:
            raise RuntimeError(f"state does not fit: got {given}, expected {expected}")
        self._state = {name: value.double().numpy() for name, value in state.items()}
