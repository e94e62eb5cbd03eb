"""A copy of this checkout as it stands, for tests that install it or take its write bits away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import program


def ours() -> list[str]:
    """Every file of the checkout that git does not ignore, by its path; skips without git."""
    done = program.run("git", "ls-files", "-co", "--exclude-standard", "-z")
    if done.returncode:
        pytest.skip("this checkout has no git")
    return [n for n in done.stdout.split("\0") if n and (program.CHECKOUT / n).is_file()]


def copy_checkout(target: Path) -> Path:
    """Copies all files of :func:`ours` to a new folder, and returns it."""
    for name in ours():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(program.CHECKOUT / name, target / name)
    return target


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change, in nanoseconds, of every file below a folder; no bytecode."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
