"""Who may import whom: the floors of ``tests/architecture.py``, kept true by reading the source."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.architecture import (
    BUILDER,
    CHECKOUT,
    CONTRIBUTING,
    FLOORS,
    OURS,
    floor_of,
    imports,
    modules,
    room_of,
    written,
)

EVERY = pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
NO_TORCH = ("harness.metrics", "harness.results", "harness.report", "harness.figures")
PAGES_AND_TABLES = ("harness.report", "harness.figures", "harness.site")
FOR_DETECTORS = {
    "lfm": ("lfm", "harness.api"),
    "baselines": ("baselines._", "lfm.network", "lfm.detector", "lfm.pooling", "harness.api"),
}


def is_ours(name: str) -> bool:
    return name.split(".")[0] in OURS and "." in name


def test_every_room_is_on_one_floor() -> None:
    rooms = [room for floor in FLOORS for room in floor]
    assert len(set(rooms)) == len(rooms)
    assert {room_of(module) for module, _ in modules()} - {"harness"} == set(rooms) - {"harness"}


@EVERY
def test_nothing_is_imported_upwards_or_sideways(module: str, path: Path) -> None:
    mine = room_of(module)
    if mine == "harness":
        # Its calls, when they are asked for (tests/test_python.py: importing it is quick).
        assert {room_of(name) for name in filter(is_ours, imports(path))} == {"harness.python"}
        return
    for name in filter(is_ours, imports(path)):
        theirs = room_of(name)
        if theirs != mine:
            assert floor_of(theirs) > floor_of(mine), f"{module} imports {name}"


@EVERY
def test_detectors_see_the_interface_and_their_shared_parts_only(module: str, path: Path) -> None:
    allowed = FOR_DETECTORS.get(room_of(module))
    for name in filter(is_ours, imports(path)):
        if allowed is not None:
            assert name.startswith(allowed), f"{module} imports {name}"
        elif room_of(module) != "harness":  # detectors are reached by name
            assert name.split(".")[0] == "harness", f"{module} imports {name}"


@EVERY
def test_torch_and_tables_stay_where_they_belong(module: str, path: Path) -> None:
    names = imports(path)
    if module.startswith((*NO_TORCH, "harness.errors")):
        assert not {name for name in names if name.split(".")[0] in ("torch", "torchvision")}
    if room_of(module) in ("harness.evaluation", "harness.training", "harness.engine"):
        assert not {name for name in names if name.startswith(PAGES_AND_TABLES)}


def test_no_two_public_classes_of_one_name() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for module, path in modules():
        if room_of(module) != BUILDER:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(module)
    assert not {name: places for name, places in found.items() if len(places) > 1}


def test_contributing_shows_the_rooms() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    assert text == written(text), "python -m tests.architecture writes the table anew"


def test_tables_folder_holds_no_python() -> None:
    assert not list((CHECKOUT / "tables").rglob("*.py"))


@EVERY
def test_files_stay_small(module: str, path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, module
    assert path.stem not in ("utils", "helpers", "common"), module


@EVERY
def test_functions_stay_small(module: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{module}.{node.name}"
