"""The paper's numbers: complete, equal to the reference, and their inconsistencies recomputed."""

import csv
from pathlib import Path

import pytest

from harness.errors import SchemaError
from harness.report.inconsistencies import Inconsistency, findings, marks
from harness.report.printed import Paper, PaperValue, load_paper

from .synthetic import PAPER, ROOT

TABLES = {
    "ForenSynths": "forensynths",
    "GANGen-Detection": "gangen",
    "DiffusionForensics": "diffusion",
    "UniversalFakeDetect": "ufd",
    "SOTA-summary": "summary",
}
FOUND = {finding.key: finding for finding in findings(PAPER)}


# The reference prefers another source's 99.8 to what the poster prints cleanly and its mean fits.
THE_POSTER_STANDS = ("forensynths", "NPR", "stylegan", "AP")


def test_what_the_poster_prints_cleanly_stands() -> None:
    cell = PAPER.cells[THE_POSTER_STANDS]
    assert (cell.value, cell.printed, cell.certainty) == (99.6, "99.6", "exact")
    row = [
        c.value
        for key, c in PAPER.cells.items()
        if key[:2] == THE_POSTER_STANDS[:2] and key[3] == "AP" and key[2] != "mean"
    ]
    assert round(sum(row) / len(row), 2) in (96.07, 96.08)  # printed: 96.1


def test_copy_equals_the_reference(shared: Path) -> None:
    with (shared / "reference" / "paper_results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 922
    for row in rows:
        key = (TABLES[row["table"]], row["method"], row["subset"], row["metric"])
        cell = PAPER.cells[key]
        if key == THE_POSTER_STANDS:
            assert (cell.printed, row["value"]) == (row["printed"], "99.8")
            continue
        assert (cell.value, cell.printed, cell.certainty, cell.note) == (
            float(row["value"]),
            row["printed"],
            row["confidence"],
            row["note"],
        )
    with (shared / "reference" / "paper_cost.csv").open(newline="", encoding="utf-8") as file:
        costs = list(csv.DictReader(file))
    for row in costs:
        for metric, unit in (("flops", "B"), ("params", "M")):
            cell = PAPER.cells["summary", row["method"], "cost", metric]
            assert f"{cell.value:.2f}{unit}" == row[metric]
            assert cell.printed == row[f"{metric}_printed"]
            assert cell.note == row["note"]
    assert len(PAPER.cells) == len(rows) + 2 * len(costs)


def test_every_cell_has_a_source_and_a_plausible_value() -> None:
    assert len(PAPER.cells) == 934
    for (_, _, column, _), cell in PAPER.cells.items():
        assert cell.source.startswith("LFM paper")
        assert column == "cost" or 0 <= cell.value <= 100


def value(**changes: object) -> PaperValue:
    fields = {"value": 64.2, "printed": "642", "source": "s", "certainty": "exact", "note": ""}
    return PaperValue(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("printed", "certainty", "number"),
    [("743", "ambiguous", 74.3), ("93.5", "ambiguous", 93.5), ("09052", "repaired", 64.2)],
)
def test_as_printed(printed: str, certainty: str, number: float) -> None:
    assert value(printed=printed, certainty=certainty).as_printed == number


@pytest.mark.parametrize(
    ("printed", "number", "changed"),
    [("642", 64.2, False), ("64.2", 64.2, False), ("83.8", 88.8, True), ("1000", 100.0, False)],
)
def test_digits_changed(printed: str, number: float, changed: bool) -> None:
    assert value(printed=printed, value=number).digits_changed is changed


def test_a_damaged_file_names_itself_and_its_line(tmp_path: Path) -> None:
    for path in (ROOT / "tables" / "references" / "paper").glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "ufd.csv").read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].replace("98.1", "ninety") if "98.1" in lines[2] else "a,b,ACC,x,x,s,exact,"
    (tmp_path / "ufd.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SchemaError, match=r"ufd\.csv, line 3"):
        load_paper(tmp_path)
    (tmp_path / "ufd.csv").unlink()
    with pytest.raises(SchemaError, match="absent"):
        load_paper(tmp_path)


def test_copied_cost() -> None:
    assert FOUND["copied-cost"].text.startswith("FatFormer: FLOPs 577.25B and Params 577.25M")
    assert set(FOUND["copied-cost"].marks) == {
        ("summary", "FatFormer", "cost", "flops"),
        ("summary", "FatFormer", "cost", "params"),
    }


def test_transposed_pair() -> None:
    printed, exchanged = FOUND["transposed-pair"].rows
    assert printed == (
        "LGrad Test Set5, as printed",
        "74.3 / 64.2",
        "81.86 / 81.62",
        "80.5",
        "88.05 / 86.44",
        "88.5",
    )
    assert exchanged[2:5] == ("80.53 / 79.60", "80.5", "89.38 / 88.46")


def test_each_fault_of_a_table_has_its_name_and_its_word() -> None:
    said = {key: finding.conditions for key, finding in FOUND.items() if finding.conditions}
    assert set(said) == {
        "copied-cost",
        "transposed-pair",
        "swapped-sets",
        "mean-rule",
        "shared-reals",
    }
    (pair,) = said["transposed-pair"]
    assert pair.startswith("LGrad: ACC and AP exchanged: Test Set5: explains (0.0")
    readme, log, rerun = said["swapped-sets"]
    exchanged = "columns exchanged: Test Set3 and Test Set4"
    assert readme.startswith(f"FatFormer, by authors' README: {exchanged}: explains")
    assert log.startswith(f"FatFormer, by FerretNet's log: {exchanged}: explains")
    assert rerun.startswith(f"SAFE, by third-party rerun: {exchanged}: possible")  # ACC alone
    rule, *others = said["mean-rule"]
    assert rule.startswith("mean over the 38 subsets: explains")
    assert rule.endswith("8 of 12 cells")
    assert [each.partition(" (")[0] for each in others] == [
        "LGrad: mean over the 5 sets, AP: possible",
        "Ojha: mean over the 5 sets, AP: possible",
    ]
    assert "FLOPs and Params: explains" in said["copied-cost"][0]
    assert "CramerGAN, InfoMaxGAN, MMDGAN, SNGAN, ACC: explains" in said["shared-reals"][0]


def test_swapped_sets() -> None:
    rows = FOUND["swapped-sets"].rows
    assert [row[0] for row in rows] == ["FatFormer"] * 4 + ["SAFE"]
    assert [row[-2] for row in rows if row[-1] == "FerretNet's log"] == ["93.74", "98.59"]
    assert len(FOUND["swapped-sets"].marks) == 8
    note = FOUND["swapped-sets"].marks["summary", "FatFormer", "Test Set4", "AP"]
    assert "ACC 93.80" in note
    assert "ACC 93.74" in note


def test_mean_rule() -> None:
    fits = {row[:2]: row[-1] for row in FOUND["mean-rule"].rows}
    assert len(fits) == 12
    assert fits.pop(("LGrad", "AP")) == "5 sets"
    assert fits.pop(("Ojha", "AP")) == "5 sets"
    assert fits.pop(("FatFormer", "ACC")) == fits.pop(("FatFormer", "AP")) == "neither"
    assert set(fits.values()) == {"38 subsets"}
    assert ("LFM", "ACC", "95.9", "95.92", "95.34", "38 subsets") in FOUND["mean-rule"].rows


def test_row_and_set_means() -> None:
    assert {row[:3] for row in FOUND["row-means"].rows} == {
        ("forensynths", "BiHPF", "AP"),
        ("gangen", "Frank", "AP"),
        ("gangen", "LFM", "AP"),
        ("ufd", "SelfBland", "AP"),
    }
    assert FOUND["set-means"].rows == (
        ("Ojha", "Test Set3", "ACC", "74.1", "74.4"),
        ("Ojha", "Test Set4", "ACC", "86.6", "86.9"),
    )


def test_shared_reals_and_counters() -> None:
    assert FOUND["shared-reals"].text.startswith("Ojha: ACC 77.6 in CramerGAN, InfoMaxGAN")
    shown = {row[:2]: row[2:] for row in FOUND["counters"].rows}
    printed, counted = shown["LFM", "FLOPs"]
    assert printed == "1.61B"
    assert counted.startswith("thop 1.609B, fvcore 1.592B")


def test_marks_are_cells_of_the_paper() -> None:
    assert set(marks(PAPER)) <= set(PAPER.cells)


def test_a_consistent_paper_has_no_findings() -> None:
    """Each check can come out empty: it judges the numbers, it does not recite them."""
    changed = dict(PAPER.cells)
    for key in changed:
        if key[2] == "cost":
            changed[key] = value(value=1.0 if key[3] == "flops" else 2.0)
        else:
            place = PAPER.columns("gangen").index(key[2]) if key[0] == "gangen" else 0
            changed[key] = value(value=50.0 + place)
    for table in ("gangen",):
        for method in PAPER.methods(table):
            for metric in ("ACC", "AP"):
                columns = [c for c in PAPER.columns(table) if c != "mean"]
                mean = sum(changed[table, method, c, metric].value for c in columns) / len(columns)
                changed[table, method, "mean", metric] = value(value=mean)
                if ("summary", method, "Test Set2", metric) in changed:
                    changed["summary", method, "Test Set2", metric] = value(value=mean)
    for method in PAPER.methods("summary"):
        for metric in ("ACC", "AP"):
            sets = [changed["summary", method, f"Test Set{n}", metric].value for n in range(1, 6)]
            mean = sum(n * v for n, v in zip((8, 9, 8, 8, 5), sets, strict=True)) / 38
            changed["summary", method, "mean", metric] = value(value=mean)
    left: list[Inconsistency] = findings(Paper(changed, ()))
    assert [finding.key for finding in left] == []
