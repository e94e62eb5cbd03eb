"""The environment of a record: complete, steady, and devices refused with a reason."""

from __future__ import annotations

import json
import os
import re
import sys

import numpy as np
import pytest
import sklearn
import torch

from harness import env
from harness.errors import UsageError
from tests import program
from tests.conftest import write_images

NAMES = {
    *("python", "platform", "torch", "torchvision", "timm", "numpy", "scipy", "scikit_learn"),
    *("onnxruntime", "pillow", "libjpeg_turbo", "zlib", "webp", "blas", "onednn", "numpy_blas"),
    *("cpu", "cpu_flags", "cpu_capability", "cpu_limits", "threads", "interop_threads", "device"),
    *("cuda", "commit"),
}


def git(folder, *arguments):
    identity = ("-c", "user.name=t", "-c", "user.email=t@t")
    assert program.run("git", *identity, *arguments, cwd=folder).returncode == 0


def test_says_what_this_process_runs_on():
    found = env.environment()
    assert set(found) == NAMES
    assert all(isinstance(value, str) for value in found.values())
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["torch"] == torch.__version__
    assert found["numpy"] == np.__version__
    assert found["device"] == "cpu"
    assert found["cpu"] and found["cpu_capability"]
    assert found["scikit_learn"] == sklearn.__version__
    assert found["onednn"] in torch.__config__.show()
    assert found["interop_threads"] == str(torch.get_num_interop_threads())
    assert found["cuda"] == ""
    json.dumps(found, allow_nan=False)


def test_is_steady_and_follows_the_thread_count():
    threads = torch.get_num_threads()
    first = env.environment()
    try:
        torch.set_num_threads(threads + 1)
        second = env.environment()
    finally:
        torch.set_num_threads(threads)
    assert first["threads"] == str(threads)
    assert second == {**first, "threads": str(threads + 1)}


def test_what_holds_the_libraries_back_is_said():
    """In a process of its own: a library reads these variables when it is loaded."""
    code = "from harness.env import environment; print(environment()['cpu_limits'])"
    variables = {**os.environ, "MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
    answer = program.run(sys.executable, "-c", code, env=variables)
    assert answer.stdout.strip().endswith("MKL_CBWR=AVX2 OPENBLAS_CORETYPE=Haswell")


def test_callers_cannot_spoil_the_cache():
    env.environment()["torch"] = "spoilt"
    assert env.environment()["torch"] == torch.__version__


def test_commit_names_head_and_changes_to_tracked_files(tmp_path):
    assert env._commit(tmp_path) == ""
    git(tmp_path, "init", "-q")
    assert env._commit(tmp_path) == ""  # no commit yet
    (tmp_path / "a.txt").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "-a", "v1", "-m", "v1")
    clean = env._commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "untracked.txt").write_text("x")
    assert env._commit(tmp_path) == clean
    (tmp_path / "a.txt").write_text("two")
    assert env._commit(tmp_path) == f"{clean}-dirty"


def test_a_missing_git_is_no_error(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert env._commit(tmp_path) == ""


def test_devices_that_are_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert env.resolve_device("cpu") == torch.device("cpu")
    assert env.resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert env.resolve_device("auto") == torch.device("cuda")
    assert env.resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match=r"'cuda:2': this machine has 2"):
        env.resolve_device("cuda:2")


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(UsageError, match="is built without cuda") as caught:
        env.resolve_device("cuda")
    assert caught.value.hint == "--device cpu"
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with pytest.raises(UsageError, match="finds no cuda device"):
        env.resolve_device("cuda")


@pytest.mark.parametrize("text", ["gpu", "", "cpu:0", "cuda:x", "cuda:-1"])
def test_device_names_that_are_none(text):
    with pytest.raises(UsageError, match="unknown device"):
        env.resolve_device(text)


def test_cores_are_those_this_process_may_use(monkeypatch):
    found = env.usable_cores()
    assert 1 <= found <= os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
        assert env.usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # macOS, Windows
    assert env.usable_cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert env.usable_cores() == 1


# Linux plays Windows as far as it can: our modules get none of these modules and calls.
WINDOWS = """
import builtins, multiprocessing, os, sys, types
plain = builtins.__import__
def imported(name, globals=None, *rest, **named):
    if name in ("fcntl", "resource", "pwd", "grp") and globals["__name__"].startswith("harness"):
        raise ImportError(name)
    return plain(name, globals, *rest, **named)
builtins.__import__ = imported
del os.sched_getaffinity, os.getloadavg
locked = []
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *_: locked.append(_))
sys.platform, platform = "win32", sys.platform
import harness.results.lock
sys.platform = platform
del sys.modules["msvcrt"]
from harness.__main__ import main
"""


@pytest.mark.slow
def test_commands_need_nothing_that_only_some_systems_have(tmp_path):
    write_images(tmp_path / "photos" / "0_real", range(4))
    write_images(tmp_path / "photos" / "1_fake", range(4, 8))
    code = f"""{WINDOWS}
data = ["--images", "photos", "--out", "out"]
assert main(["run", "--method", "chance", *data]) == 0
assert main(["check", *data]) == 0
assert main(["check", "--audit", *data]) == 0
assert main(["score", "photos", "--method", "chance"]) == 0
assert main(["bench", "--method", "lfm:untrained", "--n", "2", "--rounds", "1"]) in (0, 1)
assert locked
"""
    environment = {**os.environ, "PYTHONPATH": str(program.CHECKOUT), "OMP_NUM_THREADS": "1"}
    done = program.run(sys.executable, "-c", code, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr


def test_memory_and_load_where_nobody_tells(monkeypatch):
    assert env.peak_memory() > 50 * 2**20
    assert env.load_average() >= 0
    monkeypatch.setattr(env, "Path", lambda _: NOT_LINUX)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert env.peak_memory() is None
    monkeypatch.delattr(os, "getloadavg")
    assert env.load_average() is None


class _Absent:
    def is_file(self):
        return False


NOT_LINUX = _Absent()
