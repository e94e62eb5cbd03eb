"""What tables and diff are made from: records, the paper's numbers, known detectors, costs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.api import DetectorSpec
from harness.errors import SchemaError
from harness.evaluation.recorder import Recorder
from harness.registry import detectors as registry
from harness.report.printed import load_paper
from harness.report.references import load_references
from harness.report.reruns import Rerun, reruns
from harness.report.retrained import Retrainable
from harness.report.spec import TableSpec, load_specs
from harness.report.tables.paper import NetworkCost, Sources
from harness.results.intervals import Replicates
from harness.results.paths import MEASURED, REFERENCES, TABLES
from harness.results.records import RunRecord
from harness.results.store import load_records
from harness.training.datasets import FORENSYNTHS, PROGAN_COUNTS


def specs() -> list[TableSpec]:
    """The specs of all tables."""
    return load_specs(TABLES / "specs")


def others() -> list[Rerun]:
    """What others measured of the paper's rows."""
    return reruns(load_references(REFERENCES), specs(), load_paper(REFERENCES / "paper"))


def gather(out: Path, measured: Path | None = None) -> Sources:
    """Everything that tables are built from: an output folder, and what is measured in this
    checkout wherever that folder has no scores of the same conditions.

    Args:
        out: output folder.
        measured: in place of ``MEASURED``.
    """
    measured = measured or MEASURED
    detectors = registry.detectors()
    own, committed = load_records(out), load_records(measured)
    records = with_measured(out, own, committed)
    digests = [{r.scores for record in found for r in record.subsets} for found in (own, committed)]
    kept = Replicates(out, ("ap", "acc", "real_acc", "fake_acc"))
    return Sources(
        records=[_with_rule(record, detectors) for record in records],
        paper=load_paper(REFERENCES / "paper"),
        published={
            name: spec.weights[0].name if spec.weights else "" for name, spec in detectors.items()
        },
        retrainable=retrainable(detectors),
        costs=load_costs(out / "cost.json"),
        interval=kept.interval,
        tell=kept.tell,
        committed=frozenset(filter(None, digests[1] - digests[0])),
    )


def with_measured(
    out: Path, records: Sequence[RunRecord], measured: Sequence[RunRecord]
) -> list[RunRecord]:
    """The records, with the results of measured ones of the same conditions where they miss one,
    and then the other measured ones.

    Args:
        out: output folder of ``records``.
        records, measured: of any detectors and suites.
    """
    found = list(records)
    for extra in measured:
        at = next((i for i, record in enumerate(found) if _alike(record, extra)), None)
        if at is None:
            found.append(extra)
            continue
        missing = {r.subset for r in found[at].subsets if r.status == "missing"}
        recorder = Recorder(out, found[at].resampling)
        for result in extra.subsets:
            if result.metrics and result.subset in missing:
                found[at] = recorder.with_result(found[at], result, extra.made.values())
    return found


def _alike(record: RunRecord, other: RunRecord) -> bool:
    """Whether the results of one could be those of the other."""
    return (record.key("", ""), record.weights.label) == (other.key("", ""), other.weights.label)


def _with_rule(record: RunRecord, detectors: Mapping[str, DetectorSpec]) -> RunRecord:
    """Records of before schema 3 do not know the rule of their release's AP; the registry does."""
    spec = detectors.get(record.detector)
    if record.schema >= 3 or spec is None:
        return record
    return dataclasses.replace(record, published_ap=spec.score.published_ap)


def retrainable(detectors: Mapping[str, DetectorSpec]) -> dict[str, Retrainable]:
    """The rows of the paper without published weights -> how they are trained here."""
    return {
        name: Retrainable(
            recipe=spec.recipe,
            variant=next(iter(spec.variants), ""),
            trained_on=FORENSYNTHS,
            images=PROGAN_COUNTS["train"],
        )
        for name, spec in detectors.items()
        if spec.recipe and spec.paper_name and not spec.weights
    }


def load_costs(path: Path) -> dict[str, NetworkCost]:
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


def _cost(counts: dict[str, float] | None) -> NetworkCost:
    if counts is None:
        return NetworkCost(macs=None, params=None)
    return NetworkCost(macs=counts["macs"], params=counts["parameters"])
