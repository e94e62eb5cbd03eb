"""EfficientNet-B4 with TensorFlow's padding, and the names that checkpoints of others give it.

Selfblended and GANDetection were published on the package efficientnet_pytorch; timm's
``tf_efficientnet_b4`` is the same network (batch norm eps 1e-3, "same" padding worked out from the
input's size). timm's plain ``efficientnet_b4`` is another function.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines import _backbones
from baselines._chance import dropout
from harness.api import Weights

WIDTH = 1792
"""Features of the last layer before the classifier."""

_STAGES = (2, 4, 4, 6, 6, 8, 2)
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
    "classifier": "classifier",
}
_EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_se_reduce": "se.conv_reduce",
    "_se_expand": "se.conv_expand",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# The first stage does not expand: one convolution less, and timm numbers the others anew.
_PLAIN = {**_EXPANDING, "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def timm_name(name: str) -> str:
    """A name of efficientnet_pytorch's B4 -> timm's; other names come back as they are.

    ``_blocks.2._project_conv.weight`` -> ``blocks.1.0.conv_pwl.weight``.
    """
    first, _, rest = name.partition(".")
    if first != "_blocks":
        return f"{_OUTSIDE[first]}.{rest}" if first in _OUTSIDE else name
    number, layer, entry = rest.split(".", 2)
    place = int(number)
    names = _PLAIN if place < _STAGES[0] else _EXPANDING
    for stage, repeats in enumerate(_STAGES):
        if place < repeats:
            return f"blocks.{stage}.{place}.{names[layer]}.{entry}"
        place -= repeats
    return name


ADVPROP = Weights(
    name="advprop",
    filename="tf_efficientnet_b4_ap-dedb23e6.pth",
    url="https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
    "tf_efficientnet_b4_ap-dedb23e6.pth",
    sha256="dedb23e6",
    licence="Apache-2.0 (timm); ImageNet's terms are its own",
    trained_on="ImageNet-1k classification with AdvProp; nothing forensic",
    note="timm's tf_efficientnet_b4.ap_in1k; of its sha256 the digits in its name are all that is "
    "known here",
    mapping=_backbones.entries(without=("classifier.",)),
)


def two_classes() -> Any:
    """timm's network with two outputs, untrained; (N, 3, H, W) normalised -> (N, 2) logits."""
    return _backbones.efficientnet_b4(2)


def features(network: Any, x: Tensor) -> Tensor:
    """Normalised (N, 3, H, W) -> (N, 1792), the globally averaged last layer."""
    pooled: Tensor = network.forward_head(network.forward_features(x), pre_logits=True)
    return pooled


def training_logits(network: Any, x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """The logits with dropout of ``rate`` on the features, drawn from ``generator``."""
    logits: Tensor = network.classifier(dropout(features(network, x), rate, generator))
    return logits
