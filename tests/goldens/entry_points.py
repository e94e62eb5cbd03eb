"""What the checkers beside the whole goldens call: our detectors under the authors' names.

``README.md`` in this folder has the commands. The tests check the same and need no checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from baselines._stylegan import StyleGANDiscriminator
from baselines.selfblended import from_efficientnet_pytorch
from harness.data.preprocess import parse, to_tensor
from harness.registry import detectors as registry


def prepared(name: str, picture: Image.Image | np.ndarray) -> Tensor:
    """A picture as the network of this detector is given it, (3, H, W)."""
    spec = registry.detector(name)
    pixels = to_tensor(parse(spec.preprocess_for("ufd"))(np.asarray(picture)))
    tensor: Tensor = spec.build().module.normalise(pixels[None])[0]
    return tensor


class Official(nn.Module):
    """A detector that takes the authors' state, and the input of its network.

    Args:
        exact: our resize is the authors', so the checker may compare prepared pictures.
    """

    def __init__(self, name: str, exact: bool = True, **options: Any) -> None:
        super().__init__()
        self.detector: Any = registry.detector(name).build(**options)
        self.module = self.detector.module
        if exact:
            self.official_preprocess = partial(prepared, name)

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        self.detector.load_state_dict(
            {from_efficientnet_pytorch(name): value for name, value in state.items()}
            if any(name.startswith("net._") for name in state)
            else state
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.module.network(x)
        return logits


class FromViews(Official):
    """A detector that makes several views of a picture: the golden's input is these."""

    def __init__(self, name: str) -> None:
        super().__init__(name, exact=False)

    def forward(self, x: Tensor) -> Tensor:
        network: Any = self.module.network
        if hasattr(network, "contrast"):  # PatchCraft
            logits: Tensor = network.fc1(network.pool(network.contrast(x)))
        else:  # AIDE
            logits = network.fc(network.features(x))
        return logits


def network(name: str) -> Any:
    return registry.detector(name).build().module.network


# check_parity_cnn.py
lfm = partial(network, "lfm")
npr = partial(network, "npr")
cnndetection = partial(network, "cnndetection")
safe = partial(network, "safe")
freqnet = partial(network, "freqnet")
lgrad_d = StyleGANDiscriminator


def lgrad() -> Any:
    return network("lgrad").classifier


pre_lfm = partial(prepared, "lfm")
pre_npr = partial(prepared, "npr")
pre_cnndetection = partial(prepared, "cnndetection")
pre_safe = partial(prepared, "safe")
pre_freqnet = partial(prepared, "freqnet")
pre_lgrad_d = partial(prepared, "lgrad")

# check_parity_clip_xception.py
ojha = partial(Official, "ojha")
c2p_clip = partial(Official, "c2p_clip")
fatformer = partial(Official, "fatformer")
patchfor = partial(Official, "patchfor")
f3net = partial(Official, "f3net")
f3net_both = partial(Official, "f3net", local=True)
f3net_dfb = partial(Official, "f3net-dfb", exact=False)
sbi = partial(Official, "selfblended", exact=False)
ferretnet_s = partial(Official, "ferretnet")
ferretnet_b = partial(Official, "ferretnet", width=96)
rine_1class = partial(Official, "rine", depth=4)
rine_2class = partial(Official, "rine", depth=4, width=128)
rine_4class = partial(Official, "rine")
corvi2023 = partial(Official, "corvi2023")
ladeda = partial(Official, "ladeda", front="npr")
ladeda_two_thirds = partial(Official, "ladeda")
tiny_ladeda = partial(Official, "tiny-ladeda")
tiny_ladeda_right_diag = partial(Official, "tiny-ladeda", front="right_diag")
clipdet = partial(Official, "clipdet")
patchcraft = partial(FromViews, "patchcraft")
aide = partial(FromViews, "aide")
drct_convb = partial(Official, "drct")
drct_clip = partial(Official, "drct-clip")
dda = partial(Official, "dda")
bfree = partial(Official, "bfree")
effort = partial(Official, "effort")
effort_univfd = partial(Official, "effort-univfd")
