"""The leaderboard as data: a row for each number, as CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.results.store import canonical_json
from harness.site.board import Leaderboard

FIELDS = (
    "detector", "title", "weights", "kind", "tags", "suite", "column", "metric", "source", "value",
    "low", "high", "note",
)  # fmt: skip
"""Values are percent; ``source`` is ours, the paper's, or their difference."""


def numbers(board: Leaderboard) -> list[dict[str, Any]]:
    """Every number of the leaderboard with what it is, in the board's order."""
    return list(_numbers(board))


def encoded(board: Leaderboard, file: Path) -> bytes:
    """The leaderboard as the bytes of a file of this name.

    Raises:
        UsageError: it is neither ``.csv`` nor ``.json``.
    """
    rows = numbers(board)
    if file.suffix == ".json":
        return canonical_json(rows).encode()
    if file.suffix != ".csv":
        raise UsageError(
            f"{file}: a leaderboard is written as .csv or .json",
            hint=f"--leaderboard {file.stem}.csv",
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "tags": "; ".join(row["tags"])} for row in rows)
    return text.getvalue().encode("utf-8")


def _numbers(board: Leaderboard) -> Iterator[dict[str, Any]]:
    for row in board.rows:
        for column, entry in zip(board.columns, row.entries, strict=True):
            if entry.value is not None:
                yield {
                    "detector": row.detector,
                    "title": row.title,
                    "weights": row.weights,
                    "kind": row.kind,
                    "tags": list(row.tags),
                    "suite": column.group,
                    "column": column.title,
                    "metric": column.metric,
                    "source": column.source,
                    "value": entry.value,
                    "low": entry.low,
                    "high": entry.high,
                    "note": entry.why,
                }
