"""Scores on the page are those of the ``score`` command; one detector's failure is its own."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.api import ScoreSpec
from harness.data.perturb import UNPERTURBED
from harness.data.preprocess import Preprocess
from harness.demo import verdicts
from harness.demo.verdicts import Contestant, Reading, Verdict
from harness.demo.ways import Treatment
from harness.evaluate.image_file import ImageFile
from harness.registry import detectors as registry
from tests.demo.conftest import contestant, picture_bytes


def scored(path: Path, method: str, capsys: pytest.CaptureFixture[str], *more: str) -> dict:
    capsys.readouterr()
    assert main(["score", str(path), "--method", method, "--json", *more]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    return row


def look(entrant: Contestant, data: bytes) -> Verdict:
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
            geometry = str(reading.treatment.preprocess)
            file = path
            if reading.treatment.perturbation:  # the same by hand: saved as a JPEG file, scored
                file = tmp_path / "b.jpg"
                quality = int(reading.treatment.name.removeprefix("JPEG "))
                Image.fromarray(original).save(file, quality=quality)
            row = scored(file, method, capsys, "--preprocess", geometry)
            assert reading.score == row["score"], (method, reading.treatment.text)


def reading(score: float | None, fake: bool = False) -> Reading:
    way = Treatment(name="x", preprocess=Preprocess(()), perturbation=UNPERTURBED)
    return Reading(treatment=way, score=score, fake=fake)


def verdict(name: str, *readings: Reading) -> Verdict:
    return Verdict(spec=registry.detector(name), label=name, readings=readings)


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
    spec = replace(registry.detector("chance"), score=ScoreSpec(kind="uncalibrated", threshold=0.5))
    assert Verdict(spec=spec, label="x", readings=(reading(0.25),)).probability is None


def test_a_size_that_a_detector_cannot_take_is_its_readings_error(methods: list[str]) -> None:
    lfm = contestant(methods[0])
    found = look(lfm, picture_bytes(20, 20))
    assert found.published.score is not None  # resized to 256
    (native,) = (r for r in found.readings if r.treatment.name == "no resize")
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
    assert found.maps == ()
    assert found.map_note == "No score, no map."
    assert look(chance, picture_bytes()).published.score is not None


def test_too_many_pixels_are_not_given_to_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "LARGEST", 100)
    (first, *_) = look(contestant("chance"), picture_bytes()).readings
    assert "120x90 pixels" in first.error
