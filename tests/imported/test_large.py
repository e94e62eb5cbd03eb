"""Imports as large as what is published."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.imported.files import FEW, PROBABILITY, Says, record_of, rows_of, save

SEVEN = ("npr", "universal", "effort", "cospy", "aide", "dire", "fatformer")
ROWS, GROUPS, CONTROLS = 10_000, 54, 6


def matrix(path: Path, header: Sequence[str]) -> None:
    """A matrix of the published form: 7 detectors, 54 groups of which 6 hold reals only."""
    rng = np.random.default_rng(15)
    columns = [*header[:7], *(f"{kind}_{name}" for name in SEVEN for kind in ("prob", "lat"))]
    assert columns[: len(header)] == list(header)
    rows: list[Sequence[object]] = [columns]
    for number in range(ROWS):
        group = number % GROUPS
        fake = bool(group >= CONTROLS and rng.random() < 0.6)
        logits = rng.normal(0.2 * np.arange(7) * (1 if fake else -1), 1.0)
        cells: list[object] = []
        for probability in (1 / (1 + np.exp(-logits))).tolist():
            cells += [repr(probability), "12.5"]
        label = "fake" if fake else "real"
        rows.append([f"img_{number:05d}", "images", label, f"g{group:02d}", "", "", "", *cells])
    save(path, rows)


@pytest.mark.slow
def test_a_published_matrix_becomes_tables_in_under_a_minute(
    shared: Path, here: Path, says: Says
) -> None:
    with (shared / "reference/deepsafe_schema.csv").open() as file:
        header = next(csv.reader(file))
    matrix(here / "matrix.csv", header)
    began = time.process_time()
    wide = ("--scores", "prob_*", "--group", "generator", "--data", "deepsafe")
    printed = says("import", "matrix.csv", "--name", "ds", *PROBABILITY, *wide)
    suite = record_of("ds-npr").suite
    says("tables", "--suite", suite)
    compared = says("compare", "ds-npr", "ds-aide", "--suite", suite)
    assert time.process_time() - began < 60
    assert printed.count(":imported") >= len(SEVEN)
    assert f"{suite}: {GROUPS} subsets" in compared
    record = record_of("ds-fatformer")
    groups = [result.group for result in record.subsets]
    assert (len(groups), groups.count("controls")) == (GROUPS, CONTROLS)
    assert sum(result.n_real + result.n_fake for result in record.subsets) == ROWS
    assert record.mean["auc"].low is not None
    shown = Path("runs/tables", f"{suite}.csv").read_text(encoding="utf-8")
    assert all(f"g{group:02d}" in shown for group in range(GROUPS))


def test_the_form_of_the_published_matrix_is_read(shared: Path, here: Path, says: Says) -> None:
    file = str(shared / "reference/deepsafe_schema.csv")
    words = ("--scores", "prob_*", "--group", "generator", "--missing", "skip", *FEW)
    says("import", file, "--name", "ds", *PROBABILITY, *words)
    rows = rows_of(Path(file))
    record = record_of("ds-npr")
    absent = {row["id"] for row in rows if not row["prob_npr"]}
    assert absent and {name for r in record.subsets for name in r.skipped} <= absent
    assert sum(r.n_real + r.n_fake for r in record.subsets) == len(rows) - len(absent)
    assert record.origin.facts["column"] == "prob_npr"  # type: ignore[union-attr]
