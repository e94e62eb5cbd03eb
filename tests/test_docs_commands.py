"""Every command and every file that the documents show is run, in a folder made as they say.

In the order of the pages: a command may need what one above it on its page has made.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import baselines
import harness.suites
from harness.__main__ import command_line, command_names, main, named
from harness.api import DetectorSpec
from harness.checkpoints.files import sha256_of
from harness.commands import _sources
from harness.data.adapters import subset_folder
from harness.registry import detectors as registry
from harness.registry import suites
from harness.training import datasets
from tests import docs_rules, sources
from tests.conftest import CHECKOUT, marked, noise, write_images
from tests.docs_rules import ELSEWHERE, RULES, Command, commands, folders, is_slow, small

IMAGES = 2
"""In every class folder that the documents name."""

TYPED = commands()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which a reader types: the documents' files and folders, and finished runs."""
    root = tmp_path_factory.mktemp("reader")
    with contextlib.ExitStack() as after, pytest.MonkeyPatch.context() as patch:
        after.callback(
            _scan_again
        )  # whatever fails here, other tests meet no detector of the pages
        patch.chdir(root)
        _write_what_the_documents_show()
        shutil.copytree(CHECKOUT / "tables", root / "tables")
        patch.setattr(_sources, "TABLES", root / "tables")  # where tables go when nobody says where
        patch.setenv("PYTHONPATH", str(CHECKOUT))  # of trainings, which are processes
        patch.setenv("LFM_WEIGHTS", str(root / "weights"))
        patch.delenv("LFM_DATA", raising=False)
        patch.setattr(baselines, "__path__", [*baselines.__path__, str(root / "baselines")])
        places = [*harness.suites.__path__, str(root / "harness/suites")]
        patch.setattr(harness.suites, "__path__", places)
        _scan_again()
        patch.setitem(registry.detectors(), "lfm", _with_stand_in(root / "weights"))
        _finished_runs()
        before = _committed_tables()
        yield root
        assert _committed_tables() == before, "a command wrote outside of the prepared folder"


def _committed_tables() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted((CHECKOUT / "tables/out").iterdir())}


def _scan_again() -> None:
    registry.detectors.cache_clear()
    suites.all_suites.cache_clear()


def _write_what_the_documents_show() -> None:
    for fence in docs_rules.all_fences():
        if fence.language == "text" and fence.name:
            for folder in folders(fence):
                write_images(folder, range(IMAGES))
        elif fence.name:
            Path(fence.name).parent.mkdir(parents=True, exist_ok=True)
            Path(fence.name).write_text(fence.text, encoding="utf-8")
    _pack(Path("photos"))
    Path("holiday").mkdir()
    for number, name in enumerate(("photo.jpg", "holiday/beach.jpg", "holiday/hill.jpg")):
        Image.fromarray(noise(number)).save(name)


def _pack(folder: Path) -> None:
    """The reader's photos once more, as the archives and tables that the documents show."""
    images = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.png"))
    }
    sources.zipped(images, folder)
    sources.parquet(images, folder)
    Path("shards").mkdir()
    for number in range(2):
        part = {name: data for name, data in images.items() if f"00{number}" in name}
        sources.shards(part, Path(f"shards/test-000{number}"))


def _with_stand_in(folder: Path) -> DetectorSpec:
    """LFM with seeded random weights in the published checkpoint's place, under their own hash."""
    spec = registry.detector("lfm")
    (published,) = spec.weights
    folder.mkdir()
    torch.manual_seed(0)
    state = {name: value.clone() for name, value in spec.build().state_dict().items()}
    path = folder / "stand-in.safetensors"
    save_file(state, path, metadata=marked("lfm"))
    known = {"filename": path.name, "sha256": sha256_of(path), "size": path.stat().st_size}
    return replace(spec, weights=(replace(published, **known),))


def _finished_runs() -> None:
    """What commands that read kept scores, or trained weights, need."""
    train = ["train", "--method", "gap", "--train-suite", "mini-train", "--epochs", "1"]
    assert main([*train, "--progress", "none"]) == 0
    trained = ["--weights", "runs/training/mini-train"]
    methods = ["--method", "lfm:released,gap,chance"]
    assert main(["run", *methods, "--suite", "mini", *trained, "--resamples", "50"]) == 0


def _name(command: Command) -> str:
    return f"{command.where} {command.typed}"


def _run_here() -> list[Any]:
    return [
        pytest.param(c, marks=pytest.mark.slow if c.ours and is_slow(c.ours) else (), id=_name(c))
        for c in TYPED
        if c.typed not in ELSEWHERE
    ]


@pytest.mark.parametrize("command", _run_here())
def test_it_runs(command: Command, prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.ours is not None, "run it here, or give the reason in docs_rules.ELSEWHERE"
    words, codes = small(command.ours)
    assert main(words) in codes, capsys.readouterr().err
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("typed", ELSEWHERE)
def test_what_is_run_elsewhere_is_in_the_documents_and_parses(typed: str) -> None:
    assert typed in {command.typed for command in TYPED}, "no document has it any more"
    words = Command(where="", typed=typed).ours
    if words is not None:
        name, rest = named(words)
        command_line(name).read(rest)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.match)
def test_every_rule_is_needed(rule: docs_rules.Rule) -> None:
    typed = [" ".join(c.ours) for c in TYPED if c.ours and c.typed not in ELSEWHERE]
    assert any(re.search(rule.match, f"{text} ") for text in typed)


@pytest.mark.parametrize("page", docs_rules.PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_exist_with_their_flags(page: Path) -> None:
    for text in re.findall(r"`python -m harness ([^`\\]+)\\?`", page.read_text(encoding="utf-8")):
        name, words = named(text.split())
        if name in ("COMMAND", "..."):
            continue
        assert name in command_names(), text
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert flags <= set(command_line(name)._option_string_actions), text


def test_every_command_is_documented() -> None:
    page = (CHECKOUT / "docs/commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"python -m harness ((?:dev )?[a-z-]+)", page)) >= set(command_names())


@pytest.mark.parametrize("fence", docs_rules.all_fences(), ids=lambda f: f"{f.page.name}:{f.line}")
def test_every_block_says_what_it_is(fence: docs_rules.Fence) -> None:
    known = {"text", "python", "toml", "csv", "bash"} if fence.name else {"sh", "text"}
    assert fence.language in known


def test_the_folders_that_data_md_asks_for_are_those_that_are_found(prepared: Path) -> None:
    for root, text in (("data", "paper"), ("original", "ufd")):
        for selection in suites.parse_selection(text):
            place = suites.find_root(selection.suite, Path(root))
            for subset in selection.subsets:
                samples = selection.suite.adapter(selection.suite, subset, place)
                assert {sample.label for sample in samples} == {0, 1}, subset.name
    later = (
        "genimage,aigcdetect,chameleon,wildrf,aigibench,drct2m,synthbuster,synthwildx,evalgen,mnw"
    )
    found: dict[str, int] = {}
    for selection in suites.parse_selection(f"{later},evalgen,mnw", Path("later")):
        place = suites.find_root(selection.suite, Path("later"))
        for subset in selection.subsets:
            if subset_folder(subset, place) is not None:
                samples = selection.suite.adapter(selection.suite, subset, place)
                labels = {1} if selection.suite.name in ("evalgen", "mnw") else {0, 1}
                assert {sample.label for sample in samples} == labels, subset.name
                found[selection.suite.name] = found.get(selection.suite.name, 0) + 1
    assert [*found.values()] == [2, 3, 1, 3, 2, 2, 2, 3, 5, 1]
    training = datasets.declared("forensynths-train", data_root=Path("data"))
    assert training.train.n_real == training.train.n_fake == 4 * IMAGES
