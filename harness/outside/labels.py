"""Which outputs of a classifier mean fake: by names that leave no doubt, or as declared."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from harness.errors import UsageError

FAKE_WORDS = frozenset(("artificial", "fake", "ai", "generated", "synthetic", "deepfake"))
REAL_WORDS = frozenset(("real", "human", "natural", "authentic"))


def fake_outputs(place: str, labels: Sequence[str], declared: str) -> tuple[int, ...]:
    """Numbers of the outputs that mean fake.

    Args:
        place: for messages.
        labels: the outputs' names, in order.
        declared: a label's name or an output's number, "" = by the names.

    Raises:
        UsageError: the names leave a doubt, or the declared one is none of them.
    """
    if declared in labels:
        return (labels.index(declared),)
    sides = [_side(label) for label in labels]
    if None not in sides and len(set(sides)) == 2:  # what else was declared is about the data
        return tuple(n for n, side in enumerate(sides) if side)
    if declared.isdecimal() and int(declared) < len(labels):
        return (int(declared),)
    raise UsageError(
        f"{place}: which of its labels means fake? It has {', '.join(labels)}"
        + (f"; --fake-label says {declared!r}" if declared else ""),
        hint=f"--fake-label {labels[-1]!r}, or the one that it is",
    )


def _side(label: str) -> bool | None:
    """True for fake, False for real, None where the name does not tell."""
    words = set(re.findall("[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()))
    fake, real = bool(words & FAKE_WORDS), bool(words & REAL_WORDS)
    return fake if fake != real else None


def fake_logit(logits: Tensor, fakes: Sequence[int]) -> Tensor:
    """(N, L) logits of a softmax -> (N,) the logit of the probability that it is one of these."""
    others = [n for n in range(logits.shape[1]) if n not in fakes]
    return torch.logsumexp(logits[:, list(fakes)], 1) - torch.logsumexp(logits[:, others], 1)
