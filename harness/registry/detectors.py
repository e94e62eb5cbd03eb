"""The detectors: every module-level DetectorSpec found in ``lfm/`` and ``baselines/``.

A new detector is one new file and no edit elsewhere. Files whose name starts with ``_`` hold
parts that detectors share and are not scanned. Beside them stand those of installed packages, and
those that were named by where they lie (:mod:`harness.outside`).
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
from harness.outside.declared import NOTHING, Declared, Outsider
from harness.outside.find import outsider
from harness.outside.python_spec import entry_points
from harness.results.records import Origin

PACKAGES = ("lfm", "baselines")

EXTRAS = {"clip": "open_clip"}
"""Extra of pyproject.toml -> the module by which it is known to be installed."""


@cache
def detectors() -> dict[str, DetectorSpec]:
    """Name -> spec, sorted by name, with ``lfm`` first.

    Raises:
        DetectorError: two files register one name, or a file cannot be imported; names the files.
    """
    installed = entry_points()
    found = collect([*_specs(PACKAGES), *((where, each.spec) for where, each in installed)])
    _outsiders.update({each.spec.name: each for _, each in installed})
    return dict(sorted(found.items(), key=lambda item: (item[0] != "lfm", item[0])))


_outsiders: dict[str, Outsider] = {}
"""Those from elsewhere that this process knows, by name."""


def detector(name: str) -> DetectorSpec:
    """The spec registered under ``name``; an unknown name is a UsageError with a guess."""
    known = {**{n: each.spec for n, each in _outsiders.items()}, **detectors()}
    if name not in known:
        raise errors.unknown_name("detector", name, known)
    return known[name]


def named(text: str, declared: Declared = NOTHING) -> tuple[DetectorSpec, str]:
    """What one entry of ``--method`` names: a detector, and which of its weights.

    Args:
        text: ``name``, ``name:WEIGHTS``, or a place (:mod:`harness.outside.find`).
        declared: what the flags say of one that is named by its place.

    Raises:
        HarnessError: there is none, it cannot be had, or its name is taken.
    """
    name, _, token = text.partition(":")
    if name in detectors():
        return detectors()[name], token
    found = outsider(text, declared)
    if found is None:
        return detector(name), token
    there, token = found
    known = _outsiders.get(there.spec.name, there)
    if there.spec.name in detectors() or known.origin.place != there.origin.place:
        taken = "a registered detector" if known is there else known.origin.place
        raise errors.UsageError(
            f"{text}: its name {there.spec.name!r} is that of {taken}", hint="rename one of the two"
        )
    _outsiders[there.spec.name] = there
    return there.spec, token


def origin(spec: DetectorSpec) -> Origin | None:
    """Where a detector comes from that is no part of this project; None for one that is."""
    found = _outsiders.get(spec.name)
    return found.origin if found and found.spec is spec else None


def declared(spec: DetectorSpec) -> Declared:
    """What the flags said of a detector from elsewhere."""
    return _outsiders[spec.name].declared if origin(spec) else NOTHING


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
    """``a,b`` or ``all``: the named detectors or places, or all whose extras are installed.

    Raises:
        UsageError: an unknown name, or a named detector whose extra is not installed.
    """
    if text == "all":
        return [spec for spec in detectors().values() if not missing_extra(spec)]
    specs = [_without_token(name.strip()) for name in text.split(",")]
    for spec in specs:
        require_extras(spec)
    return specs


def _without_token(text: str) -> DetectorSpec:
    spec, token = named(text)
    if token:
        raise errors.unknown_name("detector", text, detectors())
    return spec


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
