"""The commands tables, diff and paper, end to end on a small output folder."""

import csv
import json
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.commands import _sources
from harness.errors import SchemaError
from harness.report.build import Cost
from harness.results.store import save_record

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
    assert set(document) == {"cells", "images", "settings", "not_compared"}


def test_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper"]) == 0
    text = capsys.readouterr().out
    assert "FLOPs equal to parameters" in text
    assert main(["paper", "--markdown"]) == 0
    markdown = capsys.readouterr().out
    assert markdown.startswith("# Inconsistencies")
    assert markdown.count("\n## ") == 8


def test_costs(tmp_path: Path) -> None:
    path = tmp_path / "cost.json"
    assert _sources.load_costs(path) == {}
    path.write_text('{"costs": [{"detector": "chance", "counts": null}]}', encoding="utf-8")
    assert _sources.load_costs(path) == {"chance": Cost(macs=None, params=None)}
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(SchemaError, match="not a cost file"):
        _sources.load_costs(path)
