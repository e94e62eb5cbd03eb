"""What ``why`` found, where diff and the record's page show it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.report.explanations import answers_of, in_short
from harness.results.answers import WantedNumber, WhyAnswer, save_answer
from harness.results.paths import TABLES
from harness.results.store import save_record
from harness.site import record_page
from harness.site.explained import explained
from harness.site.renderer import PageRenderer

from ..evidence import keep, scores_of
from ..why.answers import ACC, AP, EXPLAINED, NOTHING, POSSIBLE, answer, outcome
from .synthetic import paper_like, record, result

RECORD = record("gangen", (result("began"), result("cramergan")))
HINT = "python -m harness why --method lfm:released --suite gangen --reference paper"


@pytest.mark.parametrize(
    "change",
    [
        {"detector": "npr"},
        {"weights": "other"},
        {"suite": "ufd"},
        {"keys": {}},
        {"keys": {"began": "n" * 64}},
        {"keys": {"began": "m" * 64, "nowhere": "m" * 64}},
    ],
)
def test_an_answer_about_another_row_or_other_images_is_none(change: dict[str, object]) -> None:
    assert answers_of(RECORD, [EXPLAINED]) == [EXPLAINED]
    assert answers_of(RECORD, [replace(EXPLAINED, **change)]) == []  # type: ignore[arg-type]


def test_an_answer_is_not_about_a_record_of_treated_images() -> None:
    assert answers_of(replace(RECORD, perturbation="jpeg(90)"), [EXPLAINED]) == []


def test_in_short() -> None:
    two = (ACC, replace(AP, subset="cramergan"))
    parts = answer(
        outcome("x", "excluded", 0.623, 0.9),
        wanted=two,
        by_subset={"began": ("a", "b", "c"), "cramergan": ("d",)},
    )
    assert in_short(parts) == (
        "no condition makes all; a, b or 1 more makes the 1 of began (1 of 2); d makes the 1 of "
        "cramergan (1 of 2)"
    )
    three = answer(
        outcome("resize(256)", "explains", 0.623, 0.702, group=0), wanted=(ACC, AP, two[1])
    )
    assert in_short(three) == "resize(256) explains 3 of 3"
    assert in_short(answer(outcome("resize(256)", "explains", 0.623, group=0))) == (
        "resize(256) explains 62.3"
    )
    either = answer(
        *(outcome(f"c{n}", "explains", 0.623, 0.702, group=n) for n in range(4)), wanted=(ACC, AP)
    )
    assert in_short(either) == "c0 explains 2 of 2 or c1 explains 2 of 2, and so do 2 other groups"
    share = WantedNumber(name="images whose scores fit", subset="", metric="share", text="100",
                   low=1.0, high=1.0)  # fmt: skip
    assert in_short(answer(wanted=(share,))) == "None of 0 conditions makes every score"


def printed(column: str, metric: str) -> WantedNumber:
    """The paper's number of LFM as why would be asked for it."""
    from .synthetic import PAPER

    text = f"{PAPER.value('gangen', 'LFM', column, metric):.1f}"
    value = float(text) / 100
    return WantedNumber(
        name=f"{column}.{metric}", subset=column.lower(), metric=metric.lower(), text=text,
        low=value - 0.0005, high=value + 0.0005,
    )  # fmt: skip


def asked_of(*wanted: WantedNumber, name: str = "resize(256)") -> WhyAnswer:
    found = outcome(name, "explains", group=0)
    return answer(found, wanted=wanted)


def test_diff_says_why_and_hints_at_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["diff", "--out", str(tmp_path), "--suite", "gangen"]
    save_record(tmp_path, paper_like("gangen", shift=-3))
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text.endswith(f"which condition makes the numbers that are off: {HINT}\n")
    assert "why: " not in text
    save_answer(tmp_path, asked_of(printed("BEGAN", "ACC"), printed("BEGAN", "AP")))
    assert main(words) == 0
    text = capsys.readouterr().out
    (block,) = [part for part in text.split("\n\n") if part.startswith("off:")]
    lines = block.splitlines()
    at = lines.index("      why: resize(256) explains 2 of 2")
    assert "  gangen  lfm:released: BEGAN ACC, BEGAN AP" in lines[:at]
    assert block.count("why: ") == 1
    assert HINT in text
    assert main([*words, "--brief", "--fail-over", "2"]) == 1
    brief = capsys.readouterr().out
    assert "why: resize(256) explains 2 of 2" in brief
    assert HINT in brief
    assert main([*words, "--json"]) == 0
    cells = [c for c in json.loads(capsys.readouterr().out)["cells"] if c["detector"] == "lfm"]
    why = {(each["column"], each["metric"]): each["why"] for each in cells}
    assert why["BEGAN", "ACC"] == why["BEGAN", "AP"] == "resize(256) explains 2 of 2"
    assert why["S3GAN", "ACC"] == ""
    places = {each["column"]: each["subset"] for each in cells}
    assert (places["BEGAN"], places["mean"]) == ("began", "mean")


def test_diff_has_no_hint_where_all_is_answered_or_nothing_is_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["diff", "--out", str(tmp_path), "--suite", "gangen"]
    save_record(tmp_path, paper_like("gangen"))
    assert main(words) == 0
    assert "python -m harness why" not in capsys.readouterr().out
    one = record("gangen", (result("began"),))
    save_record(tmp_path / "one", one)
    words[2] = str(tmp_path / "one")
    assert main(words) == 0
    assert HINT in capsys.readouterr().out
    whole = [printed("BEGAN", metric) for metric in ("ACC", "AP")]
    mean = [replace(printed("mean", metric), subset="mean") for metric in ("ACC", "AP")]
    save_answer(tmp_path / "one", asked_of(*whole, *mean))
    assert main(words) == 0
    assert "python -m harness why" not in capsys.readouterr().out


def test_an_answer_about_another_number_is_not_the_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(tmp_path, paper_like("gangen", shift=-3))
    save_answer(tmp_path, asked_of(replace(printed("BEGAN", "ACC"), text="62.3")))
    save_answer(tmp_path, asked_of(replace(printed("BEGAN", "ACC"), metric="auc")))
    save_answer(tmp_path, asked_of(replace(printed("BEGAN", "ACC"), subset="s3gan")))
    assert main(["diff", "--out", str(tmp_path)]) == 0
    assert "why: " not in capsys.readouterr().out


def test_of_several_answers_one_that_explains_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(tmp_path, paper_like("gangen", shift=-3))
    acc, ap = printed("BEGAN", "ACC"), printed("BEGAN", "AP")
    save_answer(tmp_path, replace(asked_of(acc), outcomes=(outcome("a", "possible", group=0),)))
    save_answer(tmp_path, asked_of(acc, ap, printed("S3GAN", "AP"), name="b"))
    save_answer(tmp_path, asked_of(acc, ap, name="c"))
    assert main(["diff", "--out", str(tmp_path)]) == 0
    assert "why: b explains 3 of 3" in capsys.readouterr().out


def test_against_a_run_there_is_nothing_to_ask_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(tmp_path / "a", paper_like("gangen"))
    save_record(tmp_path / "b", paper_like("gangen", shift=-3))
    assert main(["diff", "--out", str(tmp_path / "a"), "--against", str(tmp_path / "b")]) == 0
    assert "harness why" not in capsys.readouterr().out


def test_the_page_of_a_record_shows_the_answers_about_its_images(tmp_path: Path) -> None:
    kept = keep(tmp_path, "lfm", {"began": scores_of(1, 1.0)})
    mine = {"suite": "own", "keys": {"began": "began"}}
    answers = [
        replace(EXPLAINED, **mine),  # type: ignore[arg-type]
        replace(NOTHING, **mine),  # type: ignore[arg-type]
        replace(POSSIBLE, suite="own", keys={"began": "other images"}),
    ]
    renderer = PageRenderer(TABLES / "templates")
    (path,) = record_page.write(tmp_path, tmp_path / "to", [kept], renderer, answers=answers)
    page = path.read_text(encoding="utf-8")
    assert '<a href="#why">Why</a>' in page
    assert page.count('class="aim"') == 3  # two numbers of one answer, one of the other
    assert "explains 2 of 2." in page and "5 conditions tried." in page
    assert "None of 3 conditions makes 62.3" in page
    assert "Other weights: these have the published sha256." in page
    assert "The budget was spent." not in page
    (path,) = record_page.write(tmp_path, tmp_path / "to", [kept], renderer)
    assert "Why" not in path.read_text(encoding="utf-8")


def test_the_report_reads_the_kept_answers(tmp_path: Path) -> None:
    keep(tmp_path, "lfm", {"began": scores_of(1, 1.0)})
    save_answer(tmp_path, replace(EXPLAINED, suite="own", keys={"began": "began"}))
    assert main(["report", "--out", str(tmp_path), "--to", str(tmp_path / "to")]) == 0
    (page,) = (tmp_path / "to").glob("own-lfm-*.html")
    assert "resize(256) bilinear or resize(256) by OpenCV explains 2 of 2." in page.read_text(
        encoding="utf-8"
    )


def test_the_table_has_a_row_for_each_group_or_the_nearest() -> None:
    images = {"keys": {"began": "m" * 64}}
    both, none = (
        explained(RECORD, [replace(each, **images)])[0]  # type: ignore[arg-type]
        for each in (POSSIBLE, NOTHING)
    )
    assert [row[0].text for row in both.matches.rows] == ["BGR", "JPEG 90"]
    assert both.matches.caption == "Conditions that match"
    assert none.matches.caption == "The nearest conditions"
    assert [row[2].text for row in none.matches.rows] == ["ACC 61.80", "ACC 55.00", "ACC 99.90"]
    assert both.heading == "ACC 62.3"
    assert both.told == (
        "AP would be 87.2 under BGR, 71.0 under JPEG 90.",
        "The budget was spent.",
    )
    asked_nothing = answer(remarks=("It agrees.",), wanted=(), **images)
    assert explained(RECORD, [asked_nothing]) == []
