"""Images that all training tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.sample import Manifest
from tests.training import tiny


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train`` with 20 and ``val`` with 8 pictures a class."""
    folder = tmp_path_factory.mktemp("data")
    tiny.write_class_folders(folder / "train", 20)
    tiny.write_class_folders(folder / "val", 8, first=100)
    return folder


@pytest.fixture(scope="session")
def train(data: Path) -> Manifest:
    return tiny.manifest(data / "train")


@pytest.fixture(scope="session")
def val(data: Path) -> Manifest:
    return tiny.manifest(data / "val", "test/val")
