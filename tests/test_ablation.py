"""``python -m harness ablation``: specs, cells from nothing to a table, going on after a stop."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.__main__ import INTERRUPTED, main
from harness.ablation import trials
from harness.ablation.spec import AblationSpec, checked_seeds, load
from harness.commands import _ablation as ablation
from harness.engine.scorer import Compute
from harness.errors import UsageError
from harness.evaluation.matrix import Matrix
from harness.evaluation.plan import Settings
from harness.registry import detectors as registry
from harness.training import run_folder
from harness.training.jobs import ChildJob, ChildOutcome, run_jobs
from tests.conftest import CHECKOUT
from tests.training import tiny

SPECS = CHECKOUT / "tables" / "specs" / "ablation"

AXES = """
[axes.pooling]
topk = { pooling = "topk" }
gap = { pooling = "gap" }
[axes.K]
16 = { k = 16 }
4 = { k = 4 }
[only]
K = { pooling = ["topk"] }
"""
SMALL = """
name = "small"
detector = "lfm"
train_data = "train"
val_data = "val"
images = "test"
seeds = [0, 1]
reference = "TKP"
options = { order = "ascending", p_min = 0.0, p_max = 0.0 }
rows = [{ label = "TKP", K = 4 }, { label = "GAP", pooling = "gap" }]
"""
RECIPE = """
[recipe]
epochs = 1
batch_size = 4
train_preprocess = "native"
val_preprocess = "native"
"""


def read(tmp_path: Path, text: str) -> AblationSpec:
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return load(path)


# --- specs ----------------------------------------------------------------------------------------


def test_a_row_takes_the_first_level_of_what_it_does_not_name(tmp_path: Path) -> None:
    spec = read(tmp_path, SMALL + AXES + RECIPE)
    base = {"order": "ascending", "p_min": 0.0, "p_max": 0.0}
    assert [(row.label, dict(row.options)) for row in spec.rows] == [
        ("TKP", {**base, "pooling": "topk", "k": 4}),
        ("GAP", {**base, "pooling": "gap", "k": 16}),
    ]
    assert spec.rows[0].variant == "k=4,order=ascending,p_max=0.0,p_min=0.0,pooling=topk"
    assert (spec.seeds, spec.reference, spec.recipe["epochs"]) == ((0, 1), "TKP", 1)


def test_without_axes_a_row_says_its_options(tmp_path: Path) -> None:
    head = 'name = "x"\ndetector = "lfm"\noptions = { order = "ascending" }\n'
    rows = 'rows = [{ label = "four", k = 4 }, { label = "GAP", pooling = "gap" }]\n'
    assert [dict(row.options) for row in read(tmp_path, head + rows).rows] == [
        {"order": "ascending", "k": 4},
        {"order": "ascending", "pooling": "gap"},
    ]


def test_a_grid_has_every_combination_that_makes_sense_once(tmp_path: Path) -> None:
    spec = read(tmp_path, 'name = "x"\ndetector = "lfm"\ngrid = ["pooling", "K"]\n' + AXES)
    assert [row.label for row in spec.rows] == [
        "pooling topk, K 16",
        "pooling topk, K 4",
        "pooling gap",
    ]
    assert spec.reference == "pooling topk, K 16"


def test_a_named_row_keeps_its_label_in_a_grid(tmp_path: Path) -> None:
    head = 'name = "x"\ndetector = "lfm"\ngrid = ["K"]\nrows = [{ label = "four", K = 4 }]\n'
    assert [row.label for row in read(tmp_path, head + AXES).rows] == ["four", "K 16"]


def test_the_core_spec_has_the_rows_that_the_paper_names() -> None:
    core = load(SPECS / "core.toml")
    assert (core.name, core.train, core.suite, core.seeds) == (
        "ablation-core",
        "mini-train",
        "mini",
        (0, 1, 2),
    )
    poolings = [row.options["pooling"] for row in core.rows]
    assert set(poolings) == {"gap", "attention", "max", "topk"}
    others = load(SPECS / "k.toml").rows
    assert {(row.options["k"], row.options["residual"]) for row in others} == {
        *((k, True) for k in (1, 4, 16, 64)),
        (16, False),
    }


def test_the_full_spec_is_the_whole_grid() -> None:
    rows = load(SPECS / "full.toml").rows
    # topk: 3 RBLD x 2 RKS x 4 K x 2 inputs; gap and attention: 2 RKS x 2 inputs. Max is K = 1.
    assert len(rows) == 3 * 2 * 4 * 2 + 2 * 2 * 2


@pytest.mark.parametrize("name", ["core", "k", "full"])
def test_every_row_of_our_specs_is_built(name: str, tmp_path: Path) -> None:
    spec = load(SPECS / f"{name}.toml")
    planned = trials.plan(spec, trials.training_data(spec, tmp_path), tmp_path)
    assert len(planned) == len(spec.rows) * 3
    assert len({cell.folder for cell in planned}) == len(planned)


@pytest.mark.parametrize("name", ["core", "k"])
def test_the_reference_row_is_lfm_as_it_is_trained_elsewhere(name: str) -> None:
    core = load(SPECS / f"{name}.toml")
    row = next(row for row in core.rows if row.label == core.reference)
    default = next(iter(registry.detector("lfm").variants.values()))
    assert {name: row.options[name] for name in default} == default


WRONG = {
    "not TOML": ("name = ", "cannot be read"),
    "an unknown key": ('nam = "x"', "unknown key 'nam'"),
    "a key of another kind": ("name = 3", "name is 3, expected a str"),
    "no name": ('detector = "lfm"', "it has no name"),
    "no rows": ('name = "x"\ndetector = "lfm"', "it has no rows"),
    "an unknown reference": (SMALL.replace('"TKP"\n', '"TPK"\n') + AXES, "unknown reference row"),
    "an unknown level": (SMALL.replace("K = 4", "K = 5") + AXES, "unknown level of K '5'"),
    "an unknown axis": (SMALL.replace("K = 4", "Q = 4") + AXES, "unknown axis 'Q'"),
    "a row without a label": (SMALL.replace('label = "GAP", ', "") + AXES, "with a label"),
    "a level where it means nothing": (
        SMALL.replace('pooling = "gap"', 'pooling = "gap", K = 4') + AXES,
        "K is not varied here",
    ),
    "two rows alike": (SMALL.replace('pooling = "gap"', "K = 4") + AXES, "two rows have the same"),
    "one option from two axes": (
        SMALL + AXES.replace("[axes.K]", "[axes.Q]\na = { k = 1 }\n[axes.K]"),
        "the option k is set by",
    ),
    "an axis that is no table": (SMALL + "[axes]\nK = 4\n", "expected levels"),
    "a level that is no table": (SMALL + "[axes.K]\n4 = 4\n", "level 4 is 4, expected a table"),
    "a condition on no level": (SMALL + AXES.replace('["topk"]', '["top"]'), "unknown level of"),
    "a condition that is no list": (SMALL + AXES.replace('["topk"]', '"topk"'), "expected a list"),
    "seeds twice": (SMALL.replace("[0, 1]", "[0, 0]") + AXES, "seeds are different whole numbers"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_spec_is_refused_with_its_file_named(wrong: str, tmp_path: Path) -> None:
    text, message = WRONG[wrong]
    with pytest.raises(UsageError) as raised:
        read(tmp_path, text)
    assert message in raised.value.message
    assert "spec.toml" in raised.value.message


def test_a_spec_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.toml cannot be read"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize("seeds", [[], [0, 0], [-1], ["a"], [0.5], [True]])
def test_seeds_are_different_whole_numbers(seeds: list[object]) -> None:
    with pytest.raises(UsageError, match="whole numbers"):
        checked_seeds(seeds)


# --- from nothing to a table ----------------------------------------------------------------------


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two rows, two seeds; eight training pictures and two sets of four test pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # main() sets a handler
    tiny.write_class_folders(tmp_path / "train", 4, side=48)
    tiny.write_class_folders(tmp_path / "val", 2, first=50, side=48)
    for number, name in enumerate(("one", "two")):
        tiny.write_class_folders(tmp_path / "test" / name, 2, first=60 + number, side=48)
    path = tmp_path / "small.toml"
    path.write_text(SMALL + AXES + RECIPE)
    return path


def in_this_process(
    stop_after: int = 99,
) -> Callable[[Sequence[ChildJob], int], list[ChildOutcome]]:
    """The job runner without child processes; Ctrl-C after so many jobs."""

    def run(jobs: Sequence[ChildJob], parallel: int) -> list[ChildOutcome]:
        outcomes = []
        for number, job in enumerate(jobs):
            if number == stop_after:
                raise KeyboardInterrupt
            outcomes.append(ChildOutcome(job=job, exit_code=main(list(job.command[3:]))))
        return outcomes

    return run


FORMATS = ("md", "tex", "html", "csv")


def state(folder: Path) -> dict[str, int]:
    """Every trained network and prediction file with the time it was written."""
    found = [*folder.rglob("weights.safetensors"), *folder.rglob("predictions/**/*.parquet")]
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in found}


def test_a_stopped_ablation_goes_on_and_does_nothing_twice(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ablation, "run_jobs", in_this_process(stop_after=2))
    assert main(["ablation", "small.toml", "--out", "out"]) == INTERRUPTED
    half = state(Path("out"))
    assert len(half) == 2 + 2 * 2  # two cells, each on two sets

    asked: list[list[str]] = []
    runner = in_this_process()
    monkeypatch.setattr(
        ablation,
        "run_jobs",
        lambda jobs, n: asked.append([j.name for j in jobs]) or runner(jobs, n),
    )
    assert main(["ablation", "small.toml", "--out", "out"]) == 0
    assert asked == [["GAP seed 0", "GAP seed 1"]]
    whole = state(Path("out"))
    assert len(whole) == 4 + 4 * 2
    assert half.items() <= whole.items()

    tables = {path: path.read_bytes() for path in Path("out/tables").iterdir()}
    monkeypatch.setattr(ablation, "run_jobs", None)  # nothing is left to run
    capsys.readouterr()
    assert main(["ablation", "small.toml", "--out", "out"]) == 0
    assert state(Path("out")) == whole
    assert {path: path.read_bytes() for path in Path("out/tables").iterdir()} == tables
    assert sorted(capsys.readouterr().out.split()) == sorted(map(str, tables))
    written = "small", "small-tests"
    assert {p.name for p in tables} == {f"{n}.{e}" for n in written for e in FORMATS}


def test_children_make_the_same_cells_and_a_changed_recipe_is_trained_anew(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh() -> list[str]:
        planned = plan(spec, seeds=(0,), out=Path("out"))
        return [cell.row for cell in planned if cell.is_trained]

    one_cell = ["ablation", "small.toml", "--out", "out", "--seeds", "0"]
    assert main([*one_cell, "--cell", "TKP"]) == 0
    assert fresh() == ["TKP"]
    started: list[str] = []

    def real(jobs: Sequence[ChildJob], parallel: int) -> list[ChildOutcome]:
        started.extend(job.name for job in jobs)
        return run_jobs(jobs, parallel)

    monkeypatch.setattr(ablation, "run_jobs", real)
    assert main([*one_cell, "--jobs", "1"]) == 0
    assert started == ["GAP seed 0"]
    assert fresh() == ["TKP", "GAP"]
    spec.write_text(spec.read_text().replace("epochs = 1", "epochs = 2"))
    assert fresh() == []


def plan(path: Path, seeds: tuple[int, ...], out: Path) -> list[trials.Trial]:
    spec = replace(load(path), seeds=seeds)
    return trials.plan(spec, trials.training_data(spec, out), out)


def test_a_row_is_scored_with_its_own_options_and_named_in_its_records(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "run_jobs", in_this_process())
    assert main(["ablation", "small.toml", "--out", "out", "--seeds", "3"]) == 0
    planned = plan(spec, (3,), Path("out"))
    for cell in planned:
        record = run_folder.read(cell.folder)
        assert record is not None
        assert record["options"] == cell.training.options
        assert record["recipe"]["epochs"] == 1
        changed = {change["field"] for change in record["deviations"]}
        assert changed == {"epochs", "batch_size", "train_preprocess", "val_preprocess"}
    selections = trials.selections_of(load(spec))
    settings = Settings(out=Path("out"), compute=Compute(device=torch.device("cpu")))
    runs: list[Matrix] = []
    original = Matrix.run
    monkeypatch.setattr(
        Matrix, "run", lambda self, chosen: runs.append(self) or original(self, chosen)
    )
    records = trials.score(planned, selections, settings)
    assert [matrix.computed for matrix in runs] == [0]  # all kept
    assert list(records) == [("TKP", 3), ("GAP", 3)]
    for cell in planned:
        (record_,) = records[cell.row, 3]
        assert record_.variant == cell.training.variant
        assert [subset.status for subset in record_.subsets] == ["ok", "ok"]


def test_a_failed_cell_is_a_hole_and_the_others_are_shown(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_fails(jobs: Sequence[ChildJob], parallel: int) -> list[ChildOutcome]:
        fine = [job for job in jobs if job.name != "GAP seed 1"]
        failed = next(job for job in jobs if job.name == "GAP seed 1")
        return [*in_this_process()(fine, 1), ChildOutcome(job=failed, exit_code=1, tail="no room")]

    monkeypatch.setattr(ablation, "run_jobs", one_fails)
    assert main(["ablation", "small.toml", "--out", "out", "--to", "shown"]) == 1
    with Path("shown/small.csv").open() as file:
        lines = list(csv.DictReader(file))
    by_row = {line["row"]: line for line in lines if line["metric"] == "AP"}
    assert by_row["TKP (reference)"]["status"] == "measured"
    assert by_row["TKP (reference)"]["seeds"] == "2"
    assert by_row["GAP"]["status"] == "hole"
    assert by_row["GAP"]["reason"] == "seed 1: not trained"
    with Path("shown/small-tests.csv").open() as file:
        assert {line["status"] for line in csv.DictReader(file)} == {"hole"}


def test_a_test_set_that_cannot_be_scored_is_reported(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    next(Path("test/two/1_fake").iterdir()).write_bytes(b"no picture")
    monkeypatch.setattr(ablation, "run_jobs", in_this_process())
    assert main(["ablation", "small.toml", "--out", "out", "--seeds", "0"]) == 1
    assert "failed: TKP seed 0 on" in capsys.readouterr().err
    assert "failed" in Path("out/tables/small.md").read_text()


WRONG_FLAGS = {
    "an unknown test set": (["--suite", "nothing"], "unknown suite"),
    "two training sets": (
        ["--train-suite", "mini-train", "--train-data", "train"],
        "training data",
    ),
    "an unknown training set": (["--train-suite", "maxi"], "unknown training set"),
}


@pytest.mark.parametrize("wrong", WRONG_FLAGS)
def test_wrong_flags_are_refused(
    wrong: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, message = WRONG_FLAGS[wrong]
    assert main(["ablation", "small.toml", "--out", "out", *flags]) == 2
    assert message in capsys.readouterr().err


def test_wrong_options_and_recipes_are_refused_before_anything_is_trained(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = spec.read_text()
    for old, new, message in (
        ('topk = { pooling = "topk" }', 'topk = { pooling = "median" }', "row 'TKP': lfm cannot"),
        ("epochs = 1", "epoch = 1", "unknown field of a recipe 'epoch'"),
        ("epochs = 1", 'epochs = "many"', "--epochs"),
        ('detector = "lfm"', 'detector = "chance"', "has no recipe"),
        ('detector = "lfm"', 'detector = "lmf"', "unknown detector 'lmf'"),
    ):
        spec.write_text(text.replace(old, new))
        assert main(["ablation", "small.toml", "--out", "out"]) == 2
        assert message in capsys.readouterr().err
    assert not Path("out/training").exists()


def test_flags_win_over_the_spec_and_the_command_is_printed(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "run_jobs", in_this_process())
    flags = ["--out", "out", "--seeds", "5", "--epochs", "2", "--images", "test/one"]
    assert main(["ablation", "small.toml", *flags, "--to", "shown"]) == 0
    command = f"python -m harness ablation small.toml {' '.join(flags)} --to shown"
    text = Path("shown/small.md").read_text()
    assert f"Made by: {command}" in text
    assert "1 training seed (5)" in text
    folders = [path.parent for path in Path("out").rglob("run.json")]
    records = [run_folder.read(folder) for folder in folders]
    assert [r["recipe"]["epochs"] for r in records if r] == [2, 2]
