"""``python -m harness weights``: what is listed, what is fetched, and the exit code."""

from __future__ import annotations

import argparse
import json
from types import SimpleNamespace

import pytest

from harness import registry
from harness.api import Weights
from harness.commands import weights as command
from harness.errors import UsageError, WeightsError


def checkpoint(name, sha256):
    return Weights(
        name=name,
        filename=f"{name}.pth",
        url=f"https://example.org/{name}",
        sha256=sha256,
        size=1234567 if sha256 else 0,
        licence="MIT",
        trained_on="ProGAN",
    )


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    known = {
        "one": SimpleNamespace(
            name="one", weights=(checkpoint("released", "a" * 64), checkpoint("old", "b" * 64))
        ),
        "two": SimpleNamespace(name="two", weights=(checkpoint("hidden", ""),)),
        "none": SimpleNamespace(name="none", weights=()),
    }
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(registry, "detectors", lambda: known)
    calls = []

    def fetch(weights, folder):
        calls.append(weights.name)
        if not weights.sha256 or weights.name == "old":
            raise WeightsError(f"no {weights.name}", hint="by hand")
        return folder / weights.filename

    monkeypatch.setattr(command, "fetch", fetch)
    return calls


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_list(fetched, capsys):
    assert run() == 0
    text = capsys.readouterr().out
    assert "one:released  released.pth  absent" in text
    assert "1,234,567 bytes" in text and "a" * 64 in text
    assert "not known: it is not fetched" in text
    assert fetched == []


def test_json(fetched, capsys):
    assert run("--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["detector"], row["name"]) for row in rows] == [
        ("one", "released"),
        ("one", "old"),
        ("two", "hidden"),
    ]
    assert rows[0]["present"] is False and rows[0]["size"] == 1234567


def test_fetch_chosen_checkpoints(fetched, capsys):
    assert run("--fetch", "one:released") == 0
    assert fetched == ["released"]
    assert "one:released: " in capsys.readouterr().err


def test_a_failure_is_told_the_rest_goes_on_and_the_exit_code_stays(fetched, capsys):
    assert run("--fetch", "two,one") == 3
    assert fetched == ["hidden", "released", "old"]
    errors = capsys.readouterr().err
    assert "two:hidden: no hidden\n  next: by hand" in errors and "one:old: no old" in errors


def test_all_skips_what_cannot_be_checked(fetched, capsys):
    assert run("--fetch", "all") == 3  # one:old fails
    assert fetched == ["released", "old"]
    assert "two:hidden: skipped, sha256 not known" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("onne", "unknown detector 'onne'"),
        ("none", "none has no published checkpoint"),
        ("one:relesed", "unknown checkpoint of one 'relesed'"),
    ],
)
def test_names_that_are_none(fetched, name, message):
    with pytest.raises(UsageError, match=message):
        run("--fetch", name)
    assert fetched == []
