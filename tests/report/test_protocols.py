"""Protocols: what their files say, what a table of one holds, and that nothing is mixed."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.registry.suites import all_suites
from harness.report.against_reference import Known, against_reference
from harness.report.compare_runs import condition_reasons
from harness.report.diff import against_paper, treated
from harness.report.layout import lay_out
from harness.report.protocols import ProtocolSet, load_protocol, protocol_names
from harness.report.references import load_reference
from harness.report.table import Cell, Table
from harness.report.tables.paper import build_paper_table
from harness.report.tables.protocol import build_protocol_table
from harness.results.paths import PROTOCOLS, REFERENCES
from harness.results.records import RunRecord, WeightsRef
from harness.results.rows import seed_group
from harness.results.store import load_record, record_path, save_record

from .synthetic import SPECS, means, metrics, paper_like, record, result, sources

ALL = {name: load_protocol(PROTOCOLS, name) for name in protocol_names(PROTOCOLS)}


def scored(suite: str, value: float, protocol: str, **changes: object) -> RunRecord:
    """A record whose every metric of every subset is ``value``."""
    names = ("acc", "ap", "balanced_acc", "fake_acc", "acc_oracle")
    results = tuple(
        result(subset.name, metrics=metrics(**dict.fromkeys(names, value)))
        for subset in all_suites()[suite].subsets
    )
    mean = dict(means(results))
    weights = WeightsRef(label="released", sha256="a" * 64)
    fields = {"mean": mean, "weights": weights, "protocol": protocol, **changes}
    return record(suite, results, **fields)


def table(name: str, *records: RunRecord) -> Table:
    return build_protocol_table(ALL[name], records, all_suites())


def cells(built: Table) -> dict[tuple[str, str], Cell]:
    (row,) = built.rows
    keys = [(column.key, column.metric) for column in built.columns]
    return dict(zip(keys, row.cells, strict=True))


def test_the_protocols_that_there_are() -> None:
    assert list(ALL) == ["paper", "cnndetection", "dda", "mirror", "ufd", "unbiased-genimage"]
    assert ALL["dda"].perturbation["genimage"] == "fakes:jpeg(96)"
    assert ALL["dda"].metrics == ("balanced_acc",)
    assert len(ALL["dda"].sets) == 11
    assert ALL["mirror"].perturbation == {"*": "png:jpeg(96)"}
    assert [len(each.subsets) for each in ALL["cnndetection"].sets] == [13]
    assert ALL["ufd"].metrics == ("ap", "acc", "acc_oracle")
    assert any("450 to 550" in text for text in ALL["unbiased-genimage"].cannot)
    assert all(each.source and each.about for each in ALL.values())


def test_what_cannot_be_done_is_named() -> None:
    for name, protocol in ALL.items():
        named = " ".join(protocol.lacks(all_suites()))
        for each in protocol.sets:
            suite = all_suites().get(each.suite)
            known = {subset.name for subset in suite.subsets} if suite else set()
            assert suite or (each.suite or each.name) in named, name
            for subset in each.subsets if suite else ():
                assert subset in known or subset in named, (name, subset)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 'red'", "colour"),
        ("metrics = []", "a metric"),
        ("metrics = ['ap']\nsets = [{}]", "a suite or a name"),
        ("metrics = ['ap']\n[perturbation]\nx = 'cats:jpeg(9)'", "no images that a step"),
        ("metrics = ['ap']\n[geometry]\nx = 'squash(9)'", "unknown operation"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    head = "title = 'X'\nsource = 'x'\nabout = 'x'\n"
    sets = "" if "sets" in text else "sets = []\n"
    (tmp_path / "mine.toml").write_text(head + sets + text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        load_protocol(tmp_path, "mine")
    with pytest.raises(UsageError, match="unknown protocol 'nobody'"):
        load_protocol(tmp_path, "nobody")


def test_a_record_of_the_default_keeps_its_form_and_its_place(tmp_path: Path) -> None:
    plain = scored("gangen", 0.9, "")
    path = save_record(tmp_path, plain)
    assert '"protocol"' not in path.read_text(encoding="utf-8")
    other = replace(plain, protocol="dda")
    assert record_path(tmp_path, other) != path
    assert load_record(save_record(tmp_path, other)).protocol == "dda"
    assert load_record(path) == plain


def test_protocols_are_never_mixed() -> None:
    plain, other = paper_like("gangen"), paper_like("gangen", shift=-9, protocol="ufd")
    assert seed_group(plain) != seed_group(other)
    assert build_paper_table(SPECS["gangen"], sources(plain, other)) == build_paper_table(
        SPECS["gangen"], sources(plain)
    )
    assert against_paper([SPECS["gangen"]], sources(plain, other)) == against_paper(
        [SPECS["gangen"]], sources(plain)
    )
    (apart,) = treated([SPECS["gangen"]], sources(plain, other))
    assert apart.reasons == ("protocol ufd",)
    assert "protocol ufd, there paper" in condition_reasons(other, plain)
    assert table("ufd", plain).rows == ()
    assert table("ufd", scored("ufd", 0.9, "dda")).rows == ()
    assert table("paper", scored("ufd", 0.9, "dda")).rows == ()


def test_a_table_says_which_protocol_its_numbers_follow() -> None:
    assert lay_out(table("ufd")).caption.endswith("Protocol: ufd.")
    built = build_paper_table(SPECS["gangen"], sources())
    assert lay_out(built).caption.endswith("Protocol: paper.")


def test_the_mean_is_over_the_protocols_own_sets() -> None:
    """Of UniversalFakeDetect 15 of 19 subsets exist here: each counts once."""
    found = cells(table("ufd", scored("forensynths", 0.6, "ufd"), scored("ufd", 0.9, "ufd")))
    assert found["forensynths:progan", "ACC, oracle threshold"].value == pytest.approx(60.0)
    whole = found["mean", "AP"]
    assert whole.value is None
    assert whole.reason == "needs all of its sets, without a number: seeingdark, san, crn, imle"
    assert found["mean-here", "AP"].value == pytest.approx((7 * 60 + 8 * 90) / 15)


def test_a_set_counts_once_with_a_metric_of_its_own() -> None:
    """As DDA's mean: of sets, and of EvalGEN, which has fakes alone, the hits."""
    sets = (ProtocolSet(suite="gangen"), ProtocolSet(suite="ufd", metrics=("fake_acc",)))
    protocol = replace(ALL["dda"], sets=sets)
    records = [
        scored("gangen", 0.9, "dda", perturbation="fakes:jpeg(96)"),
        scored("ufd", 0.3, "dda"),
    ]
    built = build_protocol_table(protocol, records, all_suites())
    found = cells(built)  # one row, though only one suite is perturbed
    assert found["gangen", "balanced ACC"].value == pytest.approx(90.0)
    assert found["ufd", "flagged as fake"].value == pytest.approx(30.0)
    assert found["mean", "balanced ACC"].value == pytest.approx(60.0)


def test_a_reference_is_comparable_with_records_of_its_own_protocol() -> None:
    reference = load_reference(REFERENCES, "dda")
    reference = replace(
        reference,
        apart={},
        values=tuple(
            replace(v, weights="released")
            for v in reference.values
            if (v.suite, v.method) == ("ForenSynths", "NPR")
        ),
    )
    plain = scored("forensynths", 0.9, "", detector="npr")
    own = scored("forensynths", 0.479, "dda", detector="npr", perturbation="fakes:jpeg(96)")
    known = Known(suites=all_suites(), published={"npr": ("released",)}, records=[plain])
    (cell,) = against_reference(reference, known).cells
    assert not cell.comparable
    assert "other protocol: paper, that of the reference: dda" in cell.reasons
    (cell,) = against_reference(reference, replace(known, records=[plain, own])).cells
    assert (cell.weights, cell.status, cell.comparable) == ("released", "equal", True)
    assert cell.measured == pytest.approx(47.9)
