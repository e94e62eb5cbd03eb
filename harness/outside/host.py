"""The program in which somebody's function runs: nothing that it does reaches the harness.

It may print, change its working directory, set seeds or end its process. The harness starts it as
``python -m harness.outside.host PLACE NAME`` and talks to it over its standard input and output;
what the function prints goes to the standard error. Imports nothing of ours but the loading.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.outside.code import load, source_of

ATTRIBUTES = ("kind", "threshold", "lower_is_fake", "takes", "files", "title")
"""What a function may say of itself."""
_told: list[Exception] = []
TAKES = ("path", "image", "paths", "images")


def described(value: Any) -> dict[str, Any]:
    """What an object says of itself, as data."""
    if type(value).__name__ == "DetectorSpec":
        return {"what": "spec"}
    if not callable(value):
        return {"what": type(value).__name__}
    said = {name: getattr(value, name) for name in ATTRIBUTES if hasattr(value, name)}
    if "files" in said:
        said["files"] = [str(file) for file in said["files"]]
    return {"what": "function", "source": str(source_of(value) or ""), "said": said}


class Caller:
    """Calls a function with what it takes.

    Args:
        function: somebody's.
        takes: one of :data:`TAKES`.
    """

    def __init__(self, function: Callable[[Any], Any], takes: str) -> None:
        self.function, self.takes = function, takes
        self.folder = Path.cwd()

    def results(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """For each input its ``value`` or why there is none."""
        if self.takes in ("path", "image"):
            return [self._one(each) for each in inputs]
        try:
            values = [number(value) for value in self._call(list(inputs))]
            if len(values) != len(inputs):
                raise ValueError(f"gave {len(values)} numbers for {len(inputs)} images")
            return [{"value": value} for value in values]
        except Exception as error:
            if len(inputs) == 1:
                return [failed(error)]
            return [result for each in inputs for result in self.results([each])]

    def _one(self, given: Any) -> dict[str, Any]:
        try:
            return {"value": number(self._call(given))}
        except Exception as error:
            return failed(error)

    def _call(self, given: Any) -> Any:
        try:
            return self.function(given)
        finally:
            os.chdir(self.folder)  # a path that it reads next time means what it meant


def number(value: Any) -> float:
    """A float, or anything of one element (an array, a tensor).

    Raises:
        TypeError, ValueError: it is neither.
    """
    if isinstance(value, (str, bytes, bool)) or value is None:
        raise TypeError(f"gave {value!r}, expected a number")
    return float(value.item() if hasattr(value, "item") else value)


def failed(error: Exception) -> dict[str, Any]:
    """An exception as an answer; the first one's traceback goes to the standard error."""
    if not _told:
        traceback.print_exception(error)
        _told.append(error)
    return {"error": f"{type(error).__name__}: {error}"}


def picture(data: bytes, shape: Sequence[int]) -> Any:
    """(H, W, 3) uint8 as a PIL picture."""
    from PIL import Image

    return Image.fromarray(np.frombuffer(data, np.uint8).reshape(shape))


def serve(requests: IO[bytes], answers: IO[bytes], place: str, name: str) -> None:
    """Loads, describes and then calls until nobody asks any more."""
    try:
        value = load(place, name)
    except BaseException as error:  # whatever a module does while it is imported
        if isinstance(error, Exception):
            traceback.print_exception(error)
        return _say(answers, {"error": f"{type(error).__name__}: {error}"})
    _say(answers, described(value))
    caller: Caller | None = None
    while line := requests.readline():
        asked = json.loads(line)
        caller = caller or Caller(value, asked["takes"])
        caller.takes = asked["takes"]
        inputs: list[Any] = []
        for each in asked["inputs"]:
            if "path" in each:
                inputs.append(each["path"])
            else:
                inputs.append(picture(requests.read(each["bytes"]), each["shape"]))
        _say(answers, {"results": caller.results(inputs)})
    return None


def _say(answers: IO[bytes], what: dict[str, Any]) -> None:
    answers.write(json.dumps(what).encode() + b"\n")
    answers.flush()


def main() -> None:
    """Keeps the standard output for answers, and gives the function the standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the harness, which ends this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), line_buffering=True)
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    serve(requests, answers, sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    main()
