"""The commands on suites whose reals lie elsewhere, whose subsets are found, and of fakes alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.data.adapters import extra_folders
from harness.registry.suites import all_suites, find_root, parse_selection
from harness.results.store import load_records
from tests.sources import folder, picture, zipped


def pictures(place: str, first: int, count: int = 4) -> dict[str, bytes]:
    """Some pictures below a folder."""
    return {f"{place}/{number}.png": picture(first + number) for number in range(count)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sets of fakes alone, and one whose reals are COCO's."""
    root = tmp_path / "data"
    for place, first in (
        ("MNW/AI_Images/FLUX_1_dev", 0),
        ("MNW/AI_Images/Some Model", 10),
        ("DRCT-2M/sd-turbo/val2017", 20),
        ("MSCOCO/val2017", 30),
    ):
        folder(pictures(place, first), root)
    return root


def test_check_says_what_fakes_alone_can_show(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "--suite", "mnw", "--data-root", str(data), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "note: some_model: fakes alone, as published: hits are shown" in printed
    assert "4/250" in printed and "0/0" in printed
    assert main(["check", "--suite", "mnw", "--data-root", str(tmp_path / "no")]) == 3
    assert "its data is absent" in capsys.readouterr().err


def test_run_scores_what_is_found_and_again_as_it_was(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    suites = "mnw,drct2m:sd_turbo"
    words = ["run", "--method", "chance", "--suite", suites, "--data-root", str(data)]
    words += ["--out", str(out), "--resamples", "50"]
    assert main(words) == 0
    assert "hits" in capsys.readouterr().out
    records = {record.suite: record for record in load_records(out)}
    mnw, drct = records["mnw"], records["drct2m"]
    assert [result.subset for result in mnw.subsets] == ["flux_1_dev", "some_model"]
    assert mnw.mean["fake_acc"].value is not None and mnw.mean["acc"].value is None
    (scored,) = [result for result in drct.subsets if result.status == "ok"]
    assert (scored.n_real, scored.n_fake, scored.metrics["acc"].note) == (4, 4, "")
    folder(pictures("MNW/AI_Images/later", 50), data)  # one more generator is one more subset
    assert main(words) == 0
    (mnw,) = [record for record in load_records(out) if record.suite == "mnw"]
    assert [result.subset for result in mnw.subsets] == ["flux_1_dev", "later", "some_model"]
    assert {result.status for result in mnw.subsets} == {"ok"}


def test_list_says_what_subsets_are_and_when_generators_came_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list", "--long", "mnw"]) == 0
    assert "subsets_are: each folder with images is one" in capsys.readouterr().out
    assert main(["list", "--json", "--long", "evalgen"]) == 0
    subsets = json.loads(capsys.readouterr().out)["subsets"]
    assert [subset["released"] for subset in subsets] == [
        "2024-08",
        "2025-03",
        "2024-12",
        "2024-12",
        "2024-09",
    ]
    assert main(["list"]) == 0
    (line,) = [s for s in capsys.readouterr().out.splitlines() if s.startswith("mnw ")]
    assert line.split()[1:5] == ["51", "not", "all", "known"]


def test_what_is_found_by_a_word_or_as_a_pool_is_no_extra_folder(data: Path) -> None:
    folder(pictures("GenImage/imagenet_ai_0508_adm/val/ai", 0), data)
    folder(pictures("GenImage/else/val/ai", 0), data)
    folder(pictures("DRCT-2M/MSCOCO/val2017", 30), data)
    for name, extras in (("genimage", ["else"]), ("drct2m", [])):
        suite = all_suites()[name]
        assert extra_folders(suite, find_root(suite, data)) == extras


def test_an_archive_that_repeats_its_name_holds_the_same_images(tmp_path: Path) -> None:
    files = pictures("Flux", 0)
    folder(files, tmp_path / "data/EvalGEN")
    (tmp_path / "packed/EvalGEN").mkdir(parents=True)
    zipped(files, tmp_path / "packed/EvalGEN/Flux")
    found = []
    for place in ("data", "packed"):
        (selection,) = parse_selection("evalgen:flux")
        root = find_root(selection.suite, tmp_path / place)
        listing = selection.suite.adapter(selection.suite, selection.subsets[0], root)
        found.append([sample.id for sample in listing])
    assert found[0] == found[1] == [f"{number}.png" for number in range(4)]
