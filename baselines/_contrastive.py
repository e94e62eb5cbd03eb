"""A margin loss that draws embeddings of one class together: DRCT and DDA train with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def contrastive_loss(embeddings: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
    """(N, D) and (N,) labels -> scalar, of all pairs of the batch.

    Embeddings are scaled to unit length. A pair of one class costs its distance; a pair of two
    classes costs what it lacks to ``margin``. Each kind counts as the mean over the pairs that
    cost anything; these are the defaults of pytorch-metric-learning.
    """
    unit = nn.functional.normalize(embeddings, dim=1)
    first, second = torch.triu_indices(len(unit), len(unit), 1, device=unit.device)
    squares = (unit[first] - unit[second]).square().sum(1)
    distances = squares.clamp(min=1e-12).sqrt()  # of equal ones the root has no gradient
    same = labels[first] == labels[second]
    return _mean_of_costs(distances[same]) + _mean_of_costs(margin - distances[~same])


def _mean_of_costs(costs: Tensor) -> Tensor:
    positive = costs.clamp(min=0)
    return positive.sum() / (positive > 0).sum().clamp(min=1)
