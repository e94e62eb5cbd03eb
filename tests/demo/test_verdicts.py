"""Scores on the page are those of the ``score`` command; one detector's failure is its own."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.api import FileHeader, ScoreSpec
from harness.checkpoints.resolve import LoadedWeights
from harness.data.preprocess import Preprocess
from harness.demo import verdicts
from harness.demo.verdicts import Answer, Contestant, Reading, Way, ways
from harness.engine.scorer import Job
from harness.evaluation.image_file import ImageFile
from harness.registry import detectors as registry
from harness.results.records import WeightsRef
from tests.demo.conftest import contestant, picture_bytes


def scored(path: Path, method: str, capsys: pytest.CaptureFixture[str], *more: str) -> dict:
    capsys.readouterr()
    assert main(["score", str(path), "--method", method, "--json", *more]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    return row


def look(entrant: Contestant, data: bytes) -> Answer:
    picture = ImageFile(data, "a.png")
    return entrant.look(picture, picture.header())


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_every_reading_is_the_score_commands(
    form: str, tmp_path: Path, methods: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = picture_bytes(form=form)
    path = tmp_path / "a.img"
    path.write_bytes(data)
    original = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    for method in methods:
        verdict = look(contestant(method), data)
        row = scored(path, method, capsys)
        assert verdict.published.score == row["score"]
        assert ("fake" if verdict.published.fake else "real") == row["decision"]
        for reading in verdict.readings[1:]:
            geometry = str(reading.way.preprocess)
            file = path
            if reading.way.perturbation:  # the same by hand: saved as a JPEG file, scored
                file = tmp_path / "b.jpg"
                quality = int(reading.way.name.removeprefix("JPEG "))
                Image.fromarray(original).save(file, quality=quality)
            row = scored(file, method, capsys, "--preprocess", geometry)
            assert reading.score == row["score"], (method, reading.way.text)


def reading(score: float | None, fake: bool = False) -> Reading:
    return Reading(way=Way("x", Preprocess(())), score=score, fake=fake)


def verdict(name: str, *readings: Reading, **changes: Any) -> Answer:
    spec = replace(registry.detector(name), **changes)
    job = Job(spec=spec, loaded=LoadedWeights(state={}, ref=WeightsRef()))
    return Answer(job=job, readings=readings)


def test_flips_are_the_readings_of_another_decision() -> None:
    turned = reading(2.0, fake=True)
    assert verdict("lfm", reading(-1.0), reading(-2.0), turned, reading(None)).flips == (turned,)
    assert verdict("lfm", reading(None), turned).flips == ()


def test_probability_is_of_logits_and_probabilities_only() -> None:
    assert verdict("lfm", reading(1.5)).probability == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert verdict("lfm", reading(-5000.0)).probability == pytest.approx(0.0)
    assert verdict("lfm", reading(5000.0)).probability == 1.0
    assert verdict("chance", reading(0.25)).probability == 0.25
    assert verdict("lfm", reading(None)).probability is None
    uncalibrated = ScoreSpec(kind="uncalibrated", threshold=0.5)
    assert verdict("chance", reading(0.25), score=uncalibrated).probability is None


def test_a_size_that_a_detector_cannot_take_is_its_readings_error(methods: list[str]) -> None:
    lfm = contestant(methods[0])
    found = look(lfm, picture_bytes(20, 20))
    assert found.published.score is not None  # resized to 256
    (native,) = (r for r in found.readings if r.way.name == "no resize")
    assert native.score is None
    assert "20x20" in native.error
    assert native not in found.flips


def test_what_a_detector_raises_stays_with_it(
    monkeypatch: pytest.MonkeyPatch, methods: list[str]
) -> None:
    lfm, chance = contestant(methods[0]), contestant("chance")

    def broken(*_: object) -> float:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(lfm.scorer, "pixels", broken)
    found = look(lfm, picture_bytes())
    assert {r.error for r in found.readings} == {"RuntimeError: out of luck"}
    assert found.panel == b""
    assert found.alt == "No score, no map."
    assert look(chance, picture_bytes()).published.score is not None


def test_too_many_pixels_are_not_given_to_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "LARGEST", 100)
    (first, *_) = look(contestant("chance"), picture_bytes()).readings
    assert "120x90 pixels" in first.error


def texts(name: str, width: int, height: int, *, pixels: bool = True) -> dict[str, str]:
    header = FileHeader(format="PNG", width=width, height=height, mode="RGB")
    job = Job(spec=registry.detector(name), loaded=LoadedWeights(state={}, ref=WeightsRef()))
    return {way.name: way.text for way in ways(job, header, pixels=pixels)}


def test_published_comes_first_and_its_geometry_is_not_repeated() -> None:
    assert list(texts("lfm", 400, 300).items()) == [
        ("as published", "resize(256,256)"),
        ("no resize", "native"),
        ("centre crop", "center_crop(256)"),
        ("JPEG 96", "jpeg(96), then resize(256,256)"),
        ("JPEG 75", "jpeg(75), then resize(256,256)"),
    ]


def test_geometries_fit_odd_and_small_pictures() -> None:
    found = texts("lfm", 101, 77)
    assert found["no resize"] == "crop_multiple(2)"
    assert found["centre crop"] == "center_crop(64)"  # a multiple of 16, as of `run --twin`


def test_a_detector_of_headers_is_shown_no_geometry() -> None:
    assert list(texts("metadata", 40, 30, pixels=False)) == ["as published", "JPEG 96", "JPEG 75"]


@pytest.mark.parametrize("name", registry.detectors())
def test_no_two_ways_are_the_same(name: str) -> None:
    found = list(texts(name, 300, 200).values())
    assert len(set(found)) == len(found) >= 3
