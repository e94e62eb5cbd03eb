"""Paired comparisons of kept scores, and the commands that print them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.__main__ import main
from harness.errors import UsageError
from harness.metrics import paired
from harness.results import MEAN
from harness.results.comparison import Comparison, Contender, CrossCheck, RowTest, compare
from harness.results.records import Resampling, RunRecord
from harness.results.store import load_records, save_record
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


def test_one_checkpoint_against_one_is_cross_checked(pair: Comparison) -> None:
    right = [(scores["a"] > 0) == (labels_of() == 1) for scores in (BASE, worse(3.0))]
    mcnemar = paired.mcnemar(*right)
    acc = one(pair, "a", "acc").check
    assert acc == CrossCheck(
        test="McNemar, mid-p", p=mcnemar.p, discordant=(mcnemar.only_first, mcnemar.only_second)
    )
    auc = one(pair, "a", "auc")
    delong = paired.delong(labels_of(), BASE["a"], worse(3.0)["a"])
    assert auc.check == CrossCheck(test="DeLong", p=delong.p)
    assert auc.verdict.value == pytest.approx(delong.difference)
    assert one(pair, "a", "ap").check is None
    assert one(pair, MEAN, "acc").check is None


def test_pairing_makes_the_interval_narrower_than_two_of_their_own(tmp_path: Path) -> None:
    one_record = keep(tmp_path, "lfm", BASE)
    other = keep(tmp_path, "npr", worse(0.3))
    found = compared(tmp_path, contender("lfm", one_record), contender("npr", other))
    auc = one(found, "a", "auc").verdict
    metrics = [record.subsets[0].metrics["auc"] for record in (one_record, other)]
    alone = sum(m.high - m.low for m in metrics)
    assert auc.high - auc.low < 0.4 * alone


def test_bootstrap_and_delong_agree_about_the_width(pair: Comparison) -> None:
    delong = paired.delong(labels_of(), BASE["b"], worse(3.0)["b"])
    gap = one(pair, "b", "auc").verdict
    assert gap.high - gap.low == pytest.approx(2 * 1.96 * delong.error, rel=0.2)


def test_holm_is_over_the_subsets_of_a_metric_and_the_mean_apart(pair: Comparison) -> None:
    for metric in ("ap", "acc", "auc"):
        tests = [t.verdict for t in pair.tests if t.metric == metric and t.subset != MEAN]
        assert [t.p_holm for t in tests] == paired.holm([t.p for t in tests])
        mean = one(pair, MEAN, metric).verdict
        assert mean.p_holm == mean.p


def test_controls_have_their_rate_only_and_are_not_in_the_mean(pair: Comparison) -> None:
    assert {t.metric for t in pair.tests if t.subset == "ctl"} == {"real_acc"}
    check = one(pair, "ctl", "real_acc").check
    assert check is not None and check.test == "McNemar, mid-p"
    assert pair.without == ()
    assert pair.averaged == ("a", "b", "c")
    gaps = [one(pair, name, "acc").verdict.value for name in "abc"]
    assert one(pair, MEAN, "acc").verdict.value == pytest.approx(np.mean(gaps))


def test_detectors_that_are_alike_are_not_told_apart(tmp_path: Path) -> None:
    same = {name: 2 * values for name, values in BASE.items()}
    found = compared(
        tmp_path,
        contender("lfm", keep(tmp_path, "lfm", BASE)),
        contender("npr", keep(tmp_path, "npr", same)),
    )
    assert {t.verdict.p for t in found.tests} == {1.0}
    assert {t.verdict.value for t in found.tests} == {0.0}
    # 40 fakes on which they agree do not show that they agree within one point.
    assert {t.verdict.word for t in found.tests} == {"not told apart"}
    rows = [contender(name, *_kept(tmp_path, name)) for name in ("lfm", "npr")]
    wide = compare(tmp_path, rows, RESAMPLING, margin=0.2)
    assert one(wide, "a", "acc").verdict.word == "hardly matters (within ±20)"


def _kept(out: Path, detector: str) -> list[RunRecord]:
    return [record for record in load_records(out) if record.detector == detector]


def test_seeds_are_drawn_too(tmp_path: Path) -> None:
    """Seeds that scatter widen the interval and take degrees of freedom; images alone do not."""
    rows = {}
    for name, spread in (("npr", 0.0), ("gap", 3.0)):
        seeds = [
            keep(tmp_path, name, worse(1.0 + spread * s), label=f"mini-train/seed{s}")
            for s in range(3)
        ]
        rows[name] = contender(name, *seeds)
    base = [keep(tmp_path, "lfm", BASE, label=f"mini-train/seed{s}") for s in range(3)]
    calm, wild = (
        one(compared(tmp_path, contender("lfm", *base), row), MEAN, "auc").verdict
        for row in rows.values()
    )
    assert calm.paired and wild.paired
    assert wild.high - wild.low > 2 * (calm.high - calm.low)
    assert wild.freedom < 4 < calm.freedom
    released = contender("lfm:one", base[0])
    single = one(compared(tmp_path, released, rows["gap"]), MEAN, "auc").verdict
    assert (single.seeds, single.paired) == ((1, 3), False)


def test_several_seeds_are_averaged_and_not_tested_as_one_checkpoint(tmp_path: Path) -> None:
    seeds = [keep(tmp_path, "npr", worse(1.0 + s), label=f"mini-train/seed{s}") for s in range(2)]
    found = compared(
        tmp_path, contender("lfm", keep(tmp_path, "lfm", BASE)), contender("npr", *seeds)
    )
    assert {t.check for t in found.tests} == {None}
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
    assert "Holm's over the metric's subsets and pairs" in text
    assert "images and seeds" in text
    assert "Units drawn: images, taken as independent." in text
    assert "± " not in text


def test_compare_as_json(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--out", str(out), "--resamples", "200", "--json", "--suite", "own"]
    assert main(["compare", "lfm:released", "npr:mini-train/seed0", *flags]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["suite"] == "own"
    checks = {test["check"]["test"] for test in found["tests"] if test["check"]}
    assert checks == {"DeLong", "McNemar, mid-p"}
    assert all(0 <= test["verdict"]["p"] <= test["verdict"]["p_holm"] for test in found["tests"])


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


def test_two_recipes_are_no_two_seeds_of_one_row(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in load_records(out):
        if (record.detector, record.weights.seed) == ("npr", 1):
            weights = dataclasses.replace(record.weights, recipe={"val_preprocess": "native"})
            save_record(out, dataclasses.replace(record, weights=weights))
    assert main(["metrics", "npr", "--suite", "own", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "names several rows" in said and "val preprocess native" in said
    assert main(["metrics", "npr:mini-train/seed1", "--suite", "own", "--out", str(out)]) == 0


def test_metrics_says_what_must_be_said(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = [r for r in load_records(out) if r.weights.label == "released"]
    skipped = dataclasses.replace(record.subsets[0], skipped=("x.png",))
    save_record(out, dataclasses.replace(record, subsets=(skipped, *record.subsets[1:])))
    name = skipped.subset
    for subset, head in (("mean", f"{name}: 1 of "), (name, "1 of ")):
        flags = ["--suite", "own", "--subset", subset, "--out", str(out)]
        assert main(["metrics", "lfm:released", *flags]) == 0
        assert f"  note: {head}" in capsys.readouterr().out


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
    assert one(found, "a", "ap").verdict.p is not None
