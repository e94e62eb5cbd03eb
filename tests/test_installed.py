"""Installed as a wheel or from a checkout (-e), and used in a folder that is neither."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import harness
from tests import program
from tests.conftest import write_images
from tests.copies import contents, copy_checkout, ours

pytestmark = pytest.mark.slow
BUILDER = "harness/suites/mini/builder/"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An installed program.

    Args:
        commands: folder of ``python`` and ``lfm-bench``.
        code: the folder where Python must find it, with all that it comes with.
        reader: the folder where it is used.
        is_copy: a wheel's; else it is that of a checkout.
    """

    commands: Path
    code: Path
    reader: Path
    is_copy: bool

    def run(self, *command: str) -> CompletedProcess[str]:
        """``lfm-bench ...`` or ``python ...``, typed in the reader's folder."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("LFM_", "PYTHON"))}
        return program.run(
            self.commands / command[0],
            *command[1:],
            cwd=self.reader,
            env={**plain, "OMP_NUM_THREADS": "1"},
        )

    def works(self, *command: str) -> str:
        """What a command prints that must succeed."""
        done = self.run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("source") / "checkout")


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    left = source / "build" / "lib" / "baselines" / "deleted_since.py"  # by an earlier build
    left.parent.mkdir(parents=True)
    left.touch()
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def editable(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``pip install -e`` makes for itself to install."""
    folder = tmp_path_factory.mktemp("editable-wheel")
    code = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    done = program.run(sys.executable, "-c", code, folder, cwd=source)
    assert done.returncode == 0, done.stderr
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    root = tmp_path_factory.mktemp(request.param)
    done = program.run(sys.executable, "-m", "venv", "--without-pip", root / "venv")
    assert done.returncode == 0, done.stderr
    python = root / "venv" / "bin" / "python"
    is_copy = request.param == "wheel"
    what = request.getfixturevalue("wheel" if is_copy else "editable")
    _pip("--python", python, "install", "--no-deps", "--no-index", what)
    (packages,) = (root / "venv").glob("lib/python*/site-packages")
    # Only now, or pip would take the program that runs this test for an older one to remove. A
    # folder that a .pth file names has none of its own .pth files read: its -e is not followed.
    names = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (packages / "zz_of_the_test.pth").write_text("".join(f"{name}\n" for name in names))
    (root / "reader").mkdir()
    return Installed(
        commands=python.parent,
        code=packages if is_copy else request.getfixturevalue("source"),
        reader=root / "reader",
        is_copy=is_copy,
    )


def _pip(*words: object) -> None:
    done = program.run(sys.executable, "-m", "pip", *words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wheel_holds_what_the_program_needs_and_no_more(wheel: Path) -> None:
    expected = {n for n in ours() if n.startswith(("harness/", "lfm/", "baselines/"))}
    expected = {name for name in expected if not name.startswith(BUILDER)}
    tables = {n for n in ours() if n.startswith("tables/") and not n.startswith("tables/out/")}
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert names == expected | {f"harness/{name}" for name in tables}


def test_it_works_in_another_folder_and_leaves_the_installation_alone(installed: Installed) -> None:
    write_images(installed.reader / "photos", range(1))
    before = contents(installed.code)
    code = "import harness, lfm, baselines; print(harness.__file__)"
    assert Path(installed.works("python", "-c", code).strip()).parent == installed.code / "harness"
    listed = installed.works("lfm-bench", "list")
    assert str(installed.code / "harness" / "suites" / "mini" / "data") in listed
    assert listed == installed.works("python", "-m", "harness", "list")
    assert "000.png" in installed.works("lfm-bench", "score", "photos", "--method", "chance")
    installed.works("lfm-bench", "run", "--method", "chance", "--suite", "mini", "--limit", "2")
    installed.works("lfm-bench", "tables")
    installed.works("lfm-bench", "figures")
    installed.works("lfm-bench", "report")
    assert {path.name for path in installed.reader.iterdir()} == {"photos", "runs", "report"}
    rendered = {path.name for path in (installed.reader / "runs" / "tables").iterdir()}
    assert {"summary.md", "mini-sets.csv", "paper_inconsistencies.md"} <= rendered
    page = (installed.reader / "report" / "index.html").read_text(encoding="utf-8")
    assert "chance" in page
    assert contents(installed.code) == before


def test_records_name_the_version_where_there_is_no_commit(installed: Installed) -> None:
    flags = ("--method", "chance", "--suite", "mini:gan_tconv", "--limit", "1", "--out", "other")
    installed.works("lfm-bench", "run", *flags)
    (record,) = (installed.reader / "other" / "results").rglob("*.json")
    environments = json.loads(record.read_text(encoding="utf-8"))["made"].values()
    expected = f"lfm-bench {harness.__version__}" if installed.is_copy else ""
    assert {each["environment"]["commit"] for each in environments} == {expected}


def test_what_is_said_to_type_is_right_where_it_is_said(installed: Installed) -> None:
    code = "from harness.installed import install_hint; print(install_hint('onnx'))"
    assert installed.works("python", "-c", code) == "pip install 'lfm-bench[onnx]'\n"
    done = installed.run("lfm-bench", "dev", "docs", *([] if installed.is_copy else ["--help"]))
    if installed.is_copy:
        assert done.returncode == 2
        assert "this copy is installed\n  next: python -m harness dev docs --to" in done.stderr
        assert not (installed.reader / "docs").exists()


def test_what_comes_with_it_is_named_as_in_the_checkout(installed: Installed) -> None:
    spec = "tables/specs/ablation/core.toml"
    done = installed.run("lfm-bench", "ablation", spec, "--cell", "no-such-row")
    assert "unknown row 'no-such-row'" in done.stderr  # so the spec was read
    before = contents(installed.code)
    flags = ("--method", "chance", "--suite", "mini:gan_tconv", "--out", "whole")
    installed.works("lfm-bench", "run", *flags, "--resamples", "0")
    flags = ("--against", "tables/expected", "--suite", "mini", "--method", "chance")
    compared = installed.works("lfm-bench", "diff", "--out", "whole", "--brief", *flags)
    assert "equal: 2 " in compared
    assert contents(installed.code) == before
