"""ResNet-50 without its first down-sampling: whole pictures at their own size, one logit.

After Gragnaniello et al., ICME 2021. Corvi et al., AlignedForensics and Stay-Positive publish
checkpoints of this one network; they differ in what it was trained on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines._backbones import resnet50
from harness.api import ExactMap, TorchDetector, one_logit

MEMORY = (
    "Its first stage keeps 256 channels of the picture's own size: 1 kB a pixel in each of its "
    "tensors, a gigabyte at 1024x1024, and about 15.7 times an ordinary ResNet-50's work. A "
    "photograph of 12 megapixels needs tens of gigabytes."
)


def full_resolution_resnet50() -> Any:
    """torchvision's ResNet-50 whose first convolution and max pool keep the size; one logit."""
    network = resnet50()
    network.conv1.stride = (1, 1)
    network.maxpool.stride = 1
    return network


class FullResolutionDetector(TorchDetector):
    """The network behind ImageNet's normalisation.

    Args:
        dropout: share of the averaged features that training drops.
    """

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__(full_resolution_resnet50())
        self.dropout = dropout

    def cells(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 2048, about H / 8, about W / 8), the last stage."""
        network = self.network
        x = self.module.normalise(images)
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))  # type: ignore[operator]
        cells: Tensor = network.layer4(network.layer3(network.layer2(network.layer1(x))))  # type: ignore[operator]
        return cells

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 2048)."""
        return self.cells(images).mean((2, 3))

    def exact_map(self, images: Tensor) -> ExactMap:
        """(N, 3, H, W) in [0, 1] -> what every cell adds to the score."""
        fc: Any = self.network.fc
        with torch.no_grad():
            cells = self.cells(images)
        return ExactMap.of(cells, lambda x: one_logit(fc(x.mean((2, 3)))))

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Binary cross-entropy with logits behind the dropout, mean over the batch."""
        fc: Any = self.network.fc
        kept = nn.functional.dropout(self.embed(images), self.dropout, self.module.training)
        logits = fc(kept).flatten()
        return nn.functional.binary_cross_entropy_with_logits(logits, labels)
