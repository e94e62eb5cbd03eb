"""The environment of a record: complete, steady, and devices refused with a reason."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import sklearn
import torch

from harness import env
from harness.errors import UsageError

NAMES = {
    *("python", "platform", "torch", "torchvision", "timm", "numpy", "scipy", "scikit_learn"),
    *("onnxruntime", "pillow", "libjpeg_turbo", "zlib", "webp", "blas", "onednn", "numpy_blas"),
    *("cpu", "cpu_flags", "cpu_capability", "cpu_limits", "threads", "interop_threads", "device"),
    *("cuda", "commit"),
}


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


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
    program = "from harness.env import environment; print(environment()['cpu_limits'])"
    variables = {**os.environ, "MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True
    )
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
