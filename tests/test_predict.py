"""Prediction files and the journal that precedes them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.sample import Sample
from harness.data.source import FileSource
from harness.errors import SchemaError, UsageError
from harness.results.journal import Journal, scored
from harness.results.predictions import (
    Predictions,
    prediction_path,
    read_predictions,
    write_predictions,
)
from harness.results.records import PredictionKey
from tests import program

KEY = PredictionKey(
    suite="s",
    subset="b",
    manifest="m" * 64,
    detector="d",
    version=1,
    variant="",
    weights="",
    preprocess="native",
)
SAMPLES = tuple(Sample(id=f"{i}.png", label=i % 2, source=FileSource(f"{i}.png")) for i in range(4))


SIZE = 10


@pytest.mark.slow
def test_a_program_that_has_read_scores_ends_in_peace(tmp_path: Path) -> None:
    """Arrow's threads aborted one of ten while Python ended."""
    file = tmp_path / "scores.parquet"
    count = 3000
    long = Predictions(
        key=KEY,
        ids=tuple(map(str, range(count))),
        labels=np.zeros(count, np.int8),
        scores=np.arange(count, dtype=np.float64),
    )
    write_predictions(file, long)
    code = (
        "import sys; from pathlib import Path; "
        "from harness.results.predictions import read_predictions; "
        "[read_predictions(Path(sys.argv[1])) for _ in range(30)]"
    )
    ended = [program.run(sys.executable, "-c", code, file).returncode for _ in range(25)]
    assert ended == [0] * 25


def test_scores_survive_the_file_bit_for_bit(tmp_path: Path) -> None:
    scores = np.array([0.1, -1e300, 5e-324, 1 / 3])
    labels = np.array([0, 1, 0, 1], dtype=np.int8)
    kept = Predictions(key=KEY, ids=tuple("abcd"), labels=labels, scores=scores, skipped=("x",))
    write_predictions(tmp_path / "p.parquet", kept)
    back = read_predictions(tmp_path / "p.parquet")
    assert back.key == KEY
    assert back.ids == tuple("abcd")
    assert back.skipped == ("x",)
    assert back.scores.tobytes() == scores.tobytes()
    assert back.labels.tolist() == [0, 1, 0, 1]


def test_the_same_predictions_give_the_same_bytes(tmp_path: Path) -> None:
    kept = Predictions(
        key=KEY, ids=("a",), labels=np.array([1], dtype=np.int8), scores=np.array([0.5])
    )
    for name in ("one", "two"):
        write_predictions(tmp_path / name, kept)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(PredictionKey)])
def test_every_part_of_the_key_sets_files_apart(field: str) -> None:
    value = getattr(KEY, field)
    other = dataclasses.replace(KEY, **{field: value + (1 if isinstance(value, int) else "x")})
    assert prediction_path(Path("out"), KEY) != prediction_path(Path("out"), other)


def test_a_group_name_cannot_leave_the_output_folder() -> None:
    key = dataclasses.replace(KEY, subset="../../etc")
    assert ".." not in prediction_path(Path("out"), key).parts


def test_a_damaged_file_is_a_schema_error(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(SchemaError, match=r"p\.parquet"):
        read_predictions(path)


def test_a_journal_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j", KEY, SIZE)
    first.add([(0, 0.25), (2, -1 / 3)])
    first.skip(3)
    first.close()
    second = Journal(tmp_path / "j", KEY, SIZE)
    assert dict(scored(second.scores)) == {0: 0.25, 2: -1 / 3}
    assert second.skipped == {3}
    assert 1 not in second
    second.add([(1, 7.0)])
    predictions = second.finish(tmp_path / "p.parquet", KEY, SAMPLES)
    assert predictions.ids == ("0.png", "1.png", "2.png")
    assert predictions.scores.tolist() == [0.25, 7.0, -1 / 3]
    assert predictions.skipped == ("3.png",)
    assert not (tmp_path / "j").exists()


@settings(deadline=None)  # a disk may be busy
@given(st.integers(0, 200))
def test_a_journal_cut_anywhere_loses_only_its_end(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path, KEY, SIZE)
    head = path.stat().st_size
    expected = {i: i / 7 for i in range(10)}
    journal.add(expected.items())
    journal.close()
    whole = path.read_bytes()
    size = min(head + cut, len(whole))
    path.write_bytes(whole[:size])
    reopened = Journal(path, KEY, SIZE)
    complete = whole[head:size].count(b"\n")
    assert dict(scored(reopened.scores)) == {i: expected[i] for i in range(complete)}
    reopened.add([(i, expected[i]) for i in range(complete, 10)])
    reopened.close()
    assert path.read_bytes() == whole


def test_a_journal_of_another_key_is_started_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", KEY, SIZE)
    journal.add([(0, 1.0)])
    journal.close()
    other = Journal(tmp_path / "j", dataclasses.replace(KEY, version=2), SIZE)
    assert dict(scored(other.scores)) == {}
    other.close()


def test_two_processes_cannot_write_one_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", KEY, SIZE)
    with pytest.raises(UsageError, match="another process"):
        Journal(tmp_path / "j", KEY, SIZE)
    journal.close()


def test_a_journal_refuses_scores_that_are_not_finite(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", KEY, SIZE)
    with pytest.raises(ValueError, match="nan"):
        journal.add([(0, float("nan"))])
    journal.close()
