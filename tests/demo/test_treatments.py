"""The ways in which one picture is shown."""

from __future__ import annotations

import pytest

from harness.api import FileHeader
from harness.demo.ways import treatments
from harness.registry import detectors as registry


def texts(name: str, width: int, height: int, *, pixels: bool = True) -> dict[str, str]:
    header = FileHeader(format="PNG", width=width, height=height, mode="RGB")
    found = treatments(registry.detector(name), header, pixels=pixels)
    return {treatment.name: treatment.text for treatment in found}


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
    assert found["centre crop"] == "center_crop(76)"


def test_a_detector_of_headers_is_shown_no_geometry() -> None:
    assert list(texts("metadata", 40, 30, pixels=False)) == ["as published", "JPEG 96", "JPEG 75"]


@pytest.mark.parametrize("name", registry.detectors())
def test_no_two_ways_are_the_same(name: str) -> None:
    found = list(texts(name, 300, 200).values())
    assert len(set(found)) == len(found) >= 3
