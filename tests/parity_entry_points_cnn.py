"""What ``shared/methods/check_parity_cnn.py`` calls: networks and test preprocessing, ours.

From the checkout's root:
``python ../shared/methods/check_parity_cnn.py NAME=tests.parity_entry_points_cnn:NAME ...
--pre NAME=tests.parity_entry_points_cnn:pre_NAME ...``
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from torch import Tensor, nn

from baselines import cnndetection as _cnndetection
from baselines import freqnet as _freqnet
from baselines import lgrad as _lgrad
from baselines import npr as _npr
from baselines import safe as _safe
from baselines._stylegan import Discriminator
from harness import registry
from harness.data.preprocess import parse, to_tensor


def npr() -> nn.Module:
    return _npr.build().network


def cnndetection() -> nn.Module:
    return _cnndetection.build().network


def safe() -> nn.Module:
    return _safe.build().network


def freqnet() -> nn.Module:
    return _freqnet.build().network


def lgrad() -> nn.Module:
    return _lgrad.build().network.classifier


def lgrad_d() -> nn.Module:
    return Discriminator()


def _pre(name: str) -> Callable[[Image.Image], Tensor]:
    spec = registry.detector(name)
    chain = parse(spec.preprocess_for("ufd"))
    normalise = spec.build().module.normalise

    def prepare(picture: Image.Image) -> Tensor:
        tensor: Tensor = normalise(to_tensor(chain(np.asarray(picture)))[None])[0]
        return tensor

    return prepare


def pre_npr(picture: Image.Image) -> Tensor:
    return _pre("npr")(picture)


def pre_cnndetection(picture: Image.Image) -> Tensor:
    return _pre("cnndetection")(picture)


def pre_safe(picture: Image.Image) -> Tensor:
    return _pre("safe")(picture)


def pre_freqnet(picture: Image.Image) -> Tensor:
    return _pre("freqnet")(picture)


def pre_lgrad_d(picture: Image.Image) -> Tensor:
    return _pre("lgrad")(picture)
