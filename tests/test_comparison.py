"""Paired comparisons of kept scores, and the commands that print them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.__main__ import main
from harness.comparison import MEAN, Comparison, Contender, RowTest, compare
from harness.errors import UsageError
from harness.metrics import paired
from harness.results.records import Resampling, RunRecord
from tests.evidence import RESAMPLING, keep, labels_of, scores_of

RNG = np.random.default_rng(5)
BASE = {name: scores_of(i, 1.0) for i, name in enumerate(("a", "b", "c", "ctl"))}
NOISE = {name: RNG.normal(0, 1, values.size) for name, values in BASE.items()}


def worse(by: float) -> dict[str, np.ndarray]:
    return {name: values + by * NOISE[name] for name, values in BASE.items()}


def contender(name: str, *records: RunRecord) -> Contender:
    return Contender(name=name, records=records)


def compared(out: Path, *contenders: Contender) -> Comparison:
    return compare(out, contenders, RESAMPLING)


def one(found: Comparison, subset: str, metric: str) -> RowTest:
    (test,) = (t for t in found.tests if (t.subset, t.metric) == (subset, metric))
    return test


@pytest.fixture
def pair(tmp_path: Path) -> Comparison:
    return compared(
        tmp_path,
        contender("lfm", keep(tmp_path, "lfm", BASE)),
        contender("npr", keep(tmp_path, "npr", worse(3.0))),
    )


def test_each_metric_has_its_test(pair: Comparison) -> None:
    right = [(scores["a"] > 0) == (labels_of() == 1) for scores in (BASE, worse(3.0))]
    mcnemar = paired.mcnemar(*right)
    acc = one(pair, "a", "acc")
    assert acc.discordant == (mcnemar.only_first, mcnemar.only_second)
    assert (acc.p, acc.test) == (mcnemar.p, f"McNemar, {mcnemar.method}")
    auc = one(pair, "a", "auc")
    delong = paired.delong(labels_of(), BASE["a"], worse(3.0)["a"])
    assert (auc.p, auc.test) == (delong.p, "DeLong")
    assert auc.difference.value == pytest.approx(delong.difference)
    assert one(pair, "a", "ap").test == "paired bootstrap"
    assert one(pair, MEAN, "acc").test == "paired bootstrap"


def test_pairing_makes_the_interval_narrower_than_two_of_their_own(tmp_path: Path) -> None:
    one_record = keep(tmp_path, "lfm", BASE)
    other = keep(tmp_path, "npr", worse(0.3))
    found = compared(tmp_path, contender("lfm", one_record), contender("npr", other))
    auc = one(found, "a", "auc")
    metrics = [record.subsets[0].metrics["auc"] for record in (one_record, other)]
    alone = sum(m.high - m.low for m in metrics)
    assert auc.difference.high - auc.difference.low < 0.4 * alone


def test_bootstrap_and_delong_agree_about_the_width(pair: Comparison) -> None:
    delong = paired.delong(labels_of(), BASE["b"], worse(3.0)["b"])
    gap = one(pair, "b", "auc").difference
    assert gap.high - gap.low == pytest.approx(2 * 1.96 * delong.error, rel=0.15)


def test_holm_is_over_the_subsets_of_a_metric_and_the_mean_apart(pair: Comparison) -> None:
    for metric in ("ap", "acc", "auc"):
        tests = [t for t in pair.tests if t.metric == metric and t.subset != MEAN]
        assert [t.p_holm for t in tests] == paired.holm([t.p for t in tests])
        mean = one(pair, MEAN, metric)
        assert mean.p_holm == mean.p


def test_controls_have_accuracies_only_and_are_not_in_the_mean(pair: Comparison) -> None:
    assert {t.metric for t in pair.tests if t.subset == "ctl"} == {"acc"}
    assert pair.averaged == ("a", "b", "c")
    gaps = [one(pair, name, "acc").difference.value for name in "abc"]
    assert one(pair, MEAN, "acc").difference.value == pytest.approx(np.mean(gaps))


def test_detectors_that_are_alike_are_not_told_apart(tmp_path: Path) -> None:
    same = {name: 2 * values for name, values in BASE.items()}
    found = compared(
        tmp_path,
        contender("lfm", keep(tmp_path, "lfm", BASE)),
        contender("npr", keep(tmp_path, "npr", same)),
    )
    assert {t.p for t in found.tests} == {1.0}
    assert {t.difference.value for t in found.tests} == {0.0}


def test_several_seeds_are_averaged_and_not_tested_as_one_checkpoint(tmp_path: Path) -> None:
    seeds = [keep(tmp_path, "npr", worse(1.0 + s), label=f"mini-train/seed{s}") for s in range(2)]
    found = compared(
        tmp_path, contender("lfm", keep(tmp_path, "lfm", BASE)), contender("npr", *seeds)
    )
    assert {t.test for t in found.tests} == {"paired bootstrap"}
    values = [record.subsets[0].metrics["ap"].value for record in seeds]
    assert one(found, "a", "ap").values[1] == pytest.approx(np.mean(values))


def test_ranks_of_three_rows(tmp_path: Path) -> None:
    rows = [
        contender(name, keep(tmp_path, name, worse(by)))
        for name, by in (("lfm", 0.0), ("npr", 2.0), ("gap", 6.0))
    ]
    ranks = compared(tmp_path, *rows).ranks["auc"]
    aucs = np.array([[row.value(s, "auc") for row in rows] for s in "abc"])
    assert ranks.statistic == pytest.approx(stats.friedmanchisquare(*aucs.T).statistic)
    assert ranks.subsets == 3
    assert ranks.mean_ranks[0] < ranks.mean_ranks[2]


def test_other_images_are_left_out(tmp_path: Path) -> None:
    lfm, npr = keep(tmp_path, "lfm", BASE), keep(tmp_path, "npr", worse(1))
    other = dataclasses.replace(npr.subsets[0], manifest="another")
    npr = dataclasses.replace(npr, subsets=(other, *npr.subsets[1:]))
    found = compared(tmp_path, contender("lfm", lfm), contender("npr", npr))
    assert found.subsets == ("b", "c", "ctl")
    assert found.left_out["a"].startswith("other images")
    nothing = dataclasses.replace(npr, subsets=())
    with pytest.raises(UsageError, match="no subset to compare on"):
        compared(tmp_path, contender("lfm", lfm), contender("npr", nothing))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    keep(tmp_path, "lfm", BASE)
    keep(tmp_path, "lfm", worse(0.5), label="mini-train/seed0")
    for seed in range(2):
        keep(tmp_path, "npr", worse(1.0 + seed), label=f"mini-train/seed{seed}")
    keep(tmp_path, "chance", worse(9.0), label="", resampling=None)
    return tmp_path


def test_compare_prints_pairs_and_ranks(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--out", str(out), "--resamples", "200"]
    assert main(["compare", "lfm:released", "npr", "chance", *flags]) == 0
    text = capsys.readouterr().out
    assert "npr, 2 seeds: mean AP" in text
    assert "over seeds" in text
    for line in ("lfm:released against npr", "npr against chance", "AUC, mean ranks over 3"):
        assert line in text
    assert "Holm over the metric's subsets and pairs" in text


def test_compare_as_json(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--out", str(out), "--resamples", "200", "--json", "--suite", "own"]
    assert main(["compare", "lfm:released", "npr:mini-train/seed0", *flags]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["suite"] == "own"
    assert {"DeLong", "paired bootstrap"} < {test["test"] for test in found["tests"]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["lfm", "npr"], "'lfm' names several rows: lfm:mini-train"),
        (["lfm:nope", "npr"], "no scored row 'lfm:nope', there is lfm:mini-train, lfm:released"),
        (["npr", "npr"], "two or more different rows"),
        (["npr"], "two or more different rows"),
        (["nrp", "npr"], "did you mean 'npr'"),
        (["npr", "chance", "--suite", "mini"], "were run on 'mini'"),
        (["npr", "chance", "--resamples", "0"], "leaves nothing to compare by"),
    ],
)
def test_what_cannot_be_compared_is_said(
    rows: list[str], message: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *rows, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err


def test_metrics_names_each_number(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--suite", "own", "--out", str(out)]
    assert main(["metrics", "lfm:released", *flags]) == 0
    text = capsys.readouterr().out
    for name in ("acc_5fold", "acc_oracle", "tpr_at_fpr5", "eer", "brier", "ece"):
        assert f"  {name}" in text
    assert "95 % intervals by 300 resamples of images" in text
    assert "fewer than 1,000 real images" in text
    assert main(["metrics", "chance", *flags, "--subset", "a"]) == 0
    assert "no intervals" in capsys.readouterr().out
    assert main(["metrics", "chance", *flags, "--subset", "aa"]) == 2


def test_a_reliability_diagram(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = out / "figures"
    flags = ["--suite", "own", "--out", str(out), "--to", str(to)]
    assert main(["figures", "--reliability", "lfm:released", *flags]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.split()]
    assert names == [f"reliability-own-lfm-released.{end}" for end in ("json", "svg", "pdf")]
    data = json.loads((to / names[0]).read_text())
    assert data["images"] == sum(bar["count"] for bar in data["bins"]) == 300
    before = [(to / name).read_bytes() for name in names]
    assert main(["figures", "--reliability", "lfm:released", *flags]) == 0
    assert before == [(to / name).read_bytes() for name in names]
    assert main(["figures", "--reliability", "npr", *flags]) == 2
    assert "name one of mini-train/seed0, mini-train/seed1" in capsys.readouterr().err


def test_compare_ignores_how_the_records_were_resampled(tmp_path: Path) -> None:
    bare = keep(tmp_path, "lfm", BASE, resampling=None)
    other = keep(tmp_path, "npr", worse(1.0), resampling=Resampling(resamples=20))
    found = compared(tmp_path, contender("lfm", bare), contender("npr", other))
    assert one(found, "a", "ap").p >= 2 / (RESAMPLING.resamples + 1)
