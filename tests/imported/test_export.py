"""``export``: kept scores and the leaderboard, for other programs and back."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.report.tidy import FIELDS
from harness.results.reservations import is_as_declared
from harness.site.board_file import FIELDS as NUMBERS
from tests.imported.files import FEW, PROBABILITY, Says, kept, record_of, rows_of, save, table


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_export_and_import_are_the_identity(
    chance: Path, ending: str, here: Path, says: Says
) -> None:
    file = f"scores.{ending}"
    says("export", "--out", chance, "--method", "chance", "--to", file)
    words = ("--name", "theirs", *PROBABILITY, "--suite", "mini")
    says("import", file, *words, *FEW, "--out", "runs")
    ours, theirs = record_of("chance", str(chance)), record_of("theirs")
    assert is_as_declared(ours) and not is_as_declared(theirs)  # nobody knows what made them
    for name in (result.subset for result in ours.subsets):
        first, second = kept(ours, name, str(chance)), kept(theirs, name)
        assert first.ids == second.ids and first.units == second.units
        assert first.labels.tolist() == second.labels.tolist()
        assert first.scores.tobytes() == second.scores.tobytes()
        mine, other = ours.result(name), theirs.result(name)
        assert mine is not None and other is not None
        assert mine.metrics == other.metrics and mine.manifest == other.manifest
    says("export", "--method", "theirs", "--to", f"again.{ending}")
    rows = [_rows(Path(f)) for f in (file, f"again.{ending}")]
    for row in (*rows[0], *rows[1]):
        del row["detector"], row["weights"]
    assert rows[0] == rows[1]


def _rows(file: Path) -> list[dict[str, object]]:
    if file.suffix == ".parquet":
        return list(pq.read_table(file).to_pylist())
    return list(rows_of(file))


def test_a_description_by_the_croissant_vocabulary_lies_beside_the_scores(
    here: Path, says: Says
) -> None:
    save(here / "scores.csv", table())
    says("import", "scores.csv", "--name", "x", *PROBABILITY, "--scores", "prob_*", *FEW)
    says("export", "--to", "out.parquet", "--about", "license=CC0-1.0", "--about", "creator=Me")
    found = json.loads(Path("out.parquet.croissant.json").read_text())
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert (found["@type"], found["license"], found["creator"]["name"]) == (
        "sc:Dataset",
        "CC0-1.0",
        "Me",
    )
    (record_set,) = found["recordSet"]
    (file,) = found["distribution"]
    names = [field["source"]["extract"]["column"] for field in record_set["field"]]
    assert names == list(FIELDS) == pq.read_table("out.parquet").column_names
    assert all(field["description"] for field in record_set["field"])
    assert {f["source"]["fileObject"]["@id"] for f in record_set["field"]} == {file["@id"]}
    ids = {field["@id"] for field in record_set["field"]}
    assert {key["@id"] for key in record_set["key"]} <= ids
    assert "x-a:imported: probability, fake above 0.5" in found["description"]
    rows = pq.read_table("out.parquet").to_pylist()
    assert len(rows) == 24
    assert all((row["decision"] == "fake") == (row["score"] > 0.5) for row in rows)


def test_scores_that_are_absent_stay_absent_through_a_round_trip(here: Path, says: Says) -> None:
    rows = table()
    rows[2][3] = ""
    save(here / "scores.csv", rows)
    skip = ("--missing", "skip", "--data", "d", *FEW)
    one = ("--score", "prob_a")
    says("import", "scores.csv", "--name", "x", *PROBABILITY, *one, *skip)
    says("export", "--to", "out.csv", "--method", "x:imported")
    says("import", "out.csv", "--name", "x", *PROBABILITY, *skip, "--out", "again")
    first, second = record_of("x"), record_of("x", "again")
    for mine, other in zip(first.subsets, second.subsets, strict=True):
        assert mine.metrics == other.metrics and mine.skipped == other.skipped
    assert kept(first, "g0").ids == kept(second, "g0", "again").ids


def test_the_leaderboard_is_exported_as_it_stands(chance: Path, here: Path, says: Says) -> None:
    says("export", "--out", chance, "--leaderboard", "board.json")
    says("export", "--out", chance, "--leaderboard", "board.csv")
    rows = json.loads(Path("board.json").read_text())
    assert rows and {name for row in rows for name in row} == set(NUMBERS)
    read = _rows(Path("board.csv"))
    assert [float(str(row["value"])) for row in read] == [row["value"] for row in rows]
    assert {row["source"] for row in rows} >= {"ours", "paper"}


def test_what_is_not_there_to_export_is_named(here: Path, says: Says) -> None:
    assert "--to FILE.parquet" in says("export", code=2)
    assert "nothing is scored" in says("export", "--to", "x.csv", code=2)
    save(here / "scores.csv", table())
    says("import", "scores.csv", "--name", "x", *PROBABILITY, "--score", "prob_a", *FEW)
    assert "known: x:imported" in says("export", "--to", "x.csv", "--method", "y", code=2)
    assert "scored suite" in says("export", "--to", "x.csv", "--suite", "mini", code=2)
    assert ".parquet or .csv" in says("export", "--to", "x.xlsx", code=2)
    assert "key of --about" in says("export", "--to", "x.csv", "--about", "licence=x", code=2)
