"""The same images from every source: one digest, one prediction file, byte for byte."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.registry import detectors as registry
from tests.conftest import marked
from tests.sources import FORMS, folder, odd_images


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network with random weights, and chance."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "gap.safetensors"
    state = registry.detector("gap").build().state_dict()
    save_file({key: value.clone() for key, value in state.items()}, path, metadata=marked("gap"))
    return f"gap:{path},chance"


def _run(given: Path, out: Path, method: str) -> tuple[dict[str, str], list[dict[str, object]]]:
    """Digests of the prediction files, and the results of the record."""
    flags = ["--images", str(given), "--out", str(out), "--on-bad-image", "skip"]
    assert main(["run", "--method", method, *flags, "--resamples", "0"]) == 0
    files = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (out / "predictions").rglob("*.parquet")
    }
    records = [json.loads(path.read_text()) for path in sorted((out / "results").rglob("*.json"))]
    return files, [result for record in records for result in record["subsets"]]


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, method: str
) -> tuple[Path, dict[str, str], list[object]]:
    """Where the set lies, and what a run on the plain folder leaves."""
    place = tmp_path_factory.mktemp("sources") / "photos"
    given = folder(odd_images(), place)
    files, results = _run(given, place.parent / "from folder", method)
    shutil.rmtree(place)
    return place, files, results


@pytest.mark.parametrize("form", FORMS)
def test_every_source_gives_the_same_digest_and_bytes(
    form: str,
    expected: tuple[Path, dict[str, str], list[dict[str, object]]],
    tmp_path: Path,
    method: str,
) -> None:
    place, files, results = expected
    given = FORMS[form](odd_images(), place)
    try:
        found, now = _run(given, tmp_path / "out", method)
    finally:
        shutil.rmtree(given) if given.is_dir() else given.unlink()
    assert found == files
    assert len(files) == 2
    for was, result in zip(results, now, strict=True):
        assert result["manifest"] == was["manifest"]
        assert result["skipped"] == was["skipped"] == ["1_fake/broken.png"]
        assert bool(result["source"]) == (form != "folder")


def test_another_byte_is_another_digest(
    expected: tuple[Path, dict[str, str], list[dict[str, object]]], tmp_path: Path, method: str
) -> None:
    place, _, results = expected
    images = odd_images()
    images["1_fake/x.png"] = images["1_fake/y.png"]
    given = FORMS["zip"](images, place)
    try:
        assert _run(given, tmp_path / "out", method)[1][0]["manifest"] != results[0]["manifest"]
    finally:
        given.unlink()
