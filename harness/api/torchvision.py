"""Imports torchvision where its compiled operators do not fit the installed torch.

PyPI's torchvision for Linux is built for CUDA. Next to a CPU-only torch its ``_C.so`` cannot be
loaded; torchvision tolerates that, except that it then registers shape functions for operators
(``torchvision::nms``, ``torchvision::qnms``) that do not exist, and the whole import fails. What
this project uses of torchvision (network definitions, transforms) is plain Python.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch.library

_NAMESPACE = "torchvision::"


def ensure_torchvision() -> None:
    """Imports torchvision, with or without its compiled operators.

    Call it before ``import torchvision`` or ``import timm``. Where the operators load, the import
    is the ordinary one. Where they do not, everything but them works (``torchvision.ops.nms`` and
    its like raise when called). Any other failure of the import is raised unchanged.
    """
    if "torchvision" in sys.modules:
        return
    register_fake = torch.library.register_fake

    def register_existing(op: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(op, str) and op.startswith(_NAMESPACE) and not _exists(op):
            return _unchanged
        return register_fake(op, *args, **kwargs)

    with mock.patch.object(torch.library, "register_fake", register_existing):
        import torchvision  # noqa: F401


def _exists(qualified: str) -> bool:
    return hasattr(torch.ops.torchvision, qualified.removeprefix(_NAMESPACE))


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
