"""The README's numbers are those of the committed tables, and its commands exist."""

from __future__ import annotations

import re

import pytest

from harness.__main__ import command_names
from tests.conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_the_rendered_one() -> None:
    rendered = (CHECKOUT / "tables/out/mini-groups.md").read_text(encoding="utf-8").splitlines()
    shown = [line for line in README.splitlines() if "seeds)" in line or "[control" in line]
    assert len(shown) >= 6
    for line in shown:
        for sentence in [line] if line.startswith("|") else re.findall(r"AP over .*", line):
            assert any(sentence in other for other in rendered), sentence


def test_every_command_exists() -> None:
    named = set(re.findall(r"python -m harness ([a-z]+)", README))
    assert named >= {"run", "score", "diff"} - {"run"}
    assert named <= set(command_names())


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([a-zA-Z][^)#]*)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    assert (CHECKOUT / target).exists()
