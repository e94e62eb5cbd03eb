"""The detectors: every module-level DetectorSpec found in ``lfm/`` and ``baselines/``.

A new detector is one new file and no edit elsewhere. Files whose name starts with ``_`` hold
parts that detectors share and are not scanned.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache

from harness import errors
from harness.api import DetectorSpec
from harness.installed import install_hint as install_hint

PACKAGES = ("lfm", "baselines")

EXTRAS = {"clip": "open_clip"}
"""Extra of pyproject.toml -> the module by which it is known to be installed."""


@cache
def detectors() -> dict[str, DetectorSpec]:
    """Name -> spec, sorted by name, with ``lfm`` first.

    Raises:
        DetectorError: two files register one name, or a file cannot be imported; names the files.
    """
    found = collect(_specs(PACKAGES))
    return dict(sorted(found.items(), key=lambda item: (item[0] != "lfm", item[0])))


def detector(name: str) -> DetectorSpec:
    """The spec registered under ``name``; an unknown name is a UsageError with a guess."""
    known = detectors()
    if name not in known:
        raise errors.unknown_name("detector", name, known)
    return known[name]


def missing_extra(spec: DetectorSpec) -> str:
    """The first extra that a detector needs and that is not installed, or ""."""
    needed = (extra for extra in spec.requires if extra in EXTRAS)
    return next((e for e in needed if importlib.util.find_spec(EXTRAS[e]) is None), "")


def require_extras(spec: DetectorSpec) -> None:
    """Raises UsageError naming the extra that a detector needs and that is not installed."""
    if extra := missing_extra(spec):
        raise errors.UsageError(
            f"{spec.name} needs the extra {extra!r}, which is not installed",
            hint=install_hint(extra),
        )


def usable(text: str) -> list[DetectorSpec]:
    """``a,b`` or ``all``: the named detectors, or all whose extras are installed.

    Raises:
        UsageError: an unknown name, or a named detector whose extra is not installed.
    """
    if text == "all":
        return [spec for spec in detectors().values() if not missing_extra(spec)]
    specs = [detector(name.strip()) for name in text.split(",")]
    for spec in specs:
        require_extras(spec)
    return specs


def collect(specs: Iterable[tuple[str, DetectorSpec]]) -> dict[str, DetectorSpec]:
    """(module, spec) pairs -> name -> spec; a name registered twice raises and names both."""
    found: dict[str, DetectorSpec] = {}
    origin: dict[str, str] = {}
    for module, spec in specs:
        if spec.name in found:
            raise errors.DetectorError(
                f"detector {spec.name!r} is registered twice: in {origin[spec.name]} and {module}",
                hint="rename one of the two",
            )
        found[spec.name], origin[spec.name] = spec, module
    return found


def _specs(packages: Iterable[str]) -> Iterator[tuple[str, DetectorSpec]]:
    for package in packages:
        folder = importlib.import_module(package)
        for info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda info: info.name):
            if info.name.startswith("_"):
                continue
            name = f"{package}.{info.name}"
            try:
                module = importlib.import_module(name)
            except Exception as error:
                raise errors.DetectorError(
                    f"detector file {name} cannot be imported: {type(error).__name__}: {error}",
                    hint=f'python -c "import {name}"',
                ) from error
            for value in vars(module).values():
                if isinstance(value, DetectorSpec):
                    yield name, value
