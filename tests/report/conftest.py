"""Tests of tables and pages see their own records alone."""

from pathlib import Path

import pytest

from harness.commands import _sources


@pytest.fixture(autouse=True)
def no_committed_measurements(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is measured in this checkout stays out."""
    nothing: Path = tmp_path_factory.mktemp("measured")
    monkeypatch.setattr(_sources, "MEASURED", nothing)
