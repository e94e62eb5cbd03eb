from __future__ import annotations

import os

import pytest

from harness.errors import BadImageError, DataError, HarnessError, printable


def test_text_without_foreign_bytes_is_unchanged() -> None:
    assert printable("größe 図 \\xff") == "größe 図 \\xff"


def test_bytes_that_are_no_utf8_are_spelt_out() -> None:
    assert printable(os.fsdecode(b"a\xff\x80.png")) == r"a\xff\x80.png"
    assert printable("\ud800") == r"\ud800"


@pytest.mark.parametrize(
    "error",
    [
        DataError("no \udcff", hint="give \udcff"),
        BadImageError("\udcff.png", "is no \udcff"),
        HarnessError("\udcff"),
    ],
)
def test_every_error_can_be_encoded(error: HarnessError) -> None:
    text = f"{error} {error.message} {error.hint} {error.args} {vars(error)}"
    assert r"\xff" in str(error)
    text.encode()
