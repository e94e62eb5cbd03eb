"""ResNet-50 cut after its second stage, with a 3x3 stem: the trunk of NPR and its descendants.

State-dict names are those of the released checkpoints; the blocks are torchvision's.
"""

from __future__ import annotations

from torch import Tensor, nn

from harness.api import PooledNetwork
from harness.api.torchvision import ensure_torchvision


def stage(inputs: int, planes: int, blocks: int, stride: int = 1) -> nn.Sequential:
    """``blocks`` bottlenecks, the first with the stride; -> 4 x ``planes`` channels."""
    ensure_torchvision()
    from torchvision.models.resnet import Bottleneck  # here: listing the registry must not wait

    outputs = 4 * planes
    skip = nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
    )
    rest = (Bottleneck(outputs, planes) for _ in range(blocks - 1))
    return nn.Sequential(Bottleneck(inputs, planes, stride, skip), *rest)


def kaiming(network: nn.Module) -> None:
    """Fills every convolution as the releases do: Kaiming normal, fan out."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class TwoStageResNet(PooledNetwork):
    """3x3 stride-2 stem, two stages, average, ``fc1``; a subclass says what the stem sees.

    Args:
        outputs: logits.
    """

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(64, 64, 3)
        self.layer2 = stage(256, 128, 4, stride=2)
        self.fc1 = nn.Linear(512, outputs)
        kaiming(self)

    def residual(self, x: Tensor) -> Tensor:
        """What the stem sees of the network's input; (N, 3, H, W) -> (N, 3, H, W)."""
        return x

    def cells(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 512, about H / 8, about W / 8), the last stage."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(self.residual(x)))))
        cells: Tensor = self.layer2(self.layer1(x))
        return cells
