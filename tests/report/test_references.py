"""Other people's numbers: what is read, what is compared, and that nothing is dropped."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from harness.__main__ import main
from harness.errors import SchemaError, UsageError
from harness.registry.suites import all_suites
from harness.report.against_reference import Known, ReferenceDiff, against_reference
from harness.report.references import (
    Reference,
    ReferenceValue,
    load_reference,
    load_references,
    reference_names,
)
from harness.report.reruns import Rerun, reruns, said_of
from harness.results.paths import REFERENCES
from harness.results.records import Metric, RunRecord, WeightsRef
from harness.results.store import save_record

from .synthetic import PAPER, SPECS, metrics, paper_like, record, result

ALL = {reference.name: reference for reference in load_references(REFERENCES)}
PUBLISHED = {"lfm": ("released",), "npr": ("released", "last-3090"), "fatformer": ("released",)}


def value(**changes: object) -> ReferenceValue:
    fields: dict[str, object] = {
        "suite": "GANGen",
        "subset": "BEGAN",
        "method": "NPR",
        "metric": "ACC",
        "value": 99.0,
        "weights": "published",
        "source": "a README",
        "certainty": "exact",
        "note": "",
    }
    return ReferenceValue(**{**fields, **changes})  # type: ignore[arg-type]


def reference(*values: ReferenceValue, **changes: object) -> Reference:
    fields: dict[str, object] = {
        "name": "x",
        "title": "X",
        "kind": "published",
        "protocol": "paper",
        "about": "",
        "suites": {"GANGen": "gangen", "New": "genimage-of-tomorrow"},
        "methods": {"NPR": "npr", "Soon": "detector-of-tomorrow"},
        "values": values,
    }
    return Reference(**{**fields, **changes})  # type: ignore[arg-type]


def npr(acc: float = 0.99, **changes: object) -> RunRecord:
    weights = WeightsRef(label="released", sha256="a" * 64)
    results = (result("began", metrics=metrics(acc=acc, ap=0.9, balanced_acc=0.5)),)
    return record("gangen", results, **{"detector": "npr", "weights": weights, **changes})


def found(given: Reference, *records: RunRecord) -> ReferenceDiff:
    return against_reference(
        given, Known(suites=all_suites(), published=PUBLISHED, records=records)
    )


def test_all_references_are_read_with_their_sources() -> None:
    assert reference_names(REFERENCES)[0] == "paper"
    assert set(ALL) == {"aigibench", "dda", "ferretnet-rerun", "thread-rerun"}
    assert sum(len(each.values) for each in ALL.values()) == 765
    for each in ALL.values():
        assert all(v.source and 0 <= v.value <= 100 for v in each.values)
        assert set(each.suites) <= {v.suite for v in each.values}, each.name
        assert set(each.methods) <= {v.method for v in each.values}, each.name
        assert set(each.apart) <= {v.suite for v in each.values}, each.name


def test_ferretnets_log_is_the_fact_that_the_paper_is_judged_by() -> None:
    for metric, shown in (("ACC", 93.74), ("AP", 98.59)):
        values = [
            v.value
            for v in ALL["ferretnet-rerun"].values
            if (v.suite, v.method, v.metric) == ("UniversalFakeDetect", "FatFormer", metric)
        ]
        facts = PAPER.facts_of("FatFormer", f"UniversalFakeDetect {metric}")
        assert len(values) == 8
        assert facts["FerretNet's log"].value == shown == round(fmean(values), 2)


def test_every_number_has_a_place_or_is_listed() -> None:
    for each in ALL.values():
        diff = found(each)
        told = len(diff.cells) + len(diff.reports) + len(diff.unmatched)
        assert told == len(each.values), each.name


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"suite": "Elsewhere"}, "its set is none of the suites here"),
        ({"method": "Elsewhere"}, "its method is none of the detectors here"),
        ({"suite": "New"}, "no suite genimage-of-tomorrow here"),
        ({"method": "Soon"}, "no detector detector-of-tomorrow here"),
        ({"subset": "GANimation"}, "suite gangen has no such subset"),
    ],
)
def test_what_has_no_place_is_listed_with_the_reason(changes: dict[str, str], why: str) -> None:
    diff = found(reference(value(**changes)), npr())
    assert [each.why for each in diff.unmatched] == [why]
    assert diff.cells == ()


def test_a_number_of_the_published_weights_by_the_same_protocol_is_compared() -> None:
    (cell,) = found(reference(value(value=98.0)), npr()).cells
    assert (cell.suite, cell.detector, cell.column) == ("gangen", "npr", "began")
    assert (cell.status, cell.comparable, cell.source) == ("off", True, "a README")
    assert found(reference(value()), npr()).cells[0].status == "equal"
    assert found(reference(value()), npr(0.9904)).cells[0].status == "within rounding"


def test_metrics_are_taken_by_their_names() -> None:
    balanced = reference(value(metric="balanced ACC", value=50.0))
    assert found(balanced, npr()).cells[0].measured == 50.0
    whole = record(
        "gangen",
        npr().subsets,
        detector="npr",
        mean={"acc": Metric(value=0.7)},
        weights=npr().weights,
    )
    assert found(reference(value(subset="mean")), whole).cells[0].measured == 70.0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (reference(value(weights="")), "weights: the reference does not say which it used"),
        (reference(value(weights="retrained")), "other weights: released, published: retrained"),
        (reference(value(), protocol="dda"), "other protocol: paper, that of the reference: dda"),
        (reference(value(), apart={"GANGen": "tiles"}), "other images: tiles"),
    ],
)
def test_other_conditions_are_shown_and_not_compared(given: Reference, reason: str) -> None:
    (cell,) = found(given, npr()).cells
    assert cell.status == "equal"
    assert not cell.comparable
    assert reason in cell.reasons


def test_the_record_of_the_named_weights_is_taken() -> None:
    other = npr(0.5, weights=WeightsRef(label="last-3090", sha256="b" * 64))
    (cell,) = found(reference(value(weights="last-3090")), npr(), other).cells
    assert (cell.weights, cell.measured, cell.comparable) == ("last-3090", 50.0, True)
    (cell,) = found(reference(value()), npr(), other).cells
    assert (cell.weights, cell.measured) == ("released", 99.0)


def test_reports_of_single_users_have_no_status() -> None:
    diff = found(reference(value(value=10.0, note="one user"), kind="reports"), npr())
    assert diff.cells == ()
    (report,) = diff.reports
    assert (report.measured, report.reported, report.note) == (99.0, 10.0, "one user")
    assert not hasattr(report, "status")
    assert ALL["thread-rerun"].kind == "reports"
    assert found(ALL["thread-rerun"], npr()).cells == ()


def test_damage_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    text = (REFERENCES / "dda" / "reference.toml").read_text(encoding="utf-8")
    (folder / "reference.toml").write_text(text, encoding="utf-8")
    head = "suite,subset,method,metric,value,weights,source,certainty,note\n"
    (folder / "a.csv").write_text(f"{head}S,s,M,F1,50,,x,exact,\n", encoding="utf-8")
    with pytest.raises(SchemaError, match=r"a\.csv, line 2: ValueError: metric 'F1'"):
        load_reference(tmp_path, "mine")
    (folder / "a.csv").write_text(head, encoding="utf-8")
    (folder / "reference.toml").write_text(f"colour = 'red'\n{text}", encoding="utf-8")
    with pytest.raises(SchemaError, match="colour"):
        load_reference(tmp_path, "mine")
    with pytest.raises(UsageError, match="unknown reference 'nobody'"):
        load_reference(tmp_path, "nobody")


def of(source: str, metric: str = "ACC", method: str = "NPR") -> dict[str, Rerun]:
    """Set -> what one thread says."""
    return {
        rerun.suite: rerun
        for rerun in reruns(list(ALL.values()), list(SPECS.values()), PAPER)
        if rerun.source.endswith(source) and (rerun.metric, rerun.method) == (metric, method)
    }


def test_what_a_user_measured_of_npr() -> None:
    told = of("NPR-DeepfakeDetection issue 4")
    assert [len(told["ForenSynths"].pairs), len(told["ForenSynths"].off)] == [8, 6]
    assert [len(told["DiffusionForensics"].pairs), len(told["DiffusionForensics"].off)] == [8, 0]
    assert of("issue 12", method="FatFormer")["ForenSynths"].off == ()
    assert of("FatFormer.txt of github xigua7105/FerretNet e92796c1a2fb", method="FatFormer")[
        "UniversalFakeDetect"
    ].off


def test_what_reports_say_together_follows_from_them() -> None:
    told = reruns(list(ALL.values()), list(SPECS.values()), PAPER)
    twice, another = said_of(told)
    assert twice.startswith("2 sources independently have 82.5 for NPR on ForenSynths gaugan")
    assert "8 of 8 ACC of DiffusionForensics within 0.5 points and 6 of 8" in another
    alone = [each for each in told if not each.source.endswith("issue 17")]
    assert said_of(alone) == [another]
    agreeing = [replace(each, pairs=()) if each.suite == "ForenSynths" else each for each in told]
    assert said_of(agreeing) == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = WeightsRef(label="released", sha256="a" * 64)
    run = paper_like("forensynths", method="NPR", detector="npr", title="NPR", weights=weights)
    save_record(tmp_path, run)
    words = ["diff", "--out", str(tmp_path), "--reference"]
    assert main([*words, "thread-rerun", "--method", "npr", "--suite", "forensynths"]) == 0
    text = capsys.readouterr().out
    line = next(line for line in text.splitlines() if " gaugan " in line and " ACC " in line)
    assert line.split()[-3:-1] == ["86.60", "82.50"]
    assert "reports of single users: shown, with no status" in text
    assert "equal: 0  within rounding: 0  within the sampling interval: 0  off: 0" in text
    assert "have no place here" in text
    assert main([*words, "dda", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (cell,) = (
        each
        for each in document["cells"]
        if (each["detector"], each["suite"]) == ("npr", "forensynths")
    )
    assert cell["source"].startswith("README of github roy-ch/Dual-Data-Alignment")
    assert cell["comparable"] is False
    assert len(document["cells"]) + len(document["unmatched"]) == 108
    assert main([*words, "nobody"]) == 2
    assert "thread-rerun" in capsys.readouterr().err
    assert main([*words, "dda", "--against", "tables/expected"]) == 2
