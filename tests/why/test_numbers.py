"""Tables of numbers against a reference: what is read, what explains, and what is left open."""

from pathlib import Path

import pytest

from harness.diagnosis.numbers import all_tables, explain_numbers, read_numbers
from harness.errors import DataError, UsageError
from harness.metrics.digits import Digits
from harness.report.inconsistencies import findings
from harness.report.known_tables import KnownTable
from harness.report.printed import load_paper
from harness.report.table_faults import Key
from harness.results.answers import ConditionResult, WhyAnswer
from harness.results.paths import REFERENCES

KNOWN = all_tables()
PAPER = load_paper(REFERENCES / "paper")
SAID = {each.key: " ".join(each.conditions) for each in findings(PAPER)}


def printed(table: str, method: str, scan: bool = False, **changed: str) -> dict[Key, Digits]:
    """A row of the paper; ``changed``: ``gaugan_ACC="82.5"``."""
    found = {}
    for (name, row, column, metric), cell in PAPER.cells.items():
        if (name, row) == (table, method) and column != "cost":
            text = f"{cell.as_printed if scan else cell.value:.1f}"
            text = changed.get(f"{column.replace(' ', '')}_{metric}", text)
            found[row, column, metric] = Digits.parse(text)
    return found


def told(answer: WhyAnswer) -> dict[str, ConditionResult]:
    return {each.name: each for each in answer.outcomes if each.verdict != "excluded"}


def asked(**tables: dict[Key, Digits]) -> WhyAnswer:
    return explain_numbers(tables, "paper", KNOWN)


def test_what_is_as_printed_needs_no_reason() -> None:
    answer = asked(gangen=printed("gangen", "NPR"))
    assert (answer.wanted, answer.outcomes) == ((), ())
    assert answer.remarks == ("gangen: 20 of 20 numbers are as paper prints them, 0 are not.",)


def test_the_papers_transposed_pair() -> None:
    answer = asked(summary=printed("summary", "LGrad", scan=True))
    name = "LGrad: ACC and AP exchanged: Test Set5"
    found = told(answer)[name]
    assert found.verdict == "explains"
    assert f"{name}: explains" in SAID["transposed-pair"]
    assert {"LGrad Test Set5.ACC", "LGrad mean.ACC", "LGrad mean.AP"} <= set(found.numbers)
    assert not answer.remains


def test_the_papers_exchanged_sets() -> None:
    known = {("FatFormer", "Test Set4", "ACC"): "93.80", ("FatFormer", "Test Set4", "AP"): "98.54"}
    answer = asked(summary={key: Digits.parse(text) for key, text in known.items()})
    name = "columns exchanged: Test Set3 and Test Set4"
    assert told(answer)[f"FatFormer: {name}"].verdict == "explains"
    assert f"FatFormer, by authors' README: {name}: explains" in SAID["swapped-sets"]


def test_the_papers_means() -> None:
    answer = asked(summary={**printed("summary", "LGrad"), **printed("summary", "Ojha")})
    for method in ("LGrad", "Ojha"):
        name = f"{method}: mean over the 5 sets, AP"
        assert told(answer)[name].verdict == "possible"
        assert f"{name}: possible" in SAID["mean-rule"]
    assert any("LGrad mean AP" in each for each in answer.remarks)


def test_a_column_of_means_by_another_rule_explains() -> None:
    rows: dict[Key, Digits] = {}
    for method in ("NPR", "SAFE", "LFM", "Ojha"):
        row = printed("summary", method)
        for metric in ("ACC", "AP"):
            sets = [d.percent for k, d in row.items() if k[1] != "mean" and k[2] == metric]
            row[method, "mean", metric] = Digits.parse(f"{sum(sets) / 5:.1f}")
        rows |= row
    found = told(asked(summary=rows))
    assert found["NPR, SAFE, LFM, Ojha: mean over the 5 sets"].verdict == "explains"


def test_the_papers_shared_reals() -> None:
    (found,) = told(asked(gangen=printed("gangen", "Ojha"))).values()
    assert found.verdict == "explains"
    assert found.name in SAID["shared-reals"]


def test_names_are_found_however_they_are_written() -> None:
    row = printed("forensynths", "NPR")
    given = {
        ("npr", "StarGAN", "ACC"): row["NPR", "stargan", "ACC"],
        ("NPR", "Big-GAN", "AP"): row["NPR", "biggan", "AP"],
        ("N.P.R.", "Average", "AP"): row["NPR", "mean", "AP"],
    }
    answer = explain_numbers({"ForenSynths": given}, "paper", KNOWN)
    assert answer.remarks[0].startswith("ForenSynths: 3 of 3 numbers are as paper prints")
    guided = {("npr", "guided", "ACC"): Digits.parse("75.8")}
    assert "1 of 1 numbers are as" in explain_numbers({"ufd": guided}, "paper", KNOWN).remarks[0]


def test_two_columns_exchanged_are_one_group_of_readings() -> None:
    row = printed("forensynths", "NPR", gaugan_ACC="96.3", gaugan_AP="99.6")
    answer = asked(forensynths=row)
    found = told(answer)
    assert [each.text for each in answer.wanted[:2]] == ["96.3", "99.6"]
    one = found["NPR: number of another column: stylegan under gaugan"]
    assert one.verdict == "explains"
    # Exchanged they are not: stylegan's own number is there too.
    assert "NPR: columns exchanged: stylegan and gaugan" not in found


def test_a_number_of_another_reference_is_found_there() -> None:
    thread = next(
        t
        for t in KNOWN
        if t.source.endswith("NPR-DeepfakeDetection issue 4") and t.is_of("forensynths")
    )
    given = {key: Digits.parse(f"{value:.1f}") for key, value in thread.numbers.items()}
    found = told(asked(forensynths=given))
    name = "NPR: copied: NPR of thread-rerun (chuangchuangtan/NPR-DeepfakeDetection issue 4)"
    assert found[name].verdict == "explains"
    # gaugan 82.5 alone is what two threads have, and other rows come near.
    alone = asked(forensynths={("NPR", "gaugan", "ACC"): Digits.parse("82.5")})
    assert "explains" not in {each.verdict for each in told(alone).values()}


def test_another_row_of_the_table() -> None:
    ours = {("NPR", *key[1:]): digits for key, digits in printed("ufd", "LFM").items()}
    found = told(asked(ufd=ours))
    assert found["NPR: row of another method: LFM in that of NPR"].verdict == "explains"


def test_decimals_cut() -> None:
    fine = {
        ("X", column, metric): value
        for column, pair in {"a": (62.38, 71.27), "b": (84.96, 90.19), "c": (55.07, 58.88)}.items()
        for metric, value in zip(("ACC", "AP"), pair, strict=True)
    }
    table = KnownTable(
        reference="mine", source="here", suites=("s",), rows={"X": "x"},
        columns=dict.fromkeys("abc", ""), numbers=fine, half=0.005,
    )  # fmt: skip
    texts = {"a": ("62.3", "71.2"), "b": ("84.9", "90.1"), "c": ("55.0", "58.8")}
    given = {
        ("X", column, metric): Digits.parse(text)
        for column, pair in texts.items()
        for metric, text in zip(("ACC", "AP"), pair, strict=True)
    }
    assert (
        told(explain_numbers({"s": given}, "mine", [table]))["X: cut, not rounded: X"].verdict
        == "explains"
    )
    rounded = {**given, ("X", "b", "ACC"): Digits.parse("85.0")}
    assert "X: cut, not rounded: X" not in told(explain_numbers({"s": rounded}, "mine", [table]))


def test_what_nothing_makes_is_said_with_the_nearest() -> None:
    answer = asked(forensynths=printed("forensynths", "NPR", gaugan_ACC="12.3"))
    (line,) = [each for each in answer.remains if "gaugan.ACC" in each]
    assert line.startswith("none of ") and "(the reference: 86.6); the nearest is " in line
    assert "What remains: other images, weights or code" in line
    assert not told(answer)


def test_the_number_that_would_decide_is_named() -> None:
    table = KnownTable(
        reference="mine", source="here", suites=("s",), rows={"X": "", "Y": ""},
        columns=dict.fromkeys("abc", ""), half=0.05,
        numbers={
            ("X", "a", "ACC"): 90.0, ("X", "b", "ACC"): 80.0, ("X", "c", "ACC"): 70.0,
            ("X", "a", "AP"): 95.0, ("X", "b", "AP"): 88.0, ("X", "c", "AP"): 77.0,
            ("Y", "a", "ACC"): 80.0, ("Y", "a", "AP"): 99.0,
        },
    )  # fmt: skip
    answer = explain_numbers({"s": {("X", "a", "ACC"): Digits.parse("80.0")}}, "mine", [table])
    assert {each.verdict for each in told(answer).values()} == {"possible"}
    assert len({each.group for each in told(answer).values()}) == 1
    (line,) = answer.deciding
    assert line.startswith("X ")
    assert " under " in line


def test_suites_are_told_apart_and_one_without_a_table_is_said() -> None:
    answer = asked(gangen=printed("gangen", "NPR", SNGAN_ACC="11.1"), nowhere=printed("ufd", "NPR"))
    assert answer.wanted[0].name.startswith("gangen NPR ")
    assert "nowhere: the reference paper has no such table." in answer.remarks
    with pytest.raises(UsageError, match="reference paper has no table of nowhere") as caught:
        asked(nowhere=printed("ufd", "NPR"))
    assert "gangen" in caught.value.hint


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_in_any_order_of_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "Method,value,metric,subset,suite,note\nNPR,99.0%,acc,BEGAN,gangen,x\n")
    assert read_numbers(path) == {"gangen": {("NPR", "BEGAN", "ACC"): Digits("99.0", 1)}}
    path = write(tmp_path, "suite,subset,method,metric,value\nufd,ldm_200,C2P,AP,-0.00\n")
    assert read_numbers(path)["ufd"]["C2P", "ldm_200", "AP"].percent == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suite,subset,method,value\n", "no column metric; it has suite, subset, method, value"),
        ("", "no column suite, subset, method, metric, value; it has nothing"),
        ("suite,subset,method,metric,value\n", "holds no number"),
        ("suite,subset,method,metric,value\ng,s,m,F1,1\n", "line 2: metric 'F1' is not known"),
        ("suite,subset,method,metric,value\ng,s,m,AP,x\n", "line 2: value 'x' is no number"),
        ("suite,subset,method,metric,value\ng,s,m,AP,101\n", "line 2: value '101' lies outside"),
        ("suite,subset,method,metric,value\ng,,m,AP\n", "line 2: no subset, value"),
        (
            "suite,subset,method,metric,value\ng,s,m,AP,1\ng,s,m,ap,2\n",
            "line 3: m s AP is there twice",
        ),
    ],
)
def test_a_wrong_file_says_what_is_missing(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_numbers(write(tmp_path, text))
    assert message in caught.value.message
    assert "suite,subset,method,metric,value" in caught.value.hint


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent"):
        read_numbers(tmp_path / "none.csv")
