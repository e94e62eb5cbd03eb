"""Who may import whom (DESIGN's table), kept true by reading the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
OURS = ("harness", "lfm", "baselines")

# Longest prefix wins. What a module may import of ours, by prefix; "" = nothing.
ALLOWED: dict[str, tuple[str, ...]] = {
    "harness.errors": (),
    "harness.api": ("harness.api",),
    "harness.allocator": (),
    "harness.torchvision_cpu": (),
    "harness.env": ("harness.errors",),
    "harness.metrics": ("harness.metrics",),
    "harness.results": ("harness.results", "harness.errors"),
    "harness.report": (
        "harness.report",
        "harness.metrics",
        "harness.predict",  # kept scores have one reader
        "harness.results",
        "harness.errors",
    ),
    "harness.figures": (
        "harness.figures",
        "harness.metrics",
        "harness.report",
        "harness.results",
        "harness.errors",
    ),
    "harness.data": ("harness.data", "harness.errors", "harness.api"),
    "harness.suites": ("harness.data", "harness.suites", "harness.errors", "harness.api"),
    "lfm": ("lfm", "harness.api"),
    "baselines": (
        "baselines._",
        "lfm.network",
        "lfm.detector",
        "lfm.pooling",
        "harness.api",
        "harness.torchvision_cpu",
    ),
}
NO_TORCH = (
    "harness.metrics",
    "harness.results",
    "harness.report",
    "harness.figures",
    "harness.errors",
)
NOT_FOR_EVALUATION = ("harness.report", "harness.figures", "harness.commands")


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in OURS:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            parts = path.relative_to(CHECKOUT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(CHECKOUT).parts[: -node.level] if node.level else ()
            parent = ".".join([*package, *([node.module] if node.module else [])])
            names |= {f"{parent}.{alias.name}" for alias in node.names}
    return names


def is_ours(name: str) -> bool:
    return name.split(".")[0] in OURS


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_imports_follow_the_table(module: str, path: Path) -> None:
    prefixes = [prefix for prefix in ALLOWED if module == prefix or module.startswith(f"{prefix}.")]
    if not prefixes:
        return
    allowed = ALLOWED[max(prefixes, key=len)]
    for name in imports(path):
        if is_ours(name):
            assert name.startswith(allowed) if allowed else False, f"{module} imports {name}"


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_torch_and_report_stay_where_they_belong(module: str, path: Path) -> None:
    names = imports(path)
    if module.startswith(NO_TORCH):
        assert not {name for name in names if name.split(".")[0] in ("torch", "torchvision")}
    is_command = module.startswith(
        ("harness.commands", "harness.report", "harness.figures", "harness.__main__")
    )
    if module.startswith("harness") and not is_command and module != "harness.run":
        assert not {name for name in names if name.startswith(NOT_FOR_EVALUATION)}


def test_detectors_are_reached_by_name_only() -> None:
    for module, path in modules():
        if module.startswith("harness"):
            named = {name for name in imports(path) if name.split(".")[0] in ("lfm", "baselines")}
            assert not named, f"{module} imports {named}"


def test_tables_folder_holds_no_python() -> None:
    assert not list((CHECKOUT / "tables").rglob("*.py"))


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_files_stay_small(module: str, path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, module
    assert path.stem not in ("utils", "helpers", "common"), module


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_functions_stay_small(module: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{module}.{node.name}"
