"""Ports, private folders and detectors that are not there; the page itself is in tests/browser."""

from __future__ import annotations

import importlib.util
import os
import socket
import stat
import time
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.commands import _demo as demo
from harness.commands._jobs import Chosen
from harness.demo import server
from harness.errors import UsageError, WeightsMissingError
from harness.registry import detectors as registry
from tests.demo.conftest import COMPUTE

LOCAL = "127.0.0.1"


def test_a_taken_port_is_said_and_the_default_moves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with server.listen(LOCAL, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on {LOCAL}") as caught:
            server.listen(LOCAL, port)
        assert "--port 0" in caught.value.hint
        monkeypatch.setattr(server, "PORT", port)
        with server.listen(LOCAL, None) as other:
            assert port < other.getsockname()[1] < port + server.PORTS_TRIED


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):  # TEST-NET-1
        server.listen("192.0.2.1", 0)


def test_an_unknown_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UsageError, match="--host nowhere: Name or service not known"):
        server.listen("nowhere", 0)


def test_uploads_lie_in_a_private_folder_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "GRADIO_SHARE": "True"})
    with server.prepare() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        assert "GRADIO_SHARE" not in os.environ
        (folder / "left").write_bytes(b"x")
    assert not folder.exists()


def upload(folder: Path, digest: str, *, age: float = 0.0) -> Path:
    path = folder / digest / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"picture")
    past = time.time() - age
    os.utime(path.parent, (past, past))
    return path


def test_an_upload_is_read_once_and_broken_off_ones_are_tidied_up(tmp_path: Path) -> None:
    mine, other = upload(tmp_path, "one"), upload(tmp_path, "two")
    old = upload(tmp_path, "three", age=3600)
    assert server.take(mine, tmp_path) == b"picture"
    assert not mine.parent.exists()
    assert not old.parent.exists()
    assert other.exists()  # of someone who still waits
    assert server.take(mine, tmp_path) is None


def test_detectors_that_cannot_be_had_are_listed_and_controls_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    chosen = [Chosen(registry.detector(name), "") for name in ("chance", "lfm", "trivial")]
    contestants, absent = demo.ready(chosen, COMPUTE)
    assert [each.job.label for each in contestants] == ["chance"]
    assert [line.split(":")[1].split()[0] for line in absent] == ["lfm", "trivial"]
    assert all("python -m harness" in line for line in absent)


def test_a_single_detector_that_cannot_be_had_is_the_commands_error() -> None:
    with pytest.raises(WeightsMissingError):
        demo.ready([Chosen(registry.detector("trivial"), "")], COMPUTE)


def test_no_detector_at_all_is_an_error() -> None:
    chosen = [Chosen(registry.detector(name), "") for name in ("metadata", "trivial")]
    with pytest.raises(UsageError, match="none of the detectors can be had"):
        demo.ready(chosen, COMPUTE)


def test_without_gradio_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "gradio" else find(name)
    )
    assert main(["demo", "--method", "chance"]) == 2
    assert "pip install -e '.[demo]'" in capsys.readouterr().err


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_serving_beyond_this_machine_is_warned_of(
    host: str,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("gradio", reason="extra demo is not installed")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(server, "serve", lambda *_: None)  # returns at once
    with caplog.at_level("INFO"):
        assert main(["demo", "--method", "chance", "--port", "0", "--host", host]) == 0
    assert capsys.readouterr().out.startswith(f"http://{host}:")
    assert ("everyone who reaches this machine" in caplog.text) == warned
