"""What LaDeDa and Tiny-LaDeDa share: their front ends and the rule of sizes.

No file of theirs names its front end, and with another one it loads as well and scores nonsense:
each published file's entry says it (``Weights.variant``).
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from harness.api import InputRule, PooledNetwork
from lfm.network import cell_residual

SIDE = 256
LICENCE = "Yissum Software Research License: research only, not to be passed on otherwise"

Kernel = tuple[tuple[int, int, int], ...]

SOBEL: dict[str, Kernel] = {
    "right_diag": ((-2, -1, 0), (-1, 0, 1), (0, 1, 2)),
    "left_diag": ((0, 1, 2), (-1, 0, 1), (-2, -1, 0)),
    "x_grad": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "y_grad": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
}
NPR = {"npr": 1.0, "npr_two_thirds": 2 / 3}
FRONT_ENDS = (*NPR, *SOBEL, "raw")
"""What the first layer sees of the normalised picture."""


def front_end(name: str, x: Tensor) -> Tensor:
    """NPR's residual times a factor, a Sobel gradient of every channel, or the picture.

    A gradient is a cross-correlation with zeros beyond the border.

    Args:
        name: one of :data:`FRONT_ENDS`.
        x: normalised (N, 3, H, W), H and W even; so is the result.
    """
    if name in NPR:
        return cell_residual(x) * NPR[name]
    if name in SOBEL:
        kernel = x.new_tensor(SOBEL[name]).expand(3, 1, 3, 3)
        return nn.functional.conv2d(x, kernel, padding=1, groups=3)
    return x


def square_and_even(smallest: int) -> InputRule:
    """Squares of even sides only, as the released networks take them."""

    def check(height: int, width: int) -> str:
        if height != width:
            return "it takes squares only"
        return "" if height >= smallest else f"the smallest size is {smallest}x{smallest}"

    return InputRule(smallest=(smallest, smallest), multiple_of=2, check=check)


class PatchScored(PooledNetwork):
    """A network whose last layer the releases call ``fc``: the mean of its patches' logits.

    Args:
        front: what the first layer sees, one of :data:`FRONT_ENDS`.

    Raises:
        ValueError: there is no such front end.
    """

    fc: nn.Linear

    def __init__(self, front: str) -> None:
        super().__init__()
        if front not in FRONT_ENDS:
            raise ValueError(f"no front end {front!r}; there are {', '.join(FRONT_ENDS)}")
        self.front = front

    @property
    def fc1(self) -> nn.Linear:  # type: ignore[override]
        """The last layer."""
        return self.fc

    def initialise(self) -> None:
        """As the releases begin."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                size = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, std=math.sqrt(2 / size))
        nn.init.normal_(self.fc.weight, std=0.02)
