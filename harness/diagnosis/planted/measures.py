"""Faults of what is computed from scores, and of where it is printed, by scikit-learn and numpy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import auc as area_under
from sklearn.metrics import average_precision_score, precision_recall_curve

from harness.diagnosis.planted.planter import Planter
from harness.diagnosis.planted.world import (
    MEASURES,
    Measure,
    PlantedFault,
    Rows,
    Table,
    accuracy,
    auc,
    average_precision,
    called_right,
    class_accuracy,
    sigmoid,
)

STATED = 300
Floats = np.ndarray[Any, Any]


def ap_of(values: Callable[[Floats], Floats]) -> PlantedFault:
    """AP of other values than the logits."""
    return PlantedFault(measures={"ap": lambda rows: _ap(rows.labels, values(rows.scores))})


def _ap(labels: Floats, values: Floats) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return abs(float(average_precision_score(labels, values)))


def rounded(what: str) -> PlantedFault:
    """Of logits, of probabilities in a type, with some decimals, of decisions."""

    def values(scores: Floats) -> Floats:
        shares = sigmoid(scores.astype(np.float32))
        if what == "logits":
            return scores
        if what == "decisions":
            return (scores > 0).astype(float)
        if what.endswith("probabilities"):
            return shares.astype(what.split()[0])
        return np.array([float(f"{value:.{what.split()[2]}f}") for value in shares.tolist()])

    return ap_of(values)


def auc_for_ap() -> PlantedFault:
    """ROC."""
    return PlantedFault(measures={"ap": auc})


def ap_for_auc() -> PlantedFault:
    """AP where AUC stands, which is none of the numbers that are given."""
    return PlantedFault()


def ap_of_reals() -> PlantedFault:
    """Real is positive; in the release's arithmetic."""

    def measure(rows: Rows) -> float:
        return average_precision(replace(rows, labels=1 - rows.labels, scores=-rows.scores))

    return PlantedFault(measures={"ap": measure})


def trapezoids() -> PlantedFault:
    """sklearn's points, joined."""

    def measure(rows: Rows) -> float:
        precision, recall, _ = precision_recall_curve(rows.labels, rows.ranked())
        return float(area_under(recall, precision))

    return PlantedFault(measures={"ap": measure})


def eleven_points() -> PlantedFault:
    """PASCAL VOC 2007."""

    def measure(rows: Rows) -> float:
        precision, recall, _ = precision_recall_curve(rows.labels, rows.ranked())
        # Without sklearn's last point, which no threshold gives: precision 1 at recall 0.
        precision, recall = precision[:-1], recall[:-1]
        at = [precision[recall >= level / 10 - 1e-9].max() for level in range(11)]
        return float(np.mean(at))

    return PlantedFault(measures={"ap": measure})


def ap_by_batches(size: str) -> PlantedFault:
    """The mean of sklearn's AP."""

    def measure(rows: Rows) -> float:
        found, n, ranked = [], int(size), rows.ranked()
        for start in range(0, len(rows.ids), n):
            part = rows.labels[start : start + n]
            found.append(_ap(part, ranked[start : start + n]))
        return float(np.mean(found))

    return PlantedFault(measures={"ap": measure})


def judged(at: str) -> PlantedFault:
    """Another threshold, or another scale."""

    def fakes(scores: Floats) -> Floats:
        shares = sigmoid(scores.astype(np.float32))
        return {
            "with >=": scores >= 0,
            "at logit 0.5": scores > 0.5,
            "at probability 0.5": shares > 0.5,
            "at probability 0": shares > 0,
        }[at]

    return _decided(lambda rows, _: fakes(rows.scores))


def _decided(decide: Callable[[Rows, Table], Floats]) -> PlantedFault:
    """ACC of all, of reals, of fakes, by other decisions."""

    def rows_of(table: Table) -> Table:
        return {
            name: replace(rows, calls=np.asarray(decide(rows, table), dtype=bool))
            for name, rows in table.items()
        }

    return PlantedFault(rows=rows_of)


def best(over: str | None) -> PlantedFault:
    """The threshold with the most right decisions; the largest of equally good ones."""

    def decide(rows: Rows, table: Table) -> Floats:
        used = list(table.values()) if over else [rows]
        scores = np.concatenate([each.scores for each in used])
        fake = np.concatenate([each.labels for each in used]) == 1
        levels = sorted({*scores.tolist(), float(scores.min()) - 1}, reverse=True)
        counts = [int(((scores > level) == fake).sum()) for level in levels]
        return np.asarray(rows.scores > levels[int(np.argmax(counts))])

    return _decided(decide)


def printed(metric: str) -> PlantedFault:
    """Another share under the name of ACC, or of one class."""
    reals, fakes = class_accuracy(0), class_accuracy(1)
    wrong: dict[str, dict[str, Measure]] = {
        "balanced ACC": {"acc": lambda rows: (reals(rows) + fakes(rows)) / 2},
        "ACC of fakes only": {"acc": fakes},
        "ACC of reals only": {"acc": reals},
        "reals' ACC printed for fakes": {"fake_acc": reals},
        "fakes' ACC printed for reals": {"real_acc": fakes},
        "error in place of ACC": {
            "acc": lambda rows: 1 - accuracy(rows),
            "real_acc": lambda rows: 1 - reals(rows),
            "fake_acc": lambda rows: 1 - fakes(rows),
        },
    }
    return PlantedFault(measures=wrong[metric])


def over_all(which: str) -> PlantedFault:
    """A class's right ones by all images."""
    label = 1 if which == "fakes" else 0

    def measure(rows: Rows) -> float:
        return float((called_right(rows) & (rows.labels == label)).sum() / len(rows.ids))

    return PlantedFault(measures={"acc": measure, f"{which[:-1]}_acc": measure})


def over_stated() -> PlantedFault:
    """Divided by another number, which is what is said."""
    return PlantedFault(
        measures={"acc": lambda rows: called_right(rows).sum() / STATED}, stated=STATED
    )


def acc_by_batches(size: str) -> PlantedFault:
    """The mean over batches."""

    def measure(rows: Rows) -> float:
        good, n = called_right(rows), int(size)
        return float(np.mean([good[at : at + n].mean() for at in range(0, len(good), n)]))

    return PlantedFault(measures={"acc": measure})


def full_batches(size: str) -> PlantedFault:
    """The last batch is taken for full."""

    def measure(rows: Rows) -> float:
        return float(called_right(rows).sum() / (-(-len(rows.ids) // int(size)) * int(size)))

    return PlantedFault(measures={"acc": measure})


def pooled_images() -> PlantedFault:
    """All images as one set."""

    def whole(table: Table, known: Mapping[str, float]) -> dict[str, float]:
        one = Rows(
            ids=tuple(name for rows in table.values() for name in rows.ids),
            labels=np.concatenate([rows.labels for rows in table.values()]),
            scores=np.concatenate([rows.scores for rows in table.values()]),
            digests=(),
            tied=next(iter(table.values())).tied,
        )
        return {f"mean.{metric}": measure(one) for metric, measure in MEASURES.items()}

    return PlantedFault(pooled=whole)


def _mean_over(weights: Callable[[Table], Mapping[str, float]]) -> PlantedFault:
    def whole(table: Table, known: Mapping[str, float]) -> dict[str, float]:
        shares = weights(table)
        total = sum(shares.values())
        return {
            f"mean.{metric}": sum(known[f"{n}.{metric}"] * w for n, w in shares.items()) / total
            for metric in MEASURES
        }

    return PlantedFault(pooled=whole)


def _scenes(rows: Rows) -> list[Rows]:
    """By the first folder that is no class folder."""
    folders = [name.split("/")[:-1] for name in rows.ids]
    names = [next((f for f in each if f not in ("0_real", "1_fake")), "") for each in folders]
    return [
        rows.take([place for place, name in enumerate(names) if name == scene])
        for scene in sorted(set(names))
    ]


def over_scenes() -> PlantedFault:
    """A subset's number is the mean over its scenes."""

    def measure(of: Measure) -> Measure:
        return lambda rows: float(np.mean([of(part) for part in _scenes(rows)]))

    return PlantedFault(measures={metric: measure(of) for metric, of in MEASURES.items()})


def scenes_as_subsets() -> PlantedFault:
    """The mean over all scenes of all subsets."""

    def whole(table: Table, known: Mapping[str, float]) -> dict[str, float]:
        parts = [part for rows in table.values() for part in _scenes(rows)]
        return {
            f"mean.{metric}": float(np.mean([of(part) for part in parts]))
            for metric, of in MEASURES.items()
        }

    return PlantedFault(pooled=whole)


def by_size() -> PlantedFault:
    """The mean by numbers of images."""
    return _mean_over(lambda table: {name: len(rows.ids) for name, rows in table.items()})


def without(name: str) -> PlantedFault:
    """The mean over all columns but one."""
    return _mean_over(lambda table: {each: 1.0 for each in table if each != name})


def first_columns(count: str) -> PlantedFault:
    """The mean over the first columns."""
    return _mean_over(lambda table: dict.fromkeys(list(table)[: int(count)], 1.0))


def pair_exchanged(subset: str | None) -> PlantedFault:
    """ACC for AP, everywhere or in one column."""

    def whole(table: Table, known: Mapping[str, float]) -> dict[str, float]:
        names = [subset] if subset else list(table)
        turned: dict[str, float] = {}
        for metric, other in (("acc", "ap"), ("ap", "acc")):
            turned |= {f"{name}.{metric}": known[f"{name}.{other}"] for name in names}
        every = {**known, **turned}
        for metric in ("acc", "ap"):
            turned[f"mean.{metric}"] = sum(every[f"{n}.{metric}"] for n in table) / len(table)
        return turned

    return PlantedFault(pooled=whole)


def columns_exchanged(a: str, b: str) -> PlantedFault:
    """Two columns for each other."""
    return PlantedFault(
        pooled=lambda table, known: {
            f"{here}.{metric}": known[f"{there}.{metric}"]
            for here, there in ((a, b), (b, a))
            for metric in MEASURES
        }
    )


def mean_under(name: str) -> PlantedFault:
    """The mean in a column."""
    return PlantedFault(
        pooled=lambda table, known: {f"{name}.{m}": known[f"mean.{m}"] for m in MEASURES}
    )


PLANTERS = tuple(
    Planter(family=family, pattern=pattern, make=make)
    for family, pattern, make in (
        (
            "metric",
            r"AP of (logits|decisions|float(?:16|32) probabilities|scores with \d decimals)",
            rounded,
        ),
        ("metric", r"AUC in place of AP", auc_for_ap),
        ("metric", r"AP in place of AUC", ap_for_auc),
        ("metric", r"AP of reals", ap_of_reals),
        ("metric", r"AP by trapezoids", trapezoids),
        ("metric", r"AP at 11 points", eleven_points),
        ("metric", r"mean AP of batches of (\d+)", ap_by_batches),
        ("metric", r"ACC (with >=|at logit 0\.5|at probability 0(?:\.5)?)", judged),
        ("metric", r"ACC at the best threshold( of all sets)?", best),
        (
            "metric",
            r"(balanced ACC|ACC of \w+ only|.*' ACC printed for .*|error in place of ACC)",
            printed,
        ),
        ("metric", r"right (reals|fakes) over all images", over_all),
        ("metric", r"over the stated number of images", over_stated),
        ("metric", r"mean ACC of batches of (\d+)", acc_by_batches),
        ("metric", r"ACC over full batches of (\d+)", full_batches),
        ("metric", r"pooled over all images", pooled_images),
        ("metric", r"mean weighted by size", by_size),
        ("metric", r"mean over scenes", over_scenes),
        ("metric", r"every scene as a subset", scenes_as_subsets),
        ("table", r"mean over the \d+ subsets but (.*)", without),
        ("table", r"mean over the first (\d+) columns of .*", first_columns),
        ("table", r"mean over the \d+ subsets by their images", by_size),
        ("table", r"truncated|cut, not rounded", lambda: PlantedFault(cut=True)),
        ("table", r"ACC and AP exchanged(?:: (.*))?", pair_exchanged),
        ("table", r"columns exchanged: (\S+) and (\S+)", columns_exchanged),
        ("table", r"number of another column: the mean under (.*)", mean_under),
    )
)
