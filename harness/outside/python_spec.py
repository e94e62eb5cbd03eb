"""A DetectorSpec that is written outside the project: in a file, a module, an installed package."""

from __future__ import annotations

import contextlib
import logging
import sys
from importlib import metadata
from pathlib import Path

from harness.api import DetectorSpec
from harness.errors import DetectorError, UsageError
from harness.outside.code import load, module_at
from harness.outside.declared import NOTHING, Declared, Outsider, origin

log = logging.getLogger(__name__)

GROUP = "lfm_bench.detectors"
"""The entry points by which an installed package offers detectors."""


def python_spec(place: str, name: str, declared: Declared) -> Outsider:
    """The spec that a place calls ``name``, or its only one.

    Raises:
        UsageError: it cannot be loaded, or flags declare what the spec says itself.
    """
    text = f"{place}:{name}" if name else place
    if declared != NOTHING:
        raise UsageError(
            f"{text} is a DetectorSpec, which says itself what its scores are",
            hint="leave out --kind, --threshold, --lower-is-fake, --takes and --fake-label",
        )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a module prints is no result
            spec = load(place, name)
            file = module_at(place).__file__
    except Exception as error:  # a module runs anything while it is imported
        raise UsageError(f"{text} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(spec, DetectorSpec):
        raise UsageError(f"{text} is a {type(spec).__name__}, expected a DetectorSpec")
    return _outsider(spec, text, file)


def _outsider(spec: DetectorSpec, text: str, file: str | None) -> Outsider:
    if file is None:
        raise UsageError(f"{text} is in no file, so nobody can tell one version of it from another")
    known = {"not known": "other files that it imports or reads, its weights excepted"}
    path = Path(file)
    return Outsider(spec=spec, origin=origin("spec", text, {path.name: path}, {}, known))


def entry_points() -> list[tuple[str, Outsider]]:
    """(where from, detector) of every installed package; one that cannot be loaded is said."""
    found = []
    for point in metadata.entry_points(group=GROUP):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package"
        origin_text = f"{package}: {point.value}"
        try:
            with contextlib.redirect_stdout(sys.stderr):
                spec = point.load()
            if not isinstance(spec, DetectorSpec):
                raise DetectorError(f"is a {type(spec).__name__}, expected a DetectorSpec")
            file = module_at(point.module).__file__
            found.append((origin_text, _outsider(spec, origin_text, file)))
        except Exception as error:  # somebody's package must not stop every command
            log.warning("%s is left out: %s: %s", origin_text, type(error).__name__, error)
    return found
