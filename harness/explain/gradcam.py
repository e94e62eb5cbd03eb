"""Grad-CAM of any detector that is one torch network, by captum (extra ``explain``).

Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization, ICCV 2017, arXiv 1610.02391. A channel's weight is the mean over cells of the score's
gradient; the map is the weighted sum of the channels. The sign is kept here, where the paper cuts
off below zero: what is negative speaks for real.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from harness.api import Detector, HasModule, HasNoPlaces
from harness.errors import UsageError, unknown_name
from harness.registry import detectors as registry

EXTRA = "explain"


class NoMapError(UsageError):
    """A detector that offers no map of the picture; the message says why."""


@runtime_checkable
class NetworkDetector(Detector, HasModule, Protocol):
    """What Grad-CAM needs: a score that is computed by a torch network."""


def grad_cam(detector: Detector, images: Tensor, layer: str = "") -> tuple[Tensor, str]:
    """Signed Grad-CAM of the score at a layer.

    Args:
        detector: with weights, its module in eval mode.
        images: (N, 3, H, W) in [0, 1], on the module's device.
        layer: a name in ``detector.module.named_modules()``; "" takes :func:`last_map`.

    Returns:
        (N, h, w) on the same device, positive = evidence for fake, and the layer's name.

    Raises:
        NoMapError: the detector or the layer has no map of the picture.
        UsageError: an unknown layer, or the extra is not installed.
    """
    network = _with_places(detector)
    attribution = layer_grad_cam()
    maps = spatial_layers(network, images)
    if layer and layer not in maps:
        raise _no_such_map(network.module, layer, maps)
    if not maps:
        raise NoMapError("it offers no map of the picture: no layer puts one out")
    name = layer or next(reversed(maps))
    module = network.module.get_submodule(name)
    cam: Tensor = attribution(network.score, module).attribute(images.clone().requires_grad_())
    return cam[:, 0].detach(), name


def spatial_layers(detector: NetworkDetector, images: Tensor) -> dict[str, tuple[int, int]]:
    """The layers that put out maps on which the score depends, found by running hooks once.

    Args:
        detector: in eval mode.
        images: (N, 3, H, W) in [0, 1].

    Returns:
        Name -> (h, w), in the order in which they finish; the whole network is no layer of itself.
    """
    outputs: dict[str, Tensor] = {}
    whole = {"", "network"}  # the second is how TorchDetector names it

    def keep(name: str, output: object) -> None:
        if isinstance(output, Tensor) and _is_map(output, len(images)):
            outputs.pop(name, None)  # run more than once: it stands where it finished last
            outputs[name] = output

    hooks = [
        module.register_forward_hook(lambda _m, _i, output, name=name: keep(name, output))
        for name, module in detector.module.named_modules()
        if name not in whole
    ]
    try:
        with torch.enable_grad():
            score = detector.score(images.clone().requires_grad_()).sum()
    finally:
        for hook in hooks:
            hook.remove()
    reached = _reached(score, list(outputs.values()))
    return {
        name: (int(output.shape[2]), int(output.shape[3]))
        for (name, output), on_the_way in zip(outputs.items(), reached, strict=True)
        if on_the_way
    }


def _is_map(output: Tensor, count: int) -> bool:
    """Whether it is (N, C, h > 1, w > 1) with a gradient."""
    return (
        output.dim() == 4
        and output.shape[0] == count
        and min(output.shape[2:]) > 1
        and output.requires_grad
    )


def _reached(score: Tensor, outputs: list[Tensor]) -> list[bool]:
    if not outputs or not score.requires_grad:
        return [False] * len(outputs)
    slopes = torch.autograd.grad(score, outputs, allow_unused=True)
    return [slope is not None for slope in slopes]


def _with_places(detector: Detector) -> NetworkDetector:
    if not isinstance(detector, NetworkDetector):
        raise NoMapError("it offers no map of the picture: it is no torch network")
    if isinstance(detector, HasNoPlaces) and detector.no_places:
        raise NoMapError(f"it offers no map of the picture: {detector.no_places}")
    return detector


def _no_such_map(module: nn.Module, layer: str, maps: dict[str, tuple[int, int]]) -> UsageError:
    if layer in dict(module.named_modules()):
        return NoMapError(
            f"layer {layer!r} puts out no map of the picture on the way to the score",
            hint=f"layers that do: {', '.join(maps)}",
        )
    return unknown_name("layer", layer, maps)


def layer_grad_cam() -> Any:
    """captum's class; an extra, imported when it is needed.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module("captum.attr").LayerGradCam
    except ImportError as error:
        raise UsageError(
            f"Grad-CAM needs the extra {EXTRA!r} (captum), which is not installed",
            hint=registry.install_hint(EXTRA),
        ) from error
