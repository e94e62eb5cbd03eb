"""A checkout or an installed copy: where its files lie, and what is typed in each."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

ROOT = _PACKAGE.parent
"""Where Python finds ``harness``: the checkout, or the ``site-packages`` of an installed copy.
Nothing is ever written there by itself."""

_SHIPPED = _PACKAGE / "tables"

CHECKOUT = None if _SHIPPED.is_dir() else ROOT
"""The checkout, or None in an installed copy, which has its ``tables`` inside the package: at the
top they would be in the way of other projects' (PyTables is one)."""

TABLES = ROOT / "tables" if CHECKOUT else _SHIPPED
"""The specs of tables, the paper's numbers, templates; in a checkout also what is rendered."""


def shipped(given: str) -> Path:
    """A file or folder as it was typed; where there is none, ``tables/...`` is that of the program.

    So ``tables/specs/ablation/core.toml`` and ``tables/expected`` are found from every folder.
    """
    path = Path(given)
    if path.parts[:1] == ("tables",) and not path.exists():
        found = TABLES.joinpath(*path.parts[1:])
        return found if found.exists() else path
    return path


def restore_hint(path: Path) -> str:
    """What brings a file of the program back that is gone."""
    return f"git checkout -- {path}" if CHECKOUT else "install lfm-bench again"


def install_hint(extra: str) -> str:
    """The command that installs an extra of pyproject.toml, as it is typed in this folder."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        here = None
    if CHECKOUT is not None and here == CHECKOUT:
        return f".venv/bin/pip install -e '.[{extra}]'"
    return f"pip install 'lfm-bench[{extra}]'"
