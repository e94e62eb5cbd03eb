"""The README's numbers are those of the committed tables and of the registry."""

from __future__ import annotations

import re

from harness import registry
from harness.suites import mini
from tests.conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
RENDERED = (CHECKOUT / "tables/out/mini-groups.md").read_text(encoding="utf-8").splitlines()


def test_the_table_is_the_rendered_one() -> None:
    shown = [line for line in README.splitlines() if line.startswith("|") and "(sd" in line]
    controls = [line for line in README.splitlines() if "[control" in line]
    assert len(shown) >= 4
    assert len(controls) == 2
    for line in (*shown, *controls):
        assert line in RENDERED, line


def test_its_sentence_is_the_rendered_one() -> None:
    (sentence,) = re.findall(r"AP over .*", README)
    assert any(sentence in line for line in RENDERED)


def test_what_it_counts_is_so() -> None:
    (count,) = re.findall(r"(\d+) detectors and controls", README)
    assert int(count) == len(registry.detectors())
    (made,) = re.findall(r"(\d+) neural generators", README)
    assert int(made) == sum(subset.group != mini.CONTROLS for subset in mini.SUITE.subsets)
