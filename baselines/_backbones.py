"""The standard networks that published detectors start from, as the libraries build them.

torchvision and timm are imported when a network is built: they take seconds, and listing the
registry must not. All networks come with fresh random weights; pre-trained ones are loaded by the
training (or by a checkpoint), never by a constructor. Inputs are normalised (N, 3, H, W) float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from harness.api import Weights
from harness.api.torchvision import ensure_torchvision


def entries(*, under: str = "", without: tuple[str, ...] = ()) -> Callable[[str], str | None]:
    """A ``mapping`` of published names (see :class:`harness.api.Weights`).

    Args:
        under: what the network puts in front of the published name.
        without: names that begin so have no use here: a last layer with ImageNet's classes.
    """

    def mapping(name: str) -> str | None:
        return None if without and name.startswith(without) else under + name

    return mapping


FC = ("fc.",)
IMAGENET_RESNET50 = Weights(
    name="imagenet",
    filename="resnet50-0676ba61.pth",
    url="https://download.pytorch.org/models/resnet50-0676ba61.pth",
    sha256="0676ba61",
    licence="BSD-3-Clause (torchvision); ImageNet's terms are its own",
    trained_on="ImageNet-1k classification (torchvision's IMAGENET1K_V1); nothing forensic",
    note="about 98 MB; its publisher names the first 8 digits of the sha256 only",
    mapping=entries(without=FC),
)


def resnet50(outputs: int = 1) -> Any:
    """torchvision's ResNet-50 (v1.5: the stride is in the 3x3), ``fc`` 2048 -> ``outputs``.

    The new ``fc`` weight is N(0, 0.02) and its bias 0, as CNNDetection and its descendants do.
    """
    ensure_torchvision()
    from torchvision.models import resnet

    network = resnet.resnet50(weights=None)
    network.fc = nn.Linear(network.fc.in_features, outputs)
    nn.init.normal_(network.fc.weight, std=0.02)
    nn.init.zeros_(network.fc.bias)
    return network


def resnet50_features(network: Any, x: Tensor) -> Tensor:
    """What :func:`resnet50` gives to its ``fc``: normalised (N, 3, H, W) -> (N, 2048)."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    x = network.layer4(network.layer3(network.layer2(network.layer1(x))))
    pooled: Tensor = network.avgpool(x)
    return pooled.flatten(1)


def xception(outputs: int = 1) -> Any:
    """timm's ``legacy_xception`` (Cadene's port), ``fc`` 2048 -> ``outputs``; no dropout."""
    return _timm("legacy_xception", outputs)


def efficientnet_b4(outputs: int = 1) -> Any:
    """timm's ``tf_efficientnet_b4`` (TensorFlow's padding), ``classifier`` 1792 -> ``outputs``."""
    return _timm("tf_efficientnet_b4", outputs)


def _timm(name: str, outputs: int) -> Any:
    ensure_torchvision()  # timm imports torchvision
    import timm

    return timm.create_model(name, pretrained=False, num_classes=outputs)


CONVNEXT_B = ((3, 3, 27, 3), (128, 256, 512, 1024))


def convnext(
    outputs: int,
    depths: tuple[int, ...] = CONVNEXT_B[0],
    widths: tuple[int, ...] = CONVNEXT_B[1],
) -> Any:
    """timm's ConvNeXt (base unless told), ``head.fc`` last width -> ``outputs``.

    Its head pools first and normalises then, as all of timm's do that have a classifier.
    """
    ensure_torchvision()
    from timm.models.convnext import ConvNeXt

    return ConvNeXt(num_classes=outputs, depths=depths, dims=widths)
