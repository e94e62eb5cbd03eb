"""Which of the asked trainings are done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.api import Weights
from harness.data.sample import Manifest
from harness.errors import UsageError, WeightsMissingError
from harness.training import savepoint, session
from harness.training.request import Training
from harness.training.savepoint import Savepoint
from harness.training.tasks import Policy, Task, may_start
from tests.training import tiny

ALL = Policy(overwrite="missing", replace_others=True, skip_unstartable=True)
NAMED = replace(ALL, skip_unstartable=False)
START = Weights(
    name="imagenet",
    filename="net.pth",
    url="https://example.org/net.pth",
    sha256="0" * 64,
    size=11,
    licence="MIT",
    trained_on="ImageNet",
)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of published files, not there yet."""
    folder = tmp_path / "weights"
    monkeypatch.setenv("LFM_WEIGHTS", str(folder))
    return folder


def starting(train: Manifest, val: Manifest, start: Weights = START) -> Training:
    recipe = replace(tiny.RECIPE, start="imagenet")
    training = tiny.training(train, val, recipe=recipe)
    return replace(training, spec=replace(training.spec, pretrained=(start,)))


def test_of_all_what_cannot_start_is_left_out_with_a_line(
    weights: Path,
    train: Manifest,
    val: Manifest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = Task(training=starting(train, val), folder=tmp_path / "run")
    with caplog.at_level("INFO"):
        assert not ALL.is_to_do(task)
    assert "left out: tiny seed 0" in caplog.text and "imagenet is not in" in caplog.text
    assert NAMED.is_to_do(task)  # and fails with the way to get the file
    weights.mkdir()
    (weights / "net.pth").write_bytes(b"")  # its name: what is in it is seen when it is read
    assert ALL.is_to_do(task)


def test_a_file_may_have_another_name_and_all_files_must_be_there(
    weights: Path, train: Manifest, val: Manifest
) -> None:
    weights.mkdir()
    one = starting(train, val)
    two = starting(train, val, replace(START, also=(replace(START, filename="b", size=0),)))
    (weights / "renamed.pth").write_bytes(b"0" * 11)
    (weights / "empty").write_bytes(b"")
    assert may_start(one) and not may_start(two)
    (weights / "b").write_bytes(b"1")
    assert may_start(two)
    assert may_start(tiny.training(train, val))


def test_a_start_that_nobody_can_tell_apart_needs_its_file(
    weights: Path, train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    unknown = starting(train, val, replace(START, sha256="", size=0))
    task = Task(training=unknown, folder=tmp_path / "run")
    assert not ALL.is_to_do(task)
    with pytest.raises(WeightsMissingError):
        NAMED.is_to_do(task)


def test_what_is_there_decides(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    one = tiny.training(train, val)
    other = replace(one, seed=9)
    task, changed = (Task(training=t, folder=tmp_path) for t in (one, other))
    own = replace(NAMED, replace_others=False)
    assert own.is_to_do(task)
    Savepoint(tmp_path, session.identity(one)).save({})
    assert own.is_to_do(task) and NAMED.is_to_do(changed)
    with pytest.raises(UsageError, match=r"an unfinished training \(seed: 0 there, 9 asked\)"):
        own.is_to_do(changed)
    savepoint.discard(tmp_path)
    session.run(one, tmp_path, tiny.CPU)
    assert not own.is_to_do(task) and NAMED.is_to_do(changed)
    with pytest.raises(UsageError, match=r"another training \(seed: 0 there, 9 asked\)"):
        own.is_to_do(changed)
    assert not replace(own, overwrite="never").is_to_do(changed)
    Savepoint(tmp_path, session.identity(one)).save({})
    assert replace(own, overwrite="always").is_to_do(changed)
    assert not (tmp_path / "state.pt").exists()
