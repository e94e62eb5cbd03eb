"""The reference pages are those that the registry gives."""

from __future__ import annotations

import pytest

from harness.commands.docs import pages
from tests.conftest import CHECKOUT


@pytest.mark.parametrize("name", ["detectors.md", "suites.md", "paper.md"])
def test_committed_pages_are_current(name: str) -> None:
    committed = (CHECKOUT / "docs" / name).read_text(encoding="utf-8")
    assert committed == pages()[name], "run: python -m harness docs"
