"""Files of scores: what is read, and how what is wrong is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data.score_sets import unseen_suite
from harness.data.scores import ScoreColumns, ScoreFile, read_scores
from harness.errors import DataError, HarnessError, UsageError

ROWS = [("a.png", 0.25, "real"), ("b.png", 0.1 + 0.2, "fake"), ("c.png", None, "fake")]


def text(path: Path, content: str, **asked: object) -> ScoreFile:
    path.write_text(content, encoding="utf-8")
    return read_scores(str(path), ScoreColumns(**asked))  # type: ignore[arg-type]


def csv(tmp_path: Path, *lines: str, **asked: object) -> ScoreFile:
    return text(tmp_path / "scores.csv", "\n".join(lines) + "\n", **asked)


def written(folder: Path, ending: str) -> Path:
    path = folder / f"scores.{ending}"
    columns = ("id", "score", "label")
    if ending == "parquet":
        values = [list(column) for column in zip(*ROWS, strict=True)]
        pq.write_table(pa.table(dict(zip(columns, values, strict=True))), path)
    elif ending == "jsonl":
        path.write_text(
            "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in ROWS)
        )
    else:
        between = "," if ending == "csv" else "\t"
        lines = [columns, *(["" if v is None else str(v) for v in row] for row in ROWS)]
        path.write_text("\n".join(between.join(line) for line in lines))
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_says_the_same(ending: str, tmp_path: Path) -> None:
    found = read_scores(str(written(tmp_path, ending)), ScoreColumns())
    assert found.ids == ["a.png", "b.png", "c.png"]
    assert found.labels == [0, 1, 1]
    np.testing.assert_array_equal(found.scores["score"], [0.25, 0.1 + 0.2, np.nan])


def test_a_pattern_names_the_columns_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = csv(tmp_path, "id,prob_b,lat_b,prob_a", "x,1,2,3", pattern="prob_*")
    assert list(found.scores) == ["prob_b", "prob_a"]


def test_only_rows_that_are_asked_for_are_read_and_keep_their_lines(tmp_path: Path) -> None:
    lines = ("id,score,kind", "a,1,x", "b,2,y", "c,oops,x", "d,4,y")
    assert csv(tmp_path, *lines, where=(("kind", "y"),)).lines == [3, 5]
    with pytest.raises(DataError, match="no row has kind 'z'; there are x, y"):
        csv(tmp_path, *lines, where=(("kind", "z"),))


WRONG = {
    "no such column": (["id,score", "a,1"], {"label": "truth"}, "no column truth"),
    "no score": (["id,value", "a,1"], {}, "no column for the score; columns: id, value"),
    "two scores": (["id,prob,logit", "a,1,2"], {}, "which column holds the score is not clear"),
    "semicolons": (["id;score", "a;1"], {}, "semicolons"),
    "no rows": (["id,score"], {}, "no rows"),
    "nothing": ([""], {}, "no rows"),
    "no number": (["id,score", "a,1", "b,high", "c,x"], {}, "lines 3, 4: score 'high' is no n"),
    "a comma": (["id,score", 'a,"0,5"'], {}, "line 2: score '0,5' is no number"),
    "underscore": (["id,score", "a,1_0"], {}, "line 2: score '1_0' is no number"),
    "infinite": (["id,score", "a,1", "b,inf"], {}, "line 3: score 'inf' is not finite"),
    "nan": (["id,score", "a,nan"], {}, "line 2: score 'nan' is not finite"),
    "no id": (["id,score", "a,1", ",2"], {}, "line 3: no id"),
    "no group": (["id,score,group", "a,1,x", "b,2,"], {}, "line 3: no group"),
    "label": (["id,score,label", "a,1,real", "b,2,maybe"], {}, "line 3: whether label 'maybe'"),
    "fake label": (["id,score,label", "a,1,x"], {"fake": "y"}, "no label is 'y'; there are x"),
    "cells": (["id,score", "a,1", "b,1,2"], {}, "line 3: 3 cells, the header has 2"),
    "columns": (["id,score,score", "a,1,2"], {}, "two columns are called 'score'"),
    "many": (["id,score", *["a,x"] * 9], {}, "lines 2, 3, 4 and 6 more"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_line(case: str, tmp_path: Path) -> None:
    lines, asked, message = WRONG[case]
    with pytest.raises(HarnessError) as found:
        csv(tmp_path, *lines, **asked)
    assert message in str(found.value)
    assert found.value.hint


def test_a_line_of_json_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: no JSON"):
        text(tmp_path / "x.jsonl", '{"id": "a", "score": 1}\n{"id"\n')
    with pytest.raises(DataError, match="line 1: no JSON object"):
        text(tmp_path / "x.jsonl", "[1]\n")


def test_lines_are_those_of_the_file_whatever_stands_in_quotes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 5: score 'x'"):
        csv(tmp_path, "id,score", '"a', 'b",1', "", "c,x")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ends in"):
        text(tmp_path / "scores.xlsx", "")
    (tmp_path / "x.csv").write_bytes(b"id,score\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_scores(str(tmp_path / "x.csv"), ScoreColumns())
    (tmp_path / "x.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read"):
        read_scores(str(tmp_path / "x.parquet"), ScoreColumns())


def test_true_and_false_mean_something_where_the_column_says_what(tmp_path: Path) -> None:
    lines = ("a,1,True", "b,2,False")
    assert csv(tmp_path, "id,score,is_fake", *lines).labels == [1, 0]
    with pytest.raises(DataError, match="'True'"):
        csv(tmp_path, "id,score,label", *lines)


# --- as a suite of its own ------------------------------------------------------------------------

HEAD = "id,score,label,group"


def test_groups_are_subsets_in_the_order_of_the_file_and_reals_alone_are_controls(
    tmp_path: Path,
) -> None:
    lines = ("d,1,fake,z", "c,2,real,z", "b,3,real,a", "a,4,real,a")
    found = unseen_suite(csv(tmp_path, HEAD, *lines))
    assert [(s.name, s.group) for s in found.suite.subsets] == [("z", ""), ("a", "controls")]
    assert [each.ids for each in found.sets] == [("c", "d"), ("a", "b")]
    assert [each.rows for each in found.sets] == [(1, 0), (3, 2)]
    assert found.sets[0].units == ("c", "d")


def test_files_about_one_data_set_meet_in_one_suite(tmp_path: Path) -> None:
    first = unseen_suite(csv(tmp_path, HEAD, "a,1,real,x", "b,2,fake,x"))
    again = unseen_suite(csv(tmp_path, "label,group,id,score", "fake,x,b,7", "real,x,a,8"))
    other = unseen_suite(csv(tmp_path, HEAD, "a,1,fake,x", "b,2,real,x"))
    assert first.suite.name == again.suite.name != other.suite.name
    assert first.sets[0].manifest == again.sets[0].manifest != other.sets[0].manifest
    named = [unseen_suite(csv(tmp_path, HEAD, "a,1,real,x", "b,2,fake,x"), n) for n in "kk"]
    assert len({each.suite.name for each in named}) == 1
    assert named[0].suite.name.startswith("own-k-")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("a,1,real,x", "b,2,fake,x", "a,3,real,x"), "lines 2, 4: a stands there twice in group x"),
        (("a,1,real,x", "b,2,fake,x", "a,3,fake,y"), "lines 2, 4: a is labelled real and fake"),
        (("a,1,real,x", "b,2,,x"), "line 3: a score and no label"),
        (("a,1,fake,x", "b,2,fake,y"), "every image is fake"),
    ],
)
def test_rows_that_contradict_each_other_are_named(
    lines: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as found:
        unseen_suite(csv(tmp_path, HEAD, *lines))
    assert message in str(found.value)
    assert found.value.hint


def test_one_class_is_taken_where_it_is_meant(tmp_path: Path) -> None:
    file = csv(tmp_path, HEAD, "a,1,fake,x")
    assert unseen_suite(file, one_class=True).sets[0].labels == (1,)
