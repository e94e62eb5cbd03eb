from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results.paths import LONGEST, place_name

HOSTILE = (
    "",
    ".",
    "..",
    ".hidden",
    "a/../../b",
    "a\\b",
    "C:x",
    "a\0b",
    "con%2Fa",
    "\udcff",
    "图" * 29,
    "a" * 161,
    "x/" * 400,
    "%",
    "%~",
)


@pytest.mark.parametrize("name", ["mini", "ufd", "glide_100_10", "ctl_resize1.3", "sd 3"])
def test_names_of_declared_suites_are_their_own(name: str) -> None:
    assert place_name(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_one_visible_component_that_a_file_system_takes(
    name: str, tmp_path: Path
) -> None:
    quoted = place_name(name)
    assert Path(quoted).name == quoted
    assert not quoted.startswith(".")
    assert ".." not in quoted or quoted == "%2E.."
    assert len(quoted.encode()) <= LONGEST
    (tmp_path / quoted).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [quoted]


def test_only_what_is_too_long_is_cut() -> None:
    assert place_name("a" * LONGEST) == "a" * LONGEST
    assert place_name("a" * (LONGEST + 1)) != "a" * (LONGEST + 1)


def test_different_names_stay_different() -> None:
    names = [*HOSTILE, "a" * 160, "a" * 162, "图" * 30, "%2E", "%2E.", "%7E", "%%"]
    assert len({place_name(name) for name in names}) == len(names)


@given(st.text(max_size=80), st.text(max_size=80))
def test_equal_names_only_share_a_place(first: str, second: str) -> None:
    assert (place_name(first) == place_name(second)) == (first == second)
