"""A timm backbone with one or two outputs: ``timm:NAME`` and ``--weights FILE``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from harness.api import DetectorSpec, ScoreSpec, TorchDetector
from harness.api.torchvision import ensure_torchvision
from harness.errors import UsageError, unknown_name
from harness.outside.declared import CITATION, NOTES, Declared, Outsider, origin
from harness.outside.function import named

_RESIZE = {"bilinear": "resize", "bicubic": "resize_bicubic", "lanczos": "resize_lanczos"}


class BackboneDetector(TorchDetector):
    """A network of timm whose outputs the checkpoint decides.

    Args:
        name: of timm.
        fake: number of the output that means fake where there are two; None = not declared.
        settings: of its input, as timm states them.
    """

    def __init__(self, name: str, fake: int | None, settings: Mapping[str, Any]) -> None:
        network: Any = _timm().create_model(name, pretrained=False, num_classes=1)
        super().__init__(network, mean=settings["mean"], std=settings["std"])
        self._name, self._fake, self._backbone = name, fake, network
        self._two = False
        tokens = hasattr(network, "patch_embed") or hasattr(network, "cls_token")
        self.no_places = "its network is a transformer, which scores tokens" if tokens else ""

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) logits of fake."""
        logits: Tensor = self.module(images)
        if not self._two:
            return logits.flatten()
        fake = self._fake or 0
        return logits[:, fake] - logits[:, 1 - fake]

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly, after the head has got as many outputs as the checkpoint has.

        Raises:
            RuntimeError: names or shapes differ.
            UsageError: it has neither one nor two outputs, or nobody says which of two is fake.
        """
        head = _head(self._backbone, self.network)
        weight = state.get(f"{head}.weight")
        if weight is not None and len(weight) != 1:
            if len(weight) != 2:
                raise UsageError(
                    f"timm:{self._name}: the checkpoint has {len(weight)} outputs, expected 1 or 2"
                )
            if self._fake is None:
                raise UsageError(
                    f"timm:{self._name}: the checkpoint has two outputs; which one means fake?",
                    hint="--fake-label 1 (or 0)",
                )
            self._backbone.reset_classifier(2)
            self._two = True
        super().load_state_dict(state)


def backbone_detector(name: str, declared: Declared) -> Outsider:
    """What ``timm:`` names.

    Raises:
        UsageError: timm has no such network, or a flag says what cannot be.
    """
    text, timm = f"timm:{name}", _timm()
    if not timm.is_model(name):
        raise unknown_name("network of timm", name, timm.list_models(f"*{name[:4]}*"))
    if declared.kind not in ("", "logit") or declared.takes or declared.lower_is_fake:
        raise UsageError(
            f"{text}: its score is a logit, larger = more fake",
            hint="which of two outputs is fake says --fake-label 0 or 1; leave out --kind, --takes "
            "and --lower-is-fake",
        )
    if declared.fake_label not in ("", "0", "1"):
        raise UsageError(f"{text}: --fake-label {declared.fake_label!r}, expected 0 or 1")
    fake = int(declared.fake_label) if declared.fake_label else None
    known = timm.models.get_pretrained_cfg(name)
    settings = timm.data.resolve_data_config({}, pretrained_cfg=known.to_dict() if known else {})
    height, width = settings["input_size"][1:]
    spec = DetectorSpec(
        name=named("timm", name),
        title=name,
        family="timm",
        build=lambda: BackboneDetector(name, fake, settings),
        score=ScoreSpec(kind="logit", threshold=declared.threshold or 0.0, published_ap="ap"),
        geometry={"*": _geometry(settings)},
        evaluation_size=(height, width),
        takes_weights=True,
        citation=CITATION,
        notes=NOTES,
    )
    deciding = {"fake": declared.fake_label, "timm": timm.__version__}
    return Outsider(spec=spec, origin=origin("timm", text, {}, deciding), declared=declared)


def _geometry(settings: Mapping[str, Any]) -> str:
    """timm's evaluation transform as a preprocess text."""
    height, width = settings["input_size"][1:]
    resize = _RESIZE.get(settings["interpolation"])
    if resize is None or settings["crop_mode"] != "center":
        raise UsageError(
            f"timm evaluates it with {settings['interpolation']} and crop {settings['crop_mode']}, "
            "which has no preprocess text here",
            hint="write it as a DetectorSpec (docs/extending.md)",
        )
    if height != width:
        return f"{resize}({height},{width})"
    return f"{resize}({math.floor(height / settings['crop_pct'])})|center_crop({height})"


def _head(backbone: Any, network: nn.Module) -> str:
    """The name of the last linear layer."""
    head = backbone.get_classifier()
    return next(str(name) for name, module in network.named_modules() if module is head)


def _timm() -> Any:
    ensure_torchvision()
    import timm.data

    return timm
