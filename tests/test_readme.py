"""The README's numbers are those of the committed tables and of the registry."""

from __future__ import annotations

import re

from harness.registry import detectors as registry
from harness.suites import mini
from tests.conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
RENDERED = (CHECKOUT / "tables/out/mini-groups.md").read_text(encoding="utf-8").splitlines()
COLUMNS = (
    ("AP", "all fakes"),
    ("flagged as fake", "real photographs"),
    ("flagged as fake", "controls"),
)


def cells(line: str) -> list[str]:
    """The cells of a row without emphasis and footnotes."""
    plain = re.sub(r"\*\*|</?ins>| ≈|<sup>.*?</sup>", "", line)
    return [cell.strip() for cell in plain.strip().removeprefix("|").removesuffix("|").split("|")]


def rendered() -> dict[tuple[str, str, str], str]:
    """(metric, row, column) of the committed table -> what it prints."""
    lines = [cells(line) for line in RENDERED if line.startswith("|")]
    header, metric, found = lines[0], "", {}
    for metric_cell, row, *values in lines[2:]:
        metric = metric_cell or metric
        found |= {(metric, row, c): v for c, v in zip(header[2:], values, strict=True)}
    return found


def without_sd(cell: str) -> str:
    """A cell as the README shows it: the number with its interval."""
    return re.sub(r" \(sd [\d.]+\)$", "", cell)


def test_its_table_is_of_the_rendered_one() -> None:
    whole = rendered()
    shown = [
        cells(line) for line in README.splitlines() if "seeds)" in line or "(released) |" in line
    ]
    rows = [row for row in shown if len(row) == 1 + len(COLUMNS)]
    assert [row[0] for row in rows] == [
        "LFM (released)",
        "GAP (3 seeds)",
        "NPR (3 seeds)",
        "LFM (3 seeds)",
    ]
    for name, *values in rows:
        assert values == [without_sd(whole[metric, name, column]) for metric, column in COLUMNS]


def test_its_sentence_is_the_rendered_one() -> None:
    (sentence,) = re.findall(r"AP over .*", README)
    assert any(sentence in line for line in RENDERED)


def test_what_it_counts_is_so() -> None:
    (count,) = re.findall(r"(\d+) detectors and controls", README)
    assert int(count) == len(registry.detectors())
    (made,) = re.findall(r"(\d+) neural generators", README)
    assert int(made) == sum(subset.group != mini.CONTROLS for subset in mini.SUITE.subsets)
    flagged = rendered()["flagged as fake", "LFM (released)", "controls"]
    (said,) = re.findall(r"flags ([\d.]+) %", README)
    assert flagged.startswith(f"{said} [")
