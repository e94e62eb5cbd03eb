"""A folder to type in, and a detector of ours beside which imported scores stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from tests.imported.files import FEW, Says


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to type in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    """Types a command; what it prints, both streams, once its exit code is the expected one."""

    def typed(*words: object, code: int = 0) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == code
        found = capsys.readouterr()
        return found.out + found.err

    return typed


@pytest.fixture(scope="package")
def chance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder in which a detector of ours was run on sets that share their reals."""
    out = tmp_path_factory.mktemp("chance") / "runs"
    assert main(["run", "--method", "chance", "--suite", "mini", *FEW, "--out", str(out)]) == 0
    return out
