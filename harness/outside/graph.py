"""An ONNX graph with a TOML beside it: ``onnx:FILE`` (``model.onnx`` and ``model.toml``)."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from harness.api import DetectorSpec, InputRule, ScoreSpec
from harness.data.hashing import file_state
from harness.data.preprocess import parse
from harness.errors import DataError, UsageError, WeightsError
from harness.installed import install_hint
from harness.outside.declared import BETWEEN, CITATION, NOTES, NOTHING, Declared, Kind, Outsider
from harness.outside.declared import origin as origin_of
from harness.outside.function import named
from harness.toml import tomllib

EXAMPLE = """
preprocess = "resize(224,224)"   # as --preprocess takes it; "native" for any size
mean = [0.485, 0.456, 0.406]     # of RGB in [0, 1]
std = [0.229, 0.224, 0.225]
layout = "NCHW"                  # or "NHWC"
fake = 1                         # the output that means fake
kind = "logit"                   # of that output: logit, probability, uncalibrated
threshold = 0.0                  # on the scale of the score
"""


@dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """What the TOML says.

    Args:
        preprocess: how an image gets its size; a preprocess text.
        mean, std: of the normalisation, RGB in [0, 1].
        layout: ``NCHW`` or ``NHWC``.
        fake: number of the output that means fake.
        kind: of the score: ``logit``: with two outputs or more they are logits of a softmax, and
            the score is the logit of fake; ``probability`` or ``uncalibrated``: that output itself.
        threshold: on the scale of the score.
    """

    preprocess: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: str
    fake: int
    kind: Kind
    threshold: float


class GraphDetector:
    """A graph as ONNX Runtime runs it, on the CPU.

    Args:
        file: the graph.
        facts: what it wants and gives.
    """

    def __init__(self, file: Path, facts: GraphFacts) -> None:
        self._session = _session(file)
        self._facts = facts
        self._single = _takes_one(self._session)
        self._lock = threading.Lock()

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,)."""
        about = (self._facts.mean, self._facts.std)
        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in about)
        pixels = ((images.cpu() - mean) / std).numpy()
        if self._facts.layout == "NHWC":
            pixels = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
        name = self._session.get_inputs()[0].name
        parts = [pixels[n : n + 1] for n in range(len(pixels))] if self._single else [pixels]
        found = [self._session.run(None, {name: part})[0] for part in parts]
        return self._score(torch.from_numpy(np.concatenate(found)).reshape(len(pixels), -1))

    def _score(self, outputs: Tensor) -> Tensor:
        fake, count = self._facts.fake, outputs.shape[1]
        if fake >= count:
            raise UsageError(
                f"the graph has {count} outputs, its TOML says fake = {fake}",
                hint="outputs are numbered from 0",
            )
        chosen = outputs[:, fake]
        if self._facts.kind == "logit" and count > 1:
            others = [n for n in range(count) if n != fake]
            return chosen - torch.logsumexp(outputs[:, others], 1)
        return chosen


def graph_detector(place: str, declared: Declared) -> Outsider:
    """What ``onnx:`` names.

    Raises:
        UsageError: the extra is missing, or the TOML is wrong.
        DataError: the graph or its TOML is not there.
    """
    _runtime()
    text, file = f"onnx:{place}", Path(place).expanduser()
    toml = file.with_suffix(".toml")
    if declared != NOTHING:
        raise UsageError(
            f"{text}: {toml.name} says what its scores are", hint="leave the flags out"
        )
    if not file.is_file():
        raise DataError(f"{text}: there is no such file")
    if not toml.is_file():
        raise DataError(
            f"{text}: beside it there is no {toml.name}, which says what it wants and gives",
            hint=f"for example:{EXAMPLE}",
        )
    facts = read_facts(toml)
    file, outside = file.resolve(), [*file.resolve().parent.glob(f"{file.name}.data")]
    spec = DetectorSpec(
        name=named("onnx", file.stem),
        title=file.stem,
        family="onnx",
        build=lambda: GraphDetector(file, facts),
        score=ScoreSpec(kind=facts.kind, threshold=facts.threshold, published_ap="ap"),
        geometry={"*": facts.preprocess},
        input_rule=_input_rule(file, facts),
        citation=CITATION,
        notes=NOTES,
    )
    comes = origin_of("onnx", text, {f.name: f for f in (file, toml, *outside)}, {})
    return Outsider(spec=spec, origin=comes, declared=declared)


def read_facts(toml: Path) -> GraphFacts:
    """Reads the TOML beside a graph.

    Raises:
        UsageError: an entry is absent, unknown or wrong.
    """
    try:
        said = tomllib.loads(toml.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{toml}: no TOML: {error}", hint=f"for example:{EXAMPLE}") from error
    known = list(GraphFacts.__dataclass_fields__)
    wrong = sorted(said.keys() ^ set(known))
    if isinstance(said.get("kind"), str) and "threshold" in wrong and said["kind"] in BETWEEN:
        said["threshold"] = BETWEEN[said["kind"]]
        wrong.remove("threshold")
    problem = f"absent or unknown: {', '.join(wrong)}" if wrong else _problem(said)
    if problem:
        raise UsageError(f"{toml}: {problem}", hint=f"it has these entries:{EXAMPLE}")
    parse(said["preprocess"])
    return GraphFacts(**{**said, "mean": tuple(said["mean"]), "std": tuple(said["std"])})


def _problem(said: dict[str, Any]) -> str:
    """The first thing that is wrong with a TOML's entries, or ""."""
    for name in ("mean", "std"):
        value = said[name]
        if not (isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))):
            return f"{name} = {value!r}, expected three numbers"
    if not all(said["std"]):
        return "std has a 0"
    if said["layout"] not in ("NCHW", "NHWC"):
        return f"layout = {said['layout']!r}, expected NCHW or NHWC"
    if said["kind"] not in get_args(Kind):
        return f"kind = {said['kind']!r}, expected {', '.join(get_args(Kind))}"
    if not isinstance(said["fake"], int) or said["fake"] < 0:
        return f"fake = {said['fake']!r}, expected the number of an output"
    if not _is_number(said["threshold"]):
        return f"threshold = {said['threshold']!r}, expected a number"
    return "" if isinstance(said["preprocess"], str) else "preprocess is no text"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _input_rule(file: Path, facts: GraphFacts) -> InputRule:
    """The sizes that the graph declares; one that is left open takes any."""
    shape = _session(file).get_inputs()[0].shape
    if len(shape) != 4:
        raise UsageError(f"{file}: its input is {shape}, expected (N, 3, H, W) or (N, H, W, 3)")
    sides = shape[2:] if facts.layout == "NCHW" else shape[1:3]
    channels = shape[1] if facts.layout == "NCHW" else shape[3]
    if isinstance(channels, int) and channels != 3:
        raise UsageError(f"{file}: it takes {channels} channels, expected 3: is it {facts.layout}?")
    height, width = (side if isinstance(side, int) else 0 for side in sides)
    if not height or not width:
        return InputRule()

    def check(rows: int, columns: int) -> str:
        fits = (rows, columns) == (height, width)
        return "" if fits else f"the graph takes {height}x{width} (height x width)"

    return InputRule(smallest=(height, width), check=check)


def _session(file: Path) -> Any:
    """A graph as ONNX Runtime runs it; several threads may run it.

    Raises:
        WeightsError: it is none.
    """
    return _loaded(file, file_state(file))


@cache
def _loaded(file: Path, state: str) -> Any:
    """Loaded once for each state of the file."""
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # images are scored side by side
    try:
        return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has a type of its own for everything
        raise WeightsError(f"{file}: ONNX Runtime cannot load it: {error}") from error


def _takes_one(session: Any) -> bool:
    """Whether the graph takes one image at a time."""
    return bool(session.get_inputs()[0].shape[0] == 1)


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise UsageError(
            "onnx: needs the extra 'onnx', which is not installed",
            hint=install_hint("onnx"),
        ) from error
