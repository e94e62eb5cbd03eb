"""Somebody's function as a detector: it runs in a process of its own (see ``host``)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.api import DetectorSpec
from harness.errors import CannotScoreError, DetectorError, UsageError
from harness.installed import ROOT
from harness.outside.declared import (
    CITATION,
    NOTES,
    Declared,
    Outsider,
    origin,
    score_spec,
    turned,
)
from harness.outside.host import TAKES
from harness.results.reservations import NOT_DETERMINISTIC

Scores = np.ndarray[Any, np.dtype[np.float64]]


class HostedFunction:
    """A process that has loaded a Python place.

    Args:
        place: a file or a module.
        name: in it, "" = its only DetectorSpec.

    Attributes:
        about: what the object said of itself.
        end: ends the process; it ends by itself when nobody holds this any more.

    Raises:
        UsageError: it cannot be loaded.
    """

    def __init__(self, place: str, name: str) -> None:
        self.text = f"{place}:{name}" if name else place
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.outside.host", place, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self.end = weakref.finalize(self, _end, self._process)
        self._lock = threading.Lock()
        self.about = self._answer()
        if "error" in self.about:
            raise UsageError(f"{self.text} cannot be loaded: {self.about['error']}")

    def call(self, takes: str, inputs: Sequence[Path | np.ndarray[Any, Any]]) -> Scores:
        """(N,) numbers for N paths or (H, W, 3) uint8 pictures, one call at a time.

        Raises:
            CannotScoreError: it raised on one of them, or gave no number.
            DetectorError: its process ended.
        """
        head = [
            {"path": str(each)}
            if isinstance(each, Path)
            else {"shape": each.shape, "bytes": each.nbytes}
            for each in inputs
        ]
        with self._lock:
            pipe = self._process.stdin
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # the answer says that it ended
                pipe.write(json.dumps({"takes": takes, "inputs": head}).encode() + b"\n")
                for each in inputs:
                    if not isinstance(each, Path):
                        pipe.write(each.tobytes())
                pipe.flush()
            results = self._answer()["results"]
        for index, result in enumerate(results):
            if "error" in result:
                raise CannotScoreError(index, result["error"])
        return np.array([result["value"] for result in results], np.float64)

    def _answer(self) -> dict[str, Any]:
        pipe = self._process.stdout
        assert pipe is not None
        line = pipe.readline()
        if not line:
            code = self._process.wait()
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            raise DetectorError(f"{self.text}: its process ended {how}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


@cache
def hosted(place: str, name: str, folder: Path) -> HostedFunction:
    """The process of a place, started once; ``folder`` is the current one."""
    return HostedFunction(place, name)


class _Function:
    """What both kinds have in common.

    Args:
        function: the process.
        said: what is declared of it, flags and attributes together.
    """

    def __init__(self, function: HostedFunction, said: Declared) -> None:
        self._function, self._said = function, said

    def call(self, inputs: Sequence[Any]) -> Scores:
        """Scores of N pictures or paths.

        Raises:
            DetectorError: it gave what is no probability, though it is declared to be one.
        """
        found = self._function.call(self._said.takes, inputs)
        for index, value in enumerate(found):
            if self._said.kind == "probability" and not 0 <= value <= 1 and np.isfinite(value):
                raise DetectorError(
                    f"{self._function.text} gave {value:g} for image {index + 1}: a probability "
                    "is between 0 and 1",
                    hint="divide percent by 100, or declare --kind uncalibrated --threshold NUMBER",
                )
        return turned(found, self._said.kind, self._said.lower_is_fake)


class PictureFunction(_Function):
    """A function of a PIL picture, or of a list of them."""

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], which are 8-bit values -> (N,)."""
        pixels = (images.cpu() * 255).round().to(torch.uint8).movedim(1, -1).contiguous()
        return torch.from_numpy(self.call(list(pixels.numpy())))


class PathFunction(_Function):
    """A function of a path, or of a list of them."""

    def score_files(self, files: Sequence[Path]) -> Scores:
        """N paths -> (N,)."""
        return self.call(list(files))


def function_detector(place: str, name: str, declared: Declared) -> Outsider | None:
    """A function as a detector; None where the name is a DetectorSpec.

    Raises:
        UsageError: it cannot be loaded, is nothing that can be called, or does not say what it
            takes or what its scores are.
    """
    function = hosted(place, name, Path.cwd())
    text, about = function.text, function.about
    if about["what"] == "spec":
        function.end()  # it runs in this process; that one is not needed
        return None
    if about["what"] != "function":
        raise UsageError(f"{text} is a {about['what']}, expected a function or a DetectorSpec")
    said = agreed(text, about["said"], declared)
    if said.takes not in TAKES:
        raise UsageError(
            f"{text}: does it take a path, a PIL picture (image), or a list of them?",
            hint=f"--takes {'|'.join(TAKES)}, or the function's attribute `takes`",
        )
    label = named("py", f"{Path(place).stem if place.endswith('.py') else place}-{name}")
    kind = PathFunction if said.takes.startswith("path") else PictureFunction
    spec = DetectorSpec(
        name=label,
        title=str(about["said"].get("title") or f"{Path(place).name}:{name}"),
        family="function",
        build=lambda: kind(function, said),
        score=score_spec(text, said),
        geometry={"*": "native"},
        citation=CITATION,
        notes=NOTES,
    )
    files = {Path(file).name: Path(file) for file in about["said"].get("files", ())}
    source = Path(about["source"]) if about["source"] else None
    if source is None:
        raise UsageError(
            f"{text} is written in no Python file, so nobody can tell one version of it from "
            "another",
            hint="write a function of its own in a file, which calls it",
        )
    detector = kind(function, said)
    known = (
        {}
        if files
        else {"not known": "other files that it reads; its attribute `files` names them"}
    )
    known[NOT_DETERMINISTIC] = _unsteady(detector)
    comes = origin(
        "function",
        text,
        {source.name: source, **files},
        {"takes": said.takes, "lower is fake": "yes" if said.lower_is_fake else ""},
        known,
    )
    return Outsider(spec=spec, origin=comes, declared=declared)


def _unsteady(detector: PictureFunction | PathFunction) -> str:
    """What it says of one picture twice, where that differs; "" where it does not."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    try:
        with tempfile.TemporaryDirectory(prefix="lfm-bench-") as folder:
            file = Path(folder) / "image.png"
            Image.fromarray(noise).save(file)
            given: list[Any] = [noise if isinstance(detector, PictureFunction) else file]
            first, second = (detector.call(given)[0] for _ in range(2))
    except DetectorError:  # it does not take this one; what it says of others is seen then
        return ""
    same = first == second or (np.isnan(first) and np.isnan(second))
    return "" if same else f"{first:g} and then {second:g} for one picture"


def agreed(text: str, said: Mapping[str, Any], declared: Declared) -> Declared:
    """Flags and attributes as one; UsageError where they differ."""
    found: dict[str, Any] = {}
    for name in ("kind", "threshold", "lower_is_fake", "takes"):
        flag, own = getattr(declared, name), said.get(name)
        if flag not in ("", None) and own not in ("", None) and flag != own:
            raise UsageError(
                f"{text}: --{name.replace('_', '-')} says {flag!r}, its own attribute {own!r}",
                hint="leave the flag out, or change the attribute",
            )
        if own not in ("", None) and flag in ("", None):
            found[name] = own
    return replace(declared, **found)


def named(kind: str, text: str) -> str:
    """A detector's name that is fit for a file's: ``py-mine-predict``."""
    safe = "".join(each if each.isalnum() or each in "._" else "-" for each in text.lower())
    return f"{kind}-{safe.strip('-.')}"
