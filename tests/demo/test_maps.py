"""Maps over pictures: the colour says the sign, the opacity the size, the words the place."""

from __future__ import annotations

import importlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.demo import overlays as maps
from harness.demo import page
from harness.demo.overlays import FOR_FAKE, FOR_REAL, overlay
from harness.evaluate.image_file import ImageFile
from tests.demo.conftest import contestant, picture_bytes, random_weights

GREY = np.full((64, 128, 3), 100, np.uint8)


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)


def test_colour_is_the_sign_and_opacity_the_size() -> None:
    values = np.array([[1.0, 0.5, 0.0, -1.0]], np.float32)
    drawn = pixels(overlay(GREY, values, smooth=False))
    assert drawn.shape == (160, 320, 3)
    full, half, nothing, real = (drawn[80, x] for x in (40, 120, 200, 280))
    opaque = maps._OPAQUE
    assert np.abs(full - (np.array(FOR_FAKE) * opaque + 100 * (1 - opaque))).max() <= 1
    assert np.abs(real - (np.array(FOR_REAL) * opaque + 100 * (1 - opaque))).max() <= 1
    assert np.abs(half - (full + 100) / 2).max() <= 1
    assert (nothing == 100).all()


def test_a_map_of_zeros_is_the_picture_in_grey() -> None:
    drawn = pixels(overlay(GREY, np.zeros((4, 4), np.float32), smooth=True))
    assert (drawn == 100).all()


def test_words_name_the_strongest_place() -> None:
    values = np.zeros((9, 9), np.float32)
    assert maps._strongest(values) == "nothing speaks for fake"
    values[8, 0] = 1.0
    assert maps._strongest(values) == "evidence for fake is strongest at the lower left"


def look_at(method: str) -> tuple[str, str]:
    data = picture_bytes(96, 96)
    picture = ImageFile(data, "a.png")
    verdict = contestant(method).look(picture, picture.header())
    titles = ", ".join(each.title for each in verdict.maps)
    html = list(page.answer(data, "a.png", [contestant(method)]))[-1]
    assert html.count("<figure>") == len(verdict.maps)
    assert verdict.published.score is not None
    return titles, verdict.map_note


def test_a_network_shows_its_maps_beside_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="extra explain is not installed")
    assert look_at(random_weights("lfm", tmp_path)) == ("Grad-CAM, Exact map", "")


def test_a_detector_without_a_network_says_so(methods: list[str]) -> None:
    pytest.importorskip("captum", reason="extra explain is not installed")
    assert look_at("chance")[1] == "It offers no map of the picture: it is no torch network."
    metadata = next(method for method in methods if method.startswith("metadata"))
    assert look_at(metadata)[1].startswith("It reads the file's header")


def test_without_captum_scores_stay_and_the_page_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name.startswith("captum"):
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    titles, note = look_at(random_weights("lfm", tmp_path))
    assert titles == ""
    assert "pip install -e '.[explain]'" in note


def test_no_map_of_a_picture_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "LARGEST", 100)
    assert look_at(random_weights("lfm", tmp_path))[1].startswith("No map of 256x256 pixels")
