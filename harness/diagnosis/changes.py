"""What can be done to a built detector so that it scores as under a condition.

Each function gives a :data:`~harness.diagnosis.condition.Change`. Where the change must not be
undone by the fast form of a network, it gives a :class:`~harness.engine.plain.Plain` detector.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import DetectorSpec, InputRule, five_crops
from harness.api.network import Statistic
from harness.diagnosis.condition import Change
from harness.engine.plain import Plain
from harness.engine.seeding import seeded

SEED = 0

Score = Callable[[Tensor], Tensor]


def normalised(mean: Statistic, std: Statistic) -> Change:
    """The network is given (x - mean) / std of a picture x in [0, 1]; its own is left out."""
    return _statistics(lambda own_mean, own_std: (_channels(mean), _channels(std)))


def normalised_twice() -> Change:
    """The network is given what comes of its own normalisation, applied to its own result."""
    return _statistics(lambda mean, std: (mean * (1 + std), std * std))


def _statistics(of: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Change:
    def change(detector: Any) -> Any:
        module = detector.module
        module.mean, module.std = of(module.mean, module.std)
        return detector

    return change


def _channels(value: Statistic) -> Tensor:
    return torch.tensor(value).view(1, -1, 1, 1)


def is_norm(module: nn.Module) -> bool:
    """Whether it is a batch norm."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def batch_norm(name: str, batch: int) -> Change:
    """Batch norms take mean and deviation of the batch at hand, as torch does in training mode.

    Their running statistics are moved by every batch and used by none, so batches do not hang on
    each other.
    """

    def change(detector: Any) -> Plain:
        for module in filter(is_norm, detector.module.modules()):
            module.train()
        return Plain(detector, name, batch=batch)

    return change


def training_mode(name: str, batch: int) -> Change:
    """All of the network is in training mode: batch norms, and what draws, such as dropout."""

    def change(detector: Any) -> Plain:
        detector.module.train()
        return Plain(detector, name, _drawing(detector.score), batch=batch)

    return change


def dropout(name: str) -> Change:
    """All of the network but its batch norms is in training mode."""

    def change(detector: Any) -> Plain:
        detector.module.train()
        for module in filter(is_norm, detector.module.modules()):
            module.eval()
        return Plain(detector, name, _drawing(detector.score))

    return change


_one_at_a_time = threading.Lock()  # torch's generator is one for all threads


def _drawing(score: Score) -> Score:
    """Draws follow from the pictures and :data:`SEED`, not from what was scored before them."""

    def call(images: Tensor) -> Tensor:
        seed = zlib.crc32(images.cpu().contiguous().numpy().tobytes(), SEED)
        with _one_at_a_time, seeded(seed, images.device):
            return score(images)

    return call


def autocast(name: str, dtype: torch.dtype) -> Change:
    """Torch chooses for each operation whether it runs in ``dtype``."""

    def change(detector: Any) -> Plain:
        def score(images: Tensor) -> Tensor:
            with torch.autocast(images.device.type, dtype=dtype):
                scores: Tensor = detector.score(images)
            return scores

        return Plain(detector, name, score)

    return change


def weights_in(name: str, dtype: torch.dtype) -> Change:
    """Weights and pictures in ``dtype``, as ``model.half()`` does."""

    def change(detector: Any) -> Plain:
        detector.module.to(dtype)
        return Plain(detector, name, lambda images: detector.score(images.to(dtype)))

    return change


def crops(
    name: str, side: int, *, ten: bool, mean: Callable[[Tensor], Tensor], pad: bool
) -> Change:
    """The mean over four corners and the middle, ten: and over those of the mirror image.

    Args:
        name: of the condition.
        side: of a crop, pixels.
        ten: ten crops, not five.
        mean: (N, crops) scores -> (N,).
        pad: a picture with a side below ``side`` is padded with black, as by a centre crop, and
            pictures of every size are taken; else it is scored as it is.
    """

    def change(detector: Any) -> Plain:
        def score(images: Tensor) -> Tensor:
            images = _padded(images, side) if pad else images
            if min(images.shape[2:]) < side:
                scores: Tensor = detector.score(images)
                return scores
            mirrored = five_crops(images.flip(3), side) if ten else []
            views = [*five_crops(images, side), *mirrored]
            return mean(torch.stack([detector.score(view.contiguous()) for view in views], 1))

        return Plain(detector, name, score, input_rule=InputRule() if pad else None)

    return change


def _padded(images: Tensor, side: int) -> Tensor:
    down, right = (max(0, side - length) for length in images.shape[2:])
    ends = (right // 2, (right + 1) // 2, down // 2, (down + 1) // 2)
    return nn.functional.pad(images, ends)


def mean_of_scores(scores: Tensor) -> Tensor:
    """(N, views) -> (N,)."""
    return scores.mean(1)


def mean_of_probabilities(logits: Tensor) -> Tensor:
    """(N, views) logits -> (N,), the logit of the mean of their sigmoids."""
    logits = logits.double()
    fake, real = (nn.functional.logsigmoid(x).logsumexp(1) for x in (logits, -logits))
    return fake - real


def seen_as(name: str, *views: Callable[[Tensor], Tensor]) -> Change:
    """The mean of the scores of views of the picture, each (N, 3, H, W) -> (N, 3, H', W')."""

    def change(detector: Any) -> Plain:
        def score(images: Tensor) -> Tensor:
            shown = [detector.score(view(images).contiguous()) for view in views]
            return torch.stack(shown, 1).mean(1)

        return Plain(detector, name, score)

    return change


def is_quick(module: nn.Module) -> bool:
    """Whether it is OpenAI's approximation of GELU."""
    return type(module).__name__ == "QuickGELU"


def exact_gelu(detector: Any) -> Any:
    """Every QuickGELU becomes the exact GELU."""
    for module in list(detector.module.modules()):
        for name, part in list(module.named_children()):
            if is_quick(part):
                setattr(module, name, nn.GELU())
    return detector


def at_random(
    spec: DetectorSpec, options: Mapping[str, object], random: Callable[[str], bool]
) -> Change:
    """Some of the state's entries stay as a new detector has them.

    Args:
        spec: builds it.
        options: for its ``build``.
        random: which entries, by name.
    """

    def change(detector: Any) -> Any:
        with seeded(SEED):
            new = spec.build(**options).state_dict()
        loaded = detector.state_dict()
        detector.load_state_dict(
            {name: new[name] if random(name) else value for name, value in loaded.items()}
        )
        return detector

    return change


def head(state: Mapping[str, Tensor]) -> str:
    """The prefix of a state's last layer: the last matrix or kernel of one or two outputs; ""."""
    ends = [
        name.removesuffix("weight")
        for name, value in state.items()
        if name.endswith("weight") and value.dim() > 1 and value.shape[0] <= 2
    ]
    return ends[-1] if ends else ""


def blueprint(spec: DetectorSpec, variant: str) -> Any:
    """The detector built without numbers and without memory; None where it cannot be built so."""
    try:
        with torch.device("meta"):
            return spec.build(**spec.variants.get(variant, {}))
    except Exception:  # one from elsewhere may want its file, or numbers
        return None
