"""What tables and diff are made from: records, the paper's numbers, known detectors, costs."""

from __future__ import annotations

import json
from pathlib import Path

from harness import registry
from harness.errors import SchemaError
from harness.intervals import Replicates
from harness.report.build import Cost, Sources
from harness.report.paper import load_paper
from harness.report.spec import TableSpec, load_specs
from harness.results.store import load_records

TABLES = Path(__file__).resolve().parents[2] / "tables"


def specs() -> list[TableSpec]:
    """The specs of all tables."""
    return load_specs(TABLES / "specs")


def gather(out: Path) -> Sources:
    """Everything that tables are built from, for one output folder."""
    kept = Replicates(out, ("ap", "acc", "real_acc", "fake_acc"))
    return Sources(
        records=load_records(out),
        paper=load_paper(TABLES / "paper"),
        published={
            name: spec.weights[0].name if spec.weights else ""
            for name, spec in registry.detectors().items()
        },
        costs=load_costs(out / "cost.json"),
        interval=kept.interval,
        tell=kept.tell,
    )


def load_costs(path: Path) -> dict[str, Cost]:
    """Detector -> cost, from the output of ``python -m harness cost --json``; empty without it.

    Raises:
        SchemaError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["costs"]
        return {entry["detector"]: _cost(entry["counts"]) for entry in entries}
    except (ValueError, TypeError, KeyError) as error:
        raise SchemaError(
            f"{path}: not a cost file ({type(error).__name__}: {error})",
            hint=f"python -m harness cost --repeats 0 --json > {path}",
        ) from error


def _cost(counts: dict[str, float] | None) -> Cost:
    if counts is None:
        return Cost(macs=None, params=None)
    return Cost(macs=counts["macs"], params=counts["parameters"])
