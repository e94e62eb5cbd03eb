"""``--config``: TOML to flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import expand
from harness.errors import UsageError


def expanded(tmp_path: Path, text: str, *typed: str) -> list[str]:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return expand([*typed[:1], "--config", str(file), *typed[1:]])


def test_keys_become_flags_before_the_typed_ones(tmp_path: Path) -> None:
    text = 'method = "lfm"\nbatch-size = 4\nlr_step = 2\nseeds = [0, 1]\nbetas = [0.9, 0.99]'
    assert expanded(tmp_path, text, "--lr", "0.1") == [
        "--method=lfm",
        "--batch-size=4",
        "--lr-step=2",
        "--seeds=0,1",
        "--betas=0.9,0.99",
        "--lr",
        "0.1",
    ]


def test_a_truth_is_a_bare_flag_or_a_recipes_value(tmp_path: Path) -> None:
    text = "balanced = true\ndecay-vectors = false\nskip-absent = true\nmeasure = false"
    assert expanded(tmp_path, text) == ["--balanced=true", "--decay-vectors=false", "--skip-absent"]


def test_without_the_flag_nothing_changes() -> None:
    assert expand(["--method", "lfm"]) == ["--method", "lfm"]


@pytest.mark.parametrize("text", ["a = ", "[table]\na = 1", None])
def test_what_cannot_be_flags_is_refused(tmp_path: Path, text: str | None) -> None:
    with pytest.raises(UsageError, match=r"settings\.toml"):
        if text is None:
            expand(["--config", str(tmp_path / "settings.toml")])
        else:
            expanded(tmp_path, text)
    with pytest.raises(UsageError, match="needs a file"):
        expand(["--config"])
