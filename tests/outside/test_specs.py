"""DetectorSpecs that are written outside: in a file, a module, an installed package."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.registry import detectors as registry
from harness.results.store import load_records
from tests.conftest import write_images

CODE = """
from harness.api import DetectorSpec, ScoreSpec

class Mean:
    def score(self, images):
        return images.mean((1, 2, 3))

SPEC = DetectorSpec(
    name="NAME",
    title="Mean",
    family="control",
    build=Mean,
    score=ScoreSpec(kind="uncalibrated", threshold=0.5, published_ap="ap"),
    geometry={"*": "native"},
    citation="nobody",
)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos" / "0_real", range(2))
    write_images(tmp_path / "photos" / "1_fake", range(2, 4))
    return tmp_path


def run(method: str) -> int:
    return main(["run", "--method", method, "--images", "photos", "--resamples", "0"])


@pytest.mark.parametrize("method", ["there.py", "there.py:SPEC", "pack.age:SPEC"])
def test_a_spec_from_a_file_or_a_module(place: Path, method: str) -> None:
    name = f"outside-{method.replace(':', '-').lower()}"
    for file in ("there.py", "pack/age.py"):
        (place / file).parent.mkdir(exist_ok=True)
        (place / file).write_text(CODE.replace("NAME", name))
    assert run(method) == 0
    (record,) = load_records(place / "runs")
    assert record.origin is not None
    assert (record.detector, record.origin.kind, record.origin.place) == (name, "spec", method)
    assert len(record.subsets[0].metrics) > 1


def test_a_name_that_is_taken_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mine.py").write_text(CODE.replace("NAME", "chance"))
    assert run("mine.py") == 2
    assert "its name 'chance' is that of a registered detector" in capsys.readouterr().err


def test_one_name_from_two_places_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.py", "b.py"):
        (place / name).write_text(CODE.replace("NAME", "outside-twice"))
    assert run("a.py,b.py") == 2
    assert "b.py: its name 'outside-twice' is that of a.py" in capsys.readouterr().err


def test_a_spec_says_itself_what_its_scores_are(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "mine.py").write_text(CODE.replace("NAME", "outside-says"))
    command = ["run", "--method", "mine.py", "--images", "photos", "--kind", "logit"]
    assert main(command) == 2
    assert "which says itself what its scores are" in capsys.readouterr().err


def test_an_unknown_name_is_no_place(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lfn:released") == 2
    assert "unknown detector 'lfn'" in (said := capsys.readouterr().err)
    assert "did you mean 'lfm'?" in said


@pytest.fixture
def installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package ``other 1.2`` with two entry points, one of them broken."""
    site = place / "site"
    about = site / "other-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(
        "[lfm_bench.detectors]\ngood = other_package:SPEC\nbad = other_package:ABSENT\n"
    )
    (site / "other_package.py").write_text(CODE.replace("NAME", "other-mean"))
    monkeypatch.syspath_prepend(str(site))
    registry.detectors.cache_clear()
    yield site
    registry.detectors.cache_clear()


def test_an_installed_package_offers_detectors(
    installed: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert main(["list", "--json"]) == 0
    facts = {each["name"]: each for each in json.loads(capsys.readouterr().out)["detectors"]}
    assert facts["other-mean"]["from"] == "other 1.2: other_package:SPEC"
    assert facts["lfm"]["from"] == ""
    assert "other 1.2: other_package:ABSENT is left out" in caplog.text
    assert main(["list"]) == 0
    assert "other-mean (from other 1.2: other_package:SPEC)" in capsys.readouterr().out
    assert run("other-mean") == 0
    (record,) = load_records(Path("runs"))
    assert record.origin is not None
    assert record.origin.place == "other 1.2: other_package:SPEC"
