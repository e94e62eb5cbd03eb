"""Tests of tables and pages see their own records alone."""

from collections.abc import Iterator

import pytest

from harness.commands import _sources


@pytest.fixture(scope="package", autouse=True)
def no_committed_measurements(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is measured in this checkout stays out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sources, "MEASURED", tmp_path_factory.mktemp("measured"))
        yield
