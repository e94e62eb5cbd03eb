"""Maps on the page: the panel of ``explain``, or in words why there is none."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from harness.demo import page, verdicts
from harness.evaluation.image_file import ImageFile
from tests.demo.conftest import contestant, picture_bytes, random_weights


def look_at(method: str) -> tuple[bytes, str]:
    data = picture_bytes(96, 96)
    picture = ImageFile(data, "a.png")
    answer = contestant(method).look(picture, picture.header())
    html = list(page.answer(data, "a.png", [contestant(method)]))[-1]
    assert html.count("<figure>") == bool(answer.panel)
    assert answer.published.score is not None
    return answer.panel, answer.alt


def test_a_network_shows_its_maps_beside_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="extra explain is not installed")
    panel, alt = look_at(random_weights("lfm", tmp_path))
    assert panel.startswith(b"<?xml")
    assert alt.startswith("lfm:")
    assert "Grad-CAM: " in alt and "exact map: " in alt


def test_a_detector_without_a_network_says_so(methods: list[str]) -> None:
    pytest.importorskip("captum", reason="extra explain is not installed")
    assert look_at("chance")[1] == "It offers no map of the picture: it is no torch network."
    metadata = next(method for method in methods if method.startswith("metadata"))
    assert look_at(metadata)[1].startswith("It reads the file itself")


def test_without_captum_scores_stay_and_the_page_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name.startswith("captum"):
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    panel, note = look_at(random_weights("lfm", tmp_path))
    assert panel == b""
    assert "pip install -e '.[explain]'" in note


def test_no_map_of_a_picture_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "LARGEST_MAP", 100)
    assert look_at(random_weights("lfm", tmp_path))[1].startswith("No map of 256x256 pixels")
