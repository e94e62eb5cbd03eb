"""What detectors see of pictures, as rows; how local they are, as means with intervals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.checkpoints.resolve import LoadedWeights
from harness.data.preprocess import parse, to_tensor
from harness.engine.scorer import Job
from harness.errors import InputSizeError
from harness.explain.columns import in_words, strongest
from harness.explain.maps import ready
from harness.explain.observer import (
    MapRow,
    Observer,
    Subject,
    focus_differences,
    focus_means,
)
from harness.registry import detectors as registry
from harness.results.records import WeightsRef
from tests.conftest import noise


def observer(name: str = "lfm", layer: str = "") -> Observer:
    torch.manual_seed(0)
    spec = registry.detector(name)
    state = spec.build().state_dict()
    loaded = LoadedWeights(state=state, ref=WeightsRef(label="toy"), path=Path("toy"))
    job = Job(spec=spec, loaded=loaded)
    return Observer(job=job, detector=ready(job), layer=layer)


def test_the_detector_sees_what_it_would_score() -> None:
    """Its own geometry, by suite."""
    seen = observer()
    picture = Subject(name="p", pixels=noise(1, 60, 90))
    view = seen.look(picture)
    assert view.pixels.shape == (256, 256, 3)
    assert (view.pixels == parse("resize(256,256)")(picture.pixels)).all()
    with torch.no_grad():
        expected = float(seen.detector.score(to_tensor(view.pixels)[None])[0])
    rows = list(view.rows())
    assert [row.kind for row in rows] == ["grad-cam", "exact"]
    for row in rows:
        assert (row.detector, row.weights, row.threshold) == ("lfm", "toy", 0)
        assert row.score == pytest.approx(expected, abs=1e-5)
        assert row.decision == ("fake" if expected > 0 else "real")
    assert rows[0].taken is None
    assert rows[1].taken is not None and 0 < rows[1].taken <= 1
    native = seen.look(dataclasses.replace(picture, suite="mini"))
    assert native.pixels.shape == (60, 90, 3)


def test_a_size_that_it_cannot_take_is_named() -> None:
    with pytest.raises(InputSizeError, match="p is 51x50") as raised:
        observer().look(Subject(name="p", suite="mini", pixels=noise(1, 50, 51)))
    assert "--preprocess" in raised.value.hint


def row(detector: str, value: float | None, decision: str = "fake") -> MapRow:
    return MapRow(
        detector=detector,
        weights="w",
        kind="exact",
        layer="",
        score=1.0,
        threshold=0.0,
        decision=decision,
        focus=value,
        taken=None,
    )


def measured(a: list[float | None], b: list[float | None]) -> list[tuple[str, str, MapRow]]:
    found = []
    for number, (first, second) in enumerate(zip(a, b, strict=True)):
        found += [(f"p{number}", "fake", row("a", first)), (f"p{number}", "fake", row("b", second))]
    return found


def test_means_are_over_the_pictures_that_have_a_focus() -> None:
    one, two = focus_means(measured([0.1, 0.3, None], [0.4, None, None]), resamples=200)
    assert (one.detector, one.of, one.called) == ("a", "fake", "fake")
    assert (one.pictures, one.out_of) == (2, 3)
    assert one.mean == pytest.approx(0.2)
    assert one.low == pytest.approx(0.1) and one.high == pytest.approx(0.3)
    assert (two.mean, two.low, two.high, two.pictures) == (0.4, None, None, 1)
    (none,) = focus_means([("p", "real", row("a", None))], resamples=10)
    assert (none.mean, none.low, none.high, none.pictures, none.out_of) == (None, None, None, 0, 1)


def test_the_interval_is_that_of_a_plain_bootstrap() -> None:
    values = np.random.default_rng(0).random(40)
    (found,) = focus_means(
        [(str(i), "fake", row("a", float(v))) for i, v in enumerate(values)], resamples=4000
    )
    drawn = np.random.default_rng(1).choice(values, (4000, 40)).mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_differences_are_paired() -> None:
    """A constant gap has no spread, however much the pictures differ."""
    a = [0.1, 0.4, 0.2, None]
    (found,) = focus_differences(measured(a, [v and v + 0.05 for v in a]), resamples=200)
    assert (found.first, found.second, found.pictures) == ("a:w", "b:w", 3)
    assert found.mean == pytest.approx(-0.05)
    assert found.low == pytest.approx(-0.05) and found.high == pytest.approx(-0.05)


def test_kinds_of_pictures_are_kept_apart() -> None:
    rows = [("p", "real", row("a", 0.1)), ("q", "fake", row("a", 0.5))]
    assert [(m.of, m.mean) for m in focus_means(rows, 10)] == [("fake", 0.5), ("real", 0.1)]
    assert focus_differences(rows, 10) == []


def test_decisions_are_kept_apart_and_differences_are_of_the_same_ones() -> None:
    rows = [
        ("p", "fake", row("a", 0.1)), ("p", "fake", row("b", 0.3)),
        ("q", "fake", row("a", 0.2)), ("q", "fake", row("b", 0.01, "real")),
        ("r", "fake", row("a", 0.02, "real")), ("r", "fake", row("b", 0.03, "real")),
    ]  # fmt: skip
    means = {(m.detector, m.called): m.mean for m in focus_means(rows, 10)}
    assert means == pytest.approx(
        {("a", "fake"): 0.15, ("b", "fake"): 0.3, ("a", "real"): 0.02, ("b", "real"): 0.02}
    )
    gaps = {d.called: (d.mean, d.pictures) for d in focus_differences(rows, 10)}
    assert gaps == {"fake": (pytest.approx(-0.2), 1), "real": (pytest.approx(-0.01), 1)}


def test_words_name_the_strongest_place() -> None:
    values = np.zeros((9, 9), np.float32)
    values[8, 0] = 1.0
    assert strongest(values) == "strongest at the lower left"
    values[1, 8] = 2.0
    assert strongest(values) == "strongest at the upper right"


def test_a_look_in_words_has_its_decision_and_both_maps() -> None:
    look = observer().look(Subject(name="p", pixels=noise(1, 60, 90)))
    row = next(look.rows())
    words = in_words(look)
    assert words.startswith(f"lfm:toy says {row.decision} ({row.score:.2f}); Grad-CAM: ")
    assert "; exact map: focus " in words
