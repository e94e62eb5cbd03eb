"""What users report in public, ``tables/references/thread-rerun``: each answered thread is found.

Here are those that numbers alone answer. The others need scores: their entries name the threads,
and what they do is planted in the tests of their families.
"""

import pytest

from harness.diagnosis.numbers import all_tables, explain_numbers
from harness.diagnosis.weights_family import UNREGISTERED
from harness.metrics.digits import Digits
from harness.registry import detectors as registry
from harness.report.references import load_reference
from harness.report.table_faults import Key
from harness.results.answers import ConditionResult
from harness.results.paths import REFERENCES
from tests.conftest import CHECKOUT

THREADS = load_reference(REFERENCES, "thread-rerun").values
KNOWN = all_tables()

ANSWERED = {
    "chuangchuangtan/NPR-DeepfakeDetection issue 2": "table",  # first upload: equal pairs
    "chuangchuangtan/C2P-CLIP-DeepfakeDetection issue 7": "table",  # no reals: AP -0.00
    "barcavia/RealTime-DeepfakeDetection-in-the-RealWorld issue 3": "network",  # without the 2/3
    "chuangchuangtan/NPR-DeepfakeDetection issue 14": "weights",  # NPR_GenImage_sdv4.pth
}
"""Thread -> the family of the condition that was found to be the reason."""
OPEN = {
    "chuangchuangtan/NPR-DeepfakeDetection issue 4",  # not explained
    "chuangchuangtan/NPR-DeepfakeDetection issue 17",  # "use our environment"
    "chuangchuangtan/C2P-CLIP-DeepfakeDetection issue 11",  # differs from the paper
    "roy-ch/Dual-Data-Alignment issue 10",  # not confirmed
    "roy-ch/Dual-Data-Alignment issue 15",  # unanswered
    "Michel-liu/FatFormer issue 12",  # agrees with the paper
}


def test_every_thread_is_answered_or_open() -> None:
    assert {value.source for value in THREADS} == set(ANSWERED) | OPEN
    assert not set(ANSWERED) & OPEN


def told(suite: str, given: dict[Key, Digits]) -> dict[str, ConditionResult]:
    answer = explain_numbers({suite: given}, "paper", KNOWN)
    return {each.name: each for each in answer.outcomes if each.verdict != "excluded"}


def row(**columns: tuple[str, str]) -> dict[Key, Digits]:
    return {
        ("NPR", column, metric): Digits.parse(text)
        for column, pair in columns.items()
        for metric, text in zip(("ACC", "AP"), pair, strict=True)
    }


def test_the_first_upload_of_gangen_detection() -> None:
    thread = {
        (value.method, value.subset, value.metric): Digits.parse(f"{value.value:.1f}")
        for value in THREADS
        if value.source == "chuangchuangtan/NPR-DeepfakeDetection issue 2"
    }
    found = told("GANGen-Detection", thread)
    name = "NPR: equal numbers in several columns: CramerGAN, InfoMaxGAN, MMDGAN, SNGAN"
    same = found[name]
    assert (same.verdict, len(same.numbers)) == ("explains", 8)
    assert same.numbers["NPR SNGAN.AP"].value == pytest.approx(0.53)
    assert "NPR-DeepfakeDetection issue 2" in same.seen
    assert "download the set again" in same.do


def test_one_folder_under_several_heads_in_miniature() -> None:
    planted = row(
        AttGAN=("81.2", "93.3"), BEGAN=("61.4", "67.7"), MMDGAN=("57.9", "58.8"),
        RelGAN=("57.9", "58.8"), S3GAN=("74.6", "77.1"),
    )  # fmt: skip
    found = told("gangen", planted)
    assert found["NPR: equal numbers in several columns: MMDGAN, RelGAN"].verdict == "explains"
    planted["NPR", "RelGAN", "ACC"] = Digits.parse("58.0")
    planted["NPR", "RelGAN", "AP"] = Digits.parse("59.1")
    assert not [name for name in told("gangen", planted) if "equal numbers" in name]


def test_all_images_called_one_class() -> None:
    planted = row(DALLE=("50.0", "100.0"), LDM_100=("50.0", "61.7"), ADM=("71.9", "93.2"))
    found = told("ufd", planted)
    assert found["NPR: all images called one class: DALLE"].verdict == "explains"
    assert found["NPR: all images called one class: LDM_100"].verdict == "possible"  # or chance
    assert "NPR: all images called one class: ADM" not in found


def test_folders_without_their_reals() -> None:
    planted = row(DALLE=("98.6", "-0.00"), LDM_100=("99.3", "-0.00"), ADM=("71.9", "93.2"))
    found = told("ufd", planted)
    for column in ("DALLE", "LDM_100"):
        without = found[f"NPR: folders without their reals: {column}"]
        assert without.verdict == "explains"
        assert "C2P-CLIP-DeepfakeDetection issue 7" in without.seen
    assert "NPR: folders without their reals: ADM" not in found
    # Two zeros say one thing each: they are no sign of one folder.
    assert not [name for name in found if "equal numbers" in name]


def test_the_page_names_every_answered_thread() -> None:
    page = (CHECKOUT / "docs/why.md").read_text(encoding="utf-8")
    assert not [thread for thread in ANSWERED if thread not in page]


def test_the_entries_that_need_scores_name_their_threads() -> None:
    """What they do to a score: ``test_behaviours.py`` and ``test_weights_family.py``."""
    (without,) = (
        b for b in registry.detector("ladeda").behaviours if b.name == "without NPR's 2/3"
    )
    assert without.seen == "barcavia/RealTime-DeepfakeDetection-in-the-RealWorld issue 3"
    assert without.options == {"front": "npr"}
    (why,) = UNREGISTERED["npr"].values()
    assert why.startswith("chuangchuangtan/NPR-DeepfakeDetection issue 14")
