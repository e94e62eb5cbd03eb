"""From what is typed after ``--method`` to a detector that is no part of this project.

- ``path/to/mine.py`` or ``package.module:NAME``: a DetectorSpec, or a function;
- ``hf:OWNER/NAME[@REVISION]``, ``hf:FOLDER``: an image classifier of transformers;
- ``onnx:FILE``: a graph, with a TOML beside it;
- ``timm:NAME``: a backbone, with ``--weights FILE``.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from harness.errors import UsageError
from harness.outside.declared import NOTHING, Declared, Outsider

_FILE = re.compile(r"(?P<place>.+?\.py)(?::(?P<name>[A-Za-z_]\w*))?(?::(?P<weights>.+))?")
_MODULE = re.compile(r"(?P<place>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)(?::(?P<weights>.+))?")


def outsider(text: str, declared: Declared = NOTHING) -> tuple[Outsider, str] | None:
    """The detector, and which weights; None for a text of none of these forms.

    Args:
        text: one entry of ``--method``.
        declared: what the flags say of it.

    Raises:
        HarnessError: it is of one of these forms, and cannot be had.
    """
    kind, _, place = text.partition(":")
    if kind in ("hf", "onnx", "timm"):
        if not place:
            raise UsageError(f"--method {text!r}: nothing after {kind}:")
        return _opened(text, declared, Path.cwd()), ""
    found = _FILE.fullmatch(text) or _MODULE.fullmatch(text)
    if found is None:
        return None
    if not found["place"].endswith(".py") and not _is_module(found["place"]):
        return None
    bare = ":".join(filter(None, (found["place"], found["name"])))
    return _opened(bare, declared, Path.cwd()), found["weights"] or ""


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None or Path(f"{name}.py").exists()
    except (ImportError, ValueError):
        return (Path.cwd() / name.replace(".", "/")).with_suffix(".py").exists()


@cache
def _opened(text: str, declared: Declared, folder: Path) -> Outsider:
    """Each is opened once; ``folder`` is the current one, where relative places begin."""
    kind, _, place = text.partition(":")
    if kind in ("hf", "onnx", "timm"):
        return _opener(kind)(place, declared)
    from harness.outside.function import function_detector
    from harness.outside.python_spec import python_spec

    match = _FILE.fullmatch(text) or _MODULE.fullmatch(text)
    assert match is not None
    place, name = match["place"], match["name"] or ""
    return function_detector(place, name, declared) or python_spec(place, name, declared)


def _opener(kind: str) -> Callable[[str, Declared], Outsider]:
    """Imported where it is used: each of these libraries takes a second."""
    if kind == "hf":
        from harness.outside.hub import hub_detector

        return hub_detector
    if kind == "onnx":
        from harness.outside.graph import graph_detector

        return graph_detector
    from harness.outside.backbone import backbone_detector

    return backbone_detector
