"""Dealing work to a Ray cluster: every part once, whatever ends meanwhile."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from harness.__main__ import main
from harness.cluster import session
from harness.cluster.crew import LostError, Seats, deal
from harness.cluster.session import Cluster, connected
from harness.errors import BadImageError, HarnessError, UsageError, WeightsMissingError
from tests.conftest import CHECKOUT

pytest.importorskip("ray")


def said(*flags: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run with these flags says before it ends as a typing error does."""
    assert main(["run", "--method", "chance", "--suite", "mini:gan", "--limit", "1", *flags]) == 2
    return capsys.readouterr().err


def test_no_ray(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text = said("--ray", "--out", str(tmp_path), capsys=capsys)
    assert "--ray needs the extra 'ray', which is not installed" in text
    assert ".venv/bin/pip install -e '.[ray]'" in text


def test_workers_look_for_code_and_weights_where_the_driver_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They run in another folder, so a place that is named from here must be told in full."""

    class Library(ModuleType):
        told: dict[str, str]

        def init(self, runtime_env: dict[str, dict[str, str]], **others: object) -> None:
            self.told = runtime_env["env_vars"]

    library = Library("ray")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.delenv("LFM_WEIGHTS", raising=False)
    session._init(library, session.LOCAL, 1)
    assert library.told["LFM_WEIGHTS"] == str(tmp_path / "weights")
    assert library.told["PYTHONPATH"] == str(CHECKOUT)
    monkeypatch.setenv("LFM_WEIGHTS", "elsewhere")
    monkeypatch.setenv("PYTHONPATH", "mine")
    session._init(library, session.LOCAL, 1)
    assert library.told["LFM_WEIGHTS"] == str(tmp_path / "elsewhere")
    assert library.told["PYTHONPATH"].split(os.pathsep) == [str(CHECKOUT), "mine"]
    monkeypatch.setattr(session, "CHECKOUT", None)  # installed: found without being told
    session._init(library, session.LOCAL, 1)
    assert library.told["PYTHONPATH"] == "mine"


def test_an_address_where_nobody_listens(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text = said("--ray", address, "--out", str(tmp_path), capsys=capsys)
    assert f"--ray {address}: " in text
    assert "`ray start --head` prints the address" in text


def test_an_address_that_answers_and_is_no_cluster(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said within the time that is stated, not when Ray gives up."""
    monkeypatch.setattr("harness.cluster.session.CONNECT_SECONDS", 1)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        text = said("--ray", address, "--out", str(tmp_path), capsys=capsys)
    assert time.monotonic() - began < 30
    assert f"--ray {address}: no cluster answers within 1 s" in text


@pytest.mark.parametrize("address", ["here", "host:", ":1", "host:port"])
def test_what_is_no_address(
    address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = said("--ray", address, "--out", str(tmp_path), capsys=capsys)
    assert "expected HOST:PORT or auto" in text


def test_mixed_nodes_without_a_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = said("--allow-mixed", "--out", str(tmp_path), capsys=capsys)
    assert "--allow-mixed is for machines of a cluster" in text


@pytest.mark.parametrize(
    "error",
    [
        BadImageError("a.png", "is empty"),
        UsageError("wrong", hint="right"),
        WeightsMissingError("none", hint="fetch"),
    ],
)
def test_an_error_is_the_same_in_another_process(error: HarnessError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connected() as found:
        yield found


def work(part: tuple[str, int]) -> int:
    folder, number = part
    note = Path(folder, str(number))
    note.write_text(note.read_text() + "x" if note.exists() else "x")
    if number == 3 and len(note.read_text()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 6:
        raise ValueError("six")
    return number * number


@pytest.mark.slow
def test_every_part_comes_back(cluster: Cluster, tmp_path: Path) -> None:
    parts = [(str(tmp_path), number) for number in range(8)]
    found = {each.part[1]: each for each in deal(cluster, work, parts, Seats(cores=1))}
    assert sorted(found) == list(range(8))
    assert [found[n].answer for n in (0, 1, 2, 3, 4, 7)] == [0, 1, 4, 9, 16, 49]
    assert found[3].lost == 1
    assert isinstance(found[5].error, LostError)
    assert "ended 3 times" in found[5].error.message
    assert "ValueError: six" in str(found[6].error)
