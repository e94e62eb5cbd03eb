"""Two equal runs at once on one output folder: whoever comes second spoils nothing."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.registry import detectors as registry
from harness.results.lock import open_locked
from harness.results.records import RunRecord
from harness.results.store import load_records
from tests import program
from tests.conftest import write_images

GROUPS = ("a", "b", "c")


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    """A run of three cells, of some tenths of a second each."""
    for number, group in enumerate(GROUPS):
        for label, name in enumerate(("0_real", "1_fake")):
            first = 100 * (2 * number + label)
            write_images(tmp_path / "photos" / group / name, range(first, first + 12), 128, 128)
    torch.manual_seed(0)
    state = registry.detector("lfm").build().state_dict()
    weights = tmp_path / "weights.safetensors"
    save_file({name: value.clone() for name, value in state.items()}, weights)
    return [
        *program.HARNESS, "run", "--method", f"lfm:{weights}", "--variant", "released", "--images",
        tmp_path / "photos", "--resamples", "0", "--workers", "1", "--out", tmp_path / "out",
    ]  # fmt: skip


def only_record(out: Path) -> RunRecord:
    (record,) = load_records(out)
    return record


@pytest.mark.parametrize("finished", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_who_finds_a_cell_taken_waits_and_takes_what_the_other_leaves(
    command: list[object], finished: bool, tmp_path: Path
) -> None:
    """The other process is this test: it holds a journal until it is waited for.

    It leaves all scores, or none, as one that was killed at once.
    """
    out, log = tmp_path / "out", tmp_path / "log"
    assert program.run(*command).returncode == 0
    record = only_record(out)
    shutil.rmtree(out / "results")
    scores = sorted(out.glob("predictions/**/*.parquet"))
    contents = {path: path.read_bytes() for path in scores}
    for path in scores:
        path.unlink()
    taken = scores[0]
    journal = taken.with_suffix(".journal")
    with (
        log.open("w") as file,
        open_locked(journal) as held,
        program.started(*command, stderr=file, stdout=subprocess.DEVNULL) as second,
    ):
        deadline = time.monotonic() + program.DEADLINE_S
        while "waiting for that one" not in log.read_text():
            assert second.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if finished:
            taken.write_bytes(contents[taken])
        journal.unlink()
        held.close()
        assert second.wait(timeout=program.DEADLINE_S) == 0, log.read_text()
    left = 24 if finished else 0
    assert f"{72 - left} scores computed, {left} were on disk" in log.read_text()
    assert {path: path.read_bytes() for path in scores} == contents
    assert only_record(out).subsets == record.subsets


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_equal_runs_at_once_leave_what_one_leaves(
    command: list[object], processes: int, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        children = [
            stack.enter_context(program.started(*command, **streams)) for _ in range(processes)
        ]
        errors = [child.communicate(timeout=program.DEADLINE_S)[1] for child in children]
    for child, said in zip(children, errors, strict=True):
        assert child.returncode == 0, said
    record = only_record(tmp_path / "out")
    assert {result.status for result in record.subsets} == {"ok"}
    again = program.run(*command)
    assert again.returncode == 0, again.stderr
    assert "0 scores computed, 72 were on disk" in again.stderr
    assert only_record(tmp_path / "out").subsets == record.subsets
    assert not list(tmp_path.rglob("*.journal"))
