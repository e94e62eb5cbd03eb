"""Python places: ``path/to/mine.py`` and ``package.module``, and names in them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def module_at(place: str) -> ModuleType:
    """Imports a file, or a module by its dotted name, the current folder's included.

    Raises:
        ImportError: there is none. What the module itself raises comes through.
    """
    if not place.endswith(".py"):
        if str(Path.cwd()) not in sys.path:  # first, as python -m has it
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        raise ImportError(f"there is no file {place}")
    # A name of its own: two files called mine.py are two modules.
    name = f"_outside_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:  # what lies beside it can be imported by it
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load(place: str, name: str) -> Any:
    """What a place calls ``name``; with "" its only DetectorSpec.

    Raises:
        AttributeError: it has nothing of that name, or none or several specs.
    """
    module = module_at(place)
    if name:
        if not hasattr(module, name):
            public = [each for each in vars(module) if not each.startswith("_")] or ["nothing"]
            raise AttributeError(f"{place} has no {name!r}; it has {', '.join(public)}")
        return getattr(module, name)
    found = [n for n, value in vars(module).items() if type(value).__name__ == "DetectorSpec"]
    if len(found) != 1:
        raise AttributeError(
            f"{place} has {len(found) or 'no'} DetectorSpec"
            + (f"s ({', '.join(found)}): say {place}:NAME" if found else f": say {place}:FUNCTION")
        )
    return getattr(module, found[0])


def source_of(value: Any) -> Path | None:
    """The file in which a function or an instance's class is written; None where nobody knows."""
    for each in (inspect.unwrap(value) if callable(value) else value, type(value)):
        try:
            return Path(inspect.getfile(each)).resolve()
        except TypeError:
            continue
    return None
