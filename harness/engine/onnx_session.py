"""A detector as an ONNX Runtime session (extra ``onnx``)."""

from __future__ import annotations

import importlib
import warnings
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from harness.engine.folded import ScoreFunction
from harness.errors import UsageError
from harness.installed import install_hint

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What the extra ``onnx`` installs."""


def installed() -> bool:
    """Whether the extra's packages are there; imports none of them."""
    return all(map(find_spec, PACKAGES))


def require() -> None:
    """Imports the extra's packages.

    Raises:
        UsageError: one is not installed.
    """
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UsageError(
                f"runtime onnxruntime needs the package {name}, which is not installed",
                hint=install_hint("onnx"),
            ) from error


class _ScoreModule(nn.Module):
    """A detector's ``score`` as the module that the exporter wants."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.module = detector.module
        self._score = detector.score

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self._score(images)
        return scores


def session(eager: Any, examples: list[Tensor]) -> ScoreFunction:
    """The detector as a session with one intra-op thread a call, which threads may share."""
    import onnxruntime

    # A network that takes one size only is exported for that size.
    axes = (0, 2, 3) if len(examples) > 1 else (0,)
    dynamic = dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _ScoreModule(eager).eval(),
            (examples[0],),
            input_names=["images"],
            output_names=["scores"],
            dynamic_shapes=(dynamic,),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    running = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def call(images: Tensor) -> Tensor:
        (scores,) = running.run(None, {"images": images.contiguous().numpy()})
        return torch.from_numpy(scores)

    return call
