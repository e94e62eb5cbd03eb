"""``coverage``: its tables, the cells that it names, and its place in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.commands.dev._coverage import MARKS
from tests.conftest import CHECKOUT

SMALL = ["dev", "coverage", "--repeats", "4", "--resamples", "40", "--workers", "1"]


def test_it_prints_and_writes_the_same_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    assert main([*SMALL, "--write", str(page)]) == 0
    printed = capsys.readouterr().out
    assert page.read_text() == f"before\n{MARKS[0]}\n{printed}{MARKS[1]}\nafter\n"
    for line in ("AP: intervals", "AUC: intervals", "ACC: intervals", "told apart, %"):
        assert line in printed
    assert "Outside 92 to 97 (bold):" in printed
    # Shares of 4 sets are 75 or 100 more often than not: bold, and named with their setting.
    assert "| **" in printed
    assert " at AP 70 (" in printed


def test_a_page_without_a_place_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    assert main([*SMALL, "--write", str(page)]) == 2
    assert "has no place for it" in capsys.readouterr().err
    assert main([*SMALL, "--write", str(tmp_path / "absent.md")]) == 2


def test_the_page_on_statistics_holds_the_full_tables() -> None:
    text = (CHECKOUT / "docs" / "statistics.md").read_text(encoding="utf-8")
    table = text.split(MARKS[0])[1].split(MARKS[1])[0]
    for line in ("| 4,000 + 4,000, independent |", "| mean of 13 sets, 149 of 150 reals shared |"):
        assert table.count(line) == 3  # AP, AUC, ACC
    apart = table.split("told apart, %")
    assert len(apart) == 3
    for part in apart[1:]:
        rows = [line for line in part.splitlines() if " each |" in line or " decide |" in line]
        shown = [
            float(cell) for row in rows for cell in re.findall(r"(?<=[ *])\d+\.\d(?=[ *])", row)
        ]
        assert len(shown) == 2 * len(rows) >= 30
        # A rate of 5 in 600 simulated sets is seen as more than 7.7 once in a thousand cells.
        assert max(shown) < 7.7
        (outside,) = re.findall(r"Outside 0 to 6 \(bold\): (.*)", part)
        assert outside.count("(") == sum(rate > 6 for rate in shown)


def test_speed_says_time_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "coverage", "--speed", "300"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1,000 resamples of all metrics, 300 images: ")
    assert "10,000 resamples" in second
    assert "processor time" in second
