"""The commands tables, diff and paper, end to end on a small output folder."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.commands import _sources
from harness.errors import SchemaError
from harness.report.tables.paper import NetworkCost
from harness.results.paths import TABLES
from harness.results.records import SubsetResult
from harness.results.store import save_record

from ..evidence import keep, scores_of
from .synthetic import SPECS, mini_record, paper_like


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    save_record(folder, paper_like("gangen", shift=-3))
    save_record(folder, mini_record("lfm", 0, 0.9, 0.8))
    return folder


def test_tables(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "rendered"
    costs = {"costs": [{"detector": "lfm", "counts": {"macs": 2_000_000_000, "parameters": 5e5}}]}
    (out / "cost.json").write_text(json.dumps(costs), encoding="utf-8")
    assert main(["tables", "--out", str(out), "--to", str(to)]) == 0
    written = capsys.readouterr().out.split()
    assert len(written) == 4 * len(SPECS) + 2
    assert all(Path(name).is_file() for name in written)
    with (to / "summary.csv").open(newline="", encoding="utf-8") as file:
        cells = {(r["row"], r["column"], r["metric"]): r for r in csv.DictReader(file)}
    assert cells["LFM", "flops", "FLOPs"]["value"] == "2.0000"
    assert cells["LFM", "Test Set2", "ACC"]["value"] == "95.2333"
    assert "LFM (1 seed)" in (to / "mini-groups.md").read_text(encoding="utf-8")
    assert "seed" not in (to / "gangen.md").read_text(encoding="utf-8")


def test_the_page_shows_ones_own_ablation_or_else_the_committed_one(
    out: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page"
    words = ["report", "--out", str(out), "--to", str(page)]
    assert main(words) == 0
    assert "ablation-core: " in (page / "index.html").read_text(encoding="utf-8")
    own = out / "ablation" / "tables"
    own.mkdir(parents=True)
    committed = (TABLES / "out" / "ablation-core.csv").read_bytes()
    (own / "ablation-mine.csv").write_bytes(committed)
    assert main(words) == 0
    text = (page / "index.html").read_text(encoding="utf-8")
    assert "ablation-mine: " in text
    assert "ablation-core: " not in text


def test_one_table(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "rendered"
    assert main(["tables", "--out", str(out), "--to", str(to), "--table", "ufd"]) == 0
    assert sorted(p.name for p in to.iterdir()) == ["ufd.csv", "ufd.html", "ufd.md", "ufd.tex"]
    capsys.readouterr()
    assert main(["tables", "--out", str(out), "--to", str(to), "--table", "udf"]) == 2
    assert "did you mean 'ufd'" in capsys.readouterr().err


def test_diff_against_the_paper(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "the records show no reason" in text
    assert main(["diff", "--out", str(out), "--fail-over", "2"]) == 1
    assert "comparable numbers are off by more than 2.0 points" in capsys.readouterr().out
    assert main(["diff", "--out", str(out), "--fail-over", "5"]) == 0
    capsys.readouterr()
    assert main(["diff", "--out", str(out), "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    found = {(c["suite"], c["detector"], c["column"], c["metric"]): c for c in cells}
    cell = found["gangen", "lfm", "BEGAN", "ACC"]
    assert cell["delta"] == pytest.approx(-3)
    assert cell["status"] == "off"
    assert not any(c["suite"] == "mini" for c in cells)


def test_diff_against_a_run(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    save_record(other, paper_like("gangen", shift=-5, version=2))
    arguments = ["diff", "--out", str(out), "--against", str(other)]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "other version: 1, there 2" in text
    assert "settings and environments that differ:" in text
    assert "not compared" not in text
    assert main([*arguments, "--fail-over", "1"]) == 1
    assert main([*arguments, "--fail-over", "2.5"]) == 0
    assert main(["diff", "--out", str(out), "--against", str(tmp_path / "nothing")]) == 2


def test_a_check_against_a_run_cannot_pass_on_nothing(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--against", str(out), "--fail-over", "0.5"]
    assert main(["diff", "--out", str(tmp_path / "empty"), *flags]) == 1
    text = capsys.readouterr().out
    assert f"in {out} and not in {tmp_path / 'empty'}: gangen  lfm:released (attgan ACC, " in text
    assert "mini  lfm:mini-train/seed0 (gan_tconv ACC, gan_tconv AP, " in text
    assert "no comparable number: not here" in text
    assert main(["diff", "--out", str(out), *flags]) == 0
    save_record(tmp_path / "part", paper_like("gangen", shift=-3))
    assert main(["diff", "--out", str(tmp_path / "part"), *flags]) == 1
    assert "no comparable number" not in capsys.readouterr().out
    assert main(["diff", "--out", str(tmp_path / "part"), *flags, "--suite", "gangen"]) == 0
    assert (
        main(["diff", "--out", str(tmp_path / "empty"), "--against", str(out)]) == 0
    )  # to look at


def test_a_check_against_the_paper_cannot_pass_on_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["diff", "--out", str(tmp_path), "--fail-over", "0.5"]
    assert main(flags) == 1
    assert "no comparable number: not run" in capsys.readouterr().out
    save_record(tmp_path, paper_like("gangen", perturbation="jpeg(90)"))
    assert main(flags) == 1
    text = capsys.readouterr().out
    assert "not compared:\n  perturbation jpeg(90)\n      gangen  lfm:released\n" in text
    save_record(tmp_path, paper_like("gangen"))
    assert main([*flags, "--method", "npr"]) == 1
    assert main([*flags, "--method", "lfm:released"]) == 0


def test_a_line_for_each_reason_and_only_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path, "lfm", {"mine": scores_of(4, 1.0)})
    assert main(["diff", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    part = next(part for part in text.split("\n\n") if part.startswith("no data:"))
    lines = part.splitlines()
    reasons = [line.split(": ")[0] for line in lines[1:]]
    assert len(reasons) == len(set(reasons)) <= 3
    assert "numbers of bihpf, " in part and " on diffusion, forensynths, " in part
    assert main(["diff", "--out", str(tmp_path), "--suite", "ufd", "--method", "npr"]) == 0
    text = capsys.readouterr().out
    assert "numbers of npr on ufd" in text and "lfm" not in text and "gangen" not in text
    assert main(["diff", "--out", str(tmp_path), "--suite", "uvd"]) == 2
    assert "did you mean 'ufd'" in capsys.readouterr().err
    assert main(["diff", "--out", str(tmp_path), "--method", "nrp"]) == 2
    assert "did you mean 'npr'" in capsys.readouterr().err


def test_reservations_stand_below_equal_numbers_and_outside_the_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = paper_like("gangen")
    few = [replace(r, n_real=0, n_fake=4) if r.subset == "began" else r for r in made.subsets]
    save_record(tmp_path, replace(made, subsets=tuple(few)))
    assert main(["diff", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "shown, but not comparable and not counted: equal: 3" in text
    block = next(part for part in text.split("\n\n") if part.startswith("said of the others:"))
    assert "gangen  lfm:released: BEGAN ACC, BEGAN AP" in block
    assert "no real images" in block


def test_measured_cells_stand_in_the_holes_of_the_output_folder(tmp_path: Path) -> None:
    out, measured = tmp_path / "out", tmp_path / "measured"
    strong = {"a": scores_of(1, 3.0), "b": scores_of(2, 3.0)}
    there = keep(measured, "lfm", strong, suite="gangen")
    keep(measured, "npr", {"a": scores_of(3, 1.0)}, suite="gangen")
    own = keep(out, "lfm", strong, suite="gangen")
    hole = SubsetResult(subset="b", status="missing", error="not run")
    save_record(out, replace(own, subsets=(own.subsets[0], hole), mean={}))
    found = {record.detector: record for record in _sources.gather(out, measured).records}
    assert set(found) == {"lfm", "npr"}
    assert found["lfm"].subsets == there.subsets
    assert found["lfm"].mean["ap"].value == there.mean["ap"].value
    committed = _sources.gather(out, measured).committed
    assert there.subsets[1].scores in committed
    assert own.subsets[0].scores not in committed
    # Of other conditions, and in place of a failure, nothing is taken.
    broken = replace(hole, status="failed", error="boom")
    save_record(out, replace(own, subsets=(own.subsets[0], broken), mean={}))
    (record,) = [r for r in _sources.gather(out, measured).records if r.detector == "lfm"]
    assert record.subsets[1] == broken
    save_record(out, replace(own, version=2, subsets=(own.subsets[0], hole), mean={}))
    kept = [r for r in _sources.gather(out, measured).records if r.detector == "lfm"]
    assert [r.subsets[1].status for r in kept] == ["missing", "ok"]


def test_other_conditions_fail_no_diff(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Perturbed, limited and twin records beside the plain one, as robustness and twins leave."""
    other = tmp_path / "other"
    save_record(other, paper_like("gangen", shift=-3))
    arguments = ["diff", "--out", str(out), "--against", str(other), "--fail-over", "0.1"]
    assert main(arguments) == 0
    before = capsys.readouterr().out
    for changes in ({"perturbation": "jpeg(90)"}, {"limit": 20}, {"preprocess": "native"}):
        save_record(out, paper_like("gangen", shift=-9, **changes))
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert text.count("released") == before.count("released") + 3  # a line each, no number
    for reason in ("limit 20, there none", "perturbation jpeg(90), there none"):
        assert f"  {reason}\n      gangen  lfm:released\n" in text
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["not_compared"]) == 3
    assert set(document) == {
        "about",
        "cells",
        "images",
        "settings",
        "not_compared",
        "reports",
        "unmatched",
    }


def test_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "paper"]) == 0
    text = capsys.readouterr().out
    assert "FLOPs equal to parameters" in text
    assert main(["dev", "paper", "--markdown"]) == 0
    markdown = capsys.readouterr().out
    assert markdown.startswith("# Inconsistencies")
    assert markdown.count("\n## ") == 9


def test_costs(tmp_path: Path) -> None:
    path = tmp_path / "cost.json"
    assert _sources.load_costs(path) == {}
    path.write_text('{"costs": [{"detector": "chance", "counts": null}]}', encoding="utf-8")
    assert _sources.load_costs(path) == {"chance": NetworkCost(macs=None, params=None)}
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(SchemaError, match="not a cost file"):
        _sources.load_costs(path)
