"""Records on disk: whole round trips, clear refusals, atomic writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import SchemaError
from harness.results.records import (
    SCHEMA,
    Calibration,
    Made,
    Metric,
    Resampling,
    RunRecord,
    SubsetResult,
    WeightsRef,
)
from harness.results.store import (
    canonical_json,
    load_record,
    load_records,
    record_path,
    save_record,
    write_atomic,
)

RECORD = RunRecord(
    detector="lfm",
    title="LFM",
    version=1,
    variant="released",
    suite="ufd",
    weights=WeightsRef(label="released", sha256="ab" * 32, recipe={"epochs": 3}),
    preprocess="resize(256,256)",
    published_preprocess="resize(256,256)",
    subsets=(
        SubsetResult(
            subset="dalle",
            status="ok",
            n_real=3,
            n_fake=2,
            metrics={
                "acc": Metric(value=0.6, low=0.5, high=0.7),
                "ap": Metric(value=None, note="x"),
            },
            skipped=("a.png",),
            made=("here",),
        ),
        SubsetResult(subset="guided", status="missing", error="not run"),
    ),
    mean={"acc": Metric(value=None, note="no value for guided")},
    made={"here": Made(environment={"torch": "2"}, settings={"limit": "0"})},
    resampling=Resampling(resamples=50, unit="subsets"),
    calibration=Calibration(on="mini:gan_tconv", threshold=0.25),
)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    path = save_record(tmp_path, RECORD)
    assert load_record(path) == RECORD
    assert load_records(tmp_path) == [RECORD]
    assert load_records(tmp_path / "nowhere") == []


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    first = save_record(tmp_path / "a", RECORD)
    second = save_record(tmp_path / "b", load_record(first))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"made": {"here": Made(environment={"torch": "3"})}}, True),
        ({"version": 2}, True),
        ({"weights": replace(RECORD.weights, sha256="cd" * 32)}, True),
        ({"weights": replace(RECORD.weights, label="mini-train/seed0")}, False),
        ({"preprocess": "native"}, False),
        ({"limit": 5}, False),
        ({"precision": "bf16"}, False),
        ({"variant": "algorithm1"}, False),
    ],
)
def test_what_sets_records_apart(change: dict[str, object], same: bool) -> None:
    other = replace(RECORD, **change)  # type: ignore[arg-type]
    assert (record_path(Path(), RECORD) == record_path(Path(), other)) is same


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 99}', "null"])
def test_what_is_no_record_is_a_schema_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(SchemaError, match=r"r\.json"):
        load_record(path)


def test_a_record_of_the_first_schema_loads_as_what_it_is(tmp_path: Path) -> None:
    path = save_record(tmp_path, RECORD)
    raw = json.loads(path.read_text())
    del raw["resampling"], raw["calibration"], raw["made"]
    raw |= {"environment": {"torch": "2"}, "config": {"limit": "0"}}
    path.write_text(json.dumps({**raw, "schema": 1}))
    old = load_record(path)
    assert (old.schema, old.resampling, old.calibration) == (1, None, None)
    assert old.subsets == RECORD.subsets
    assert old.environment == {}  # it held the last command's, whatever had made the scores
    assert old.schema < SCHEMA


def test_a_label_cannot_leave_the_folder(tmp_path: Path) -> None:
    record = replace(RECORD, weights=WeightsRef(label="../../x/y z"))
    path = save_record(tmp_path, record)
    assert path.parent == tmp_path / "results" / "ufd"


def test_a_record_of_several_sessions_shows_several() -> None:
    here = Made(environment={"torch": "2", "cpu": "one"})
    there = Made(environment={"torch": "3", "cpu": "one"})
    results = tuple(replace(r, made=(name,)) for r, name in zip(RECORD.subsets, "ab", strict=True))
    both = replace(RECORD, subsets=results, made={"a": here, "b": there, "c": Made()})
    assert both.environment == {"torch": "2 | 3", "cpu": "one"}
    unknown = replace(both, made={"a": here, "b": Made()})
    assert unknown.environment == {"torch": "2 | not known", "cpu": "one | not known"}


def test_what_other_systems_leave_beside_a_record_is_none(tmp_path: Path) -> None:
    path = save_record(tmp_path, RECORD)
    (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    assert load_records(tmp_path) == [RECORD]


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"value": float("nan")})


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_readable_and_sorted(tmp_path: Path) -> None:
    text = save_record(tmp_path, RECORD).read_text()
    keys = list(json.loads(text))
    assert keys == sorted(keys)
    assert text.endswith("\n")
