"""``python -m harness weights``: what is listed, what is fetched, and the exit code."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from harness.__main__ import command_line
from harness.api import Weights
from harness.commands import _weights as command
from harness.errors import UsageError, WeightsError
from harness.registry import detectors as registry


def checkpoint(name, sha256, **changes):
    facts = {
        "name": name,
        "filename": f"{name}.pth",
        "url": f"https://example.org/{name}",
        "sha256": sha256,
        "size": 1234567 if sha256 else 0,
        "licence": "MIT",
        "trained_on": "ProGAN",
    }
    return Weights(**{**facts, **changes})


CLIP = checkpoint("clip", "c" * 8, filename="clip.pt")


def known(name, *weights, pretrained=()):
    return SimpleNamespace(name=name, weights=weights, pretrained=pretrained)


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    specs = (
        known("one", checkpoint("released", "a" * 64), checkpoint("old", "b" * 64)),
        known("two", checkpoint("hidden", "")),
        known("none"),
        known("head", checkpoint("released", "d" * 64, also=(CLIP,)), pretrained=(CLIP,)),
        known("other", pretrained=(CLIP,)),
    )
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(registry, "detectors", lambda: {spec.name: spec for spec in specs})
    calls = []

    def fetch(weights, folder, *, accept_unverified, progress):
        calls.append(weights.name)
        if accept_unverified and weights.name == "hidden":
            (folder / weights.filename).write_bytes(b"hidden")
        elif not weights.sha256 or weights.name == "old":
            raise WeightsError(f"no {weights.name}", hint="by hand")
        return folder / weights.filename

    monkeypatch.setattr(command, "fetch", fetch)
    return calls


def run(*arguments):
    return command.run(command_line("weights").read(arguments))


def test_list(fetched, capsys, tmp_path):
    assert run() == 0
    text = capsys.readouterr().out
    assert "one:released  released.pth  absent" in text
    assert "1,234,567 bytes" in text and "a" * 64 in text
    unknown = "not known: it is fetched with --accept-unverified only; download "
    assert f"{unknown}https://example.org/hidden by hand to {tmp_path / 'hidden.pth'}" in text
    assert text.count("clip.pt") == 2  # named once a detector
    assert (
        "head:released  clip.pt  absent\n"
        "  for         checkpoint released, training starts from it (clip)\n" in text
    )
    assert "other:clip  clip.pt  absent\n  for         training starts from it (clip)\n" in text
    assert "  sha256      cccccccc...\n" in text
    assert fetched == []


def test_json(fetched, capsys):
    assert run("--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["detector"], row["name"]) for row in rows] == [
        ("one", "released"),
        ("one", "old"),
        ("two", "hidden"),
        ("head", "released"),
        ("head", "released"),
        ("other", "clip"),
    ]
    assert [row["filename"] for row in rows[3:]] == ["released.pth", "clip.pt", "clip.pt"]
    assert rows[4]["uses"] == ["checkpoint released", "training starts from it (clip)"]
    assert rows[0]["present"] is False and rows[0]["size"] == 1234567


def test_fetch_chosen_checkpoints(fetched, capsys):
    assert run("--fetch", "one:released") == 0
    assert fetched == ["released"]
    assert "one:released: " in capsys.readouterr().err


def test_fetch_what_training_starts_from(fetched, capsys, tmp_path):
    assert run("--fetch", "head:clip") == 0
    assert fetched == ["clip"]
    assert f"head:clip: {tmp_path / 'clip.pt'}" in capsys.readouterr().err


def test_files_come_with_their_entry_and_shared_ones_once(fetched, capsys, tmp_path):
    assert run("--fetch", "head,other,head:released") == 0
    assert sorted(fetched) == ["clip", "released"]
    errors = capsys.readouterr().err.splitlines()
    assert f"head:released: {tmp_path / 'released.pth'}" in errors
    assert f"head:released: {tmp_path / 'clip.pt'}" in errors
    assert f"other:clip: {tmp_path / 'clip.pt'}" in errors


def test_a_failure_is_told_the_rest_goes_on_and_the_exit_code_stays(fetched, capsys):
    assert run("--fetch", "two,one") == 3
    assert sorted(fetched) == ["hidden", "old", "released"]
    errors = capsys.readouterr().err
    assert "two:hidden: no hidden\n  next: by hand" in errors and "one:old: no old" in errors


def test_all_skips_what_cannot_be_checked(fetched, capsys):
    assert run("--fetch", "all") == 3  # one:old fails
    assert sorted(fetched) == ["clip", "old", "released", "released"]
    assert "two:hidden: hidden.pth: skipped, sha256 not known" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["two", "all"])
def test_what_nothing_vouches_for_is_fetched_on_request_and_says_so(fetched, capsys, asked):
    run("--fetch", asked, "--accept-unverified")
    assert "hidden" in fetched
    digest = hashlib.sha256(b"hidden").hexdigest()
    said = capsys.readouterr().err
    assert "hidden.pth: not verified: the sha256 of the published file is not known" in said
    assert f"this one's is {digest}" in said


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
