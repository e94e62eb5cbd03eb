"""Kept scores of any records as one tidy table: a row an image and detector."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import UsageError
from harness.report.measured import PLAIN, conditions
from harness.results.predictions import Predictions, read_predictions
from harness.results.records import RunRecord, SubsetResult

FIELDS = {
    "id": "the image's name, unique inside its subset",
    "suite": "the test set",
    "subset": "the part of it; an image that several subsets share has a row in each",
    "label": "what the image is: real or fake; empty where that is not known",
    "unit": "what images share that are not independent; empty where they are independent",
    "detector": "the method that gave the score",
    "weights": "its checkpoint; `imported` where the scores were made elsewhere",
    "conditions": "what is not plain of how it was scored; empty for a plain run",
    "score": "the raw score: the larger, the more fake; empty where the image has none",
    "decision": "real or fake: fake where the score is above the detector's threshold",
}
"""The columns, and what they hold."""
_KINDS = {name: pa.string() for name in FIELDS} | {"score": pa.float64()}
_WORDS = ("real", "fake")
ENDINGS = (".parquet", ".csv")

Chosen = Sequence[tuple[RunRecord, Sequence[SubsetResult]]]
"""Records, each with those of its results that are meant."""


def tidy(out: Path, chosen: Chosen) -> pa.Table:
    """The scores of some results as a table of :data:`FIELDS`.

    Args:
        out: output folder that holds the scores.
        chosen: the results.

    Raises:
        SchemaError: scores are gone or damaged.
    """
    schema = pa.schema(_KINDS.items())
    parts = [
        pa.table(_columns(record, read_predictions(out / result.predictions)), schema=schema)
        for record, results in chosen
        for result in results
        if result.predictions
    ]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _columns(record: RunRecord, kept: Predictions) -> dict[str, list[Any]]:
    scores, left_out = kept.scores.tolist(), len(kept.skipped)
    count = len(scores) + left_out
    named = list(kept.units) if kept.unit else [""] * len(scores)
    return {
        "id": [*kept.ids, *kept.skipped],
        "suite": [record.suite] * count,
        "subset": [kept.key.subset] * count,
        "label": [_WORDS[label] for label in kept.labels.tolist()] + [""] * left_out,
        "unit": named + [""] * left_out,
        "detector": [record.detector] * count,
        "weights": [record.weights.label] * count,
        "conditions": [_conditions(record)] * count,
        "score": [*scores, *[None] * left_out],
        "decision": [_WORDS[s > record.threshold] for s in scores] + [""] * left_out,
    }


def _conditions(record: RunRecord) -> str:
    found = [f"{name} {text}" for name, text in conditions(record).items() if text != PLAIN[name]]
    if record.variant not in ("", record.weights.label):
        found.insert(0, f"variant {record.variant}")
    return "; ".join(found)


def encoded(table: pa.Table, file: Path) -> bytes:
    """The table as the bytes of a file of this name. Every float64 is kept, bit for bit.

    Raises:
        UsageError: it is neither ``.parquet`` nor ``.csv``.
    """
    if file.suffix == ".parquet":
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return buffer.getvalue()
    if file.suffix != ".csv":
        raise UsageError(
            f"{file}: scores are written as .parquet or .csv", hint=f"--to {file.stem}.parquet"
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(_rows(table))
    return text.getvalue().encode("utf-8")


def _rows(table: pa.Table) -> Iterator[tuple[str, ...]]:
    score = table.column_names.index("score")
    for batch in table.to_batches(max_chunksize=1 << 14):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            number = "" if row[score] is None else repr(row[score])
            yield (*row[:score], number, *row[score + 1 :])
