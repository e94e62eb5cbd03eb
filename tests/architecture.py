"""The house: its rooms and floors as data; ``python -m tests.architecture`` prints the table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
OURS = ("harness", "lfm", "baselines")
CONTRIBUTING = CHECKOUT / "CONTRIBUTING.md"
BEGIN, END = "<!-- rooms: python -m tests.architecture -->", "<!-- end of rooms -->"

BUILDER = "harness.suites.mini.builder"
FLOORS: tuple[tuple[str, ...], ...] = (
    ("harness.run", BUILDER),
    ("harness.__main__", "harness.python"),
    ("harness.commands",),
    ("harness.demo",),
    ("harness.ablation", "harness.audit", "harness.cost", "harness.explain", "harness.diagnosis"),
    ("harness.training", "harness.evaluation"),
    ("harness.engine", "harness.site", "harness.cluster"),
    ("harness.registry", "harness.figures"),
    ("baselines", "harness.suites", "harness.checkpoints", "harness.outside", "harness.report"),
    ("harness.fetching",),
    ("lfm", "harness.data", "harness.results", "harness.env"),
    (
        "harness.api",
        "harness.errors",
        "harness.installed",
        "harness.metrics",
        "harness.parquet",
        "harness.toml",
    ),
)
"""Top to bottom. A room imports only from lower floors; rooms of one floor know nothing of each
other. A room that is missing here fails a test."""


def room_of(module: str) -> str:
    """The room a module (or something in it) belongs to."""
    if module.startswith(BUILDER):  # nobody imports it, so its floor is the top one
        return BUILDER
    parts = module.split(".")
    return ".".join(parts[: 1 if parts[0] != "harness" else 2])


def floor_of(room: str) -> int:
    """0 is the top.

    Raises:
        KeyError: the room is on no floor.
    """
    return {name: number for number, floor in enumerate(FLOORS) for name in floor}[room]


def modules() -> list[tuple[str, Path]]:
    """Dotted name and file of every module of ours."""
    found = []
    for package in OURS:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            parts = path.relative_to(CHECKOUT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(CHECKOUT).parts[: -node.level] if node.level else ()
            parent = ".".join([*package, *([node.module] if node.module else [])])
            names |= {f"{parent}.{alias.name}" for alias in node.names}
    return names


def table() -> str:
    """The rooms as Markdown, each with the first sentence of its docstring."""
    return "\n".join(["| floor | room | what it does |", "|---|---|---|", *_rows()])


def _rows() -> Iterator[str]:
    for number, floor in enumerate(FLOORS):
        for room in floor:
            base = CHECKOUT / room.replace(".", "/")
            path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            about = text.split("\n\n")[0].replace("\n", " ").replace("``", "`")
            shown = path.relative_to(CHECKOUT).as_posix().removesuffix("__init__.py")
            yield f"| {len(FLOORS) - number} | `{shown}` | {about} |"


def written(text: str) -> str:
    """CONTRIBUTING's text with today's table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    CONTRIBUTING.write_text(written(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8")
