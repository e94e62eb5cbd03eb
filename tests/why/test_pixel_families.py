"""The families geometry, decoding and codec: complete, each entry another thing, none refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.api import DetectorSpec, InputRule
from harness.data.decodings import DECODINGS
from harness.data.perturb import parse_perturbation
from harness.data.preprocess import parse
from harness.diagnosis import codec_family, decoding_family, geometry_family
from harness.diagnosis.condition import Absent, Condition, RowFacts, ScoreRule, View
from harness.registry import detectors
from tests.conftest import noise

LFM = detectors.detector("lfm")


def _about(spec: DetectorSpec, geometry: str = "native") -> RowFacts:
    return RowFacts(
        spec=spec, rule=ScoreRule(kind="logit", threshold=0.0), geometry=geometry, sets={}
    )


def _all(about: RowFacts) -> list[Condition]:
    found = [
        *geometry_family.conditions(about),
        *decoding_family.conditions(about),
        *codec_family.conditions(about),
    ]
    assert not [entry for entry in found if isinstance(entry, Absent)]
    return [entry for entry in found if isinstance(entry, Condition)]


def _views(about: RowFacts) -> dict[str, View]:
    return {c.name: c.act for c in _all(about) if isinstance(c.act, View)}


FREE = replace(LFM, input_rule=InputRule())


@pytest.mark.parametrize("geometry", ["native", "resize(256,256)", "resize(256)|center_crop(224)"])
def test_every_condition_is_another_view_with_words_of_its_own(geometry: str) -> None:
    entries = _all(_about(FREE, geometry))
    assert 100 <= len(entries) <= 135
    for of in (lambda c: c.name, lambda c: c.act):
        assert len({repr(of(entry)) for entry in entries}) == len(entries)
    for entry in entries:
        assert isinstance(entry.act, View)
        assert entry.kin
        assert entry.cost == "forward"
        assert entry.changes.endswith(".")
        assert entry.do.endswith(".")
        assert (
            sum(map(bool, (entry.act.preprocess, entry.act.perturbation, entry.act.decoding))) == 1
        )
        assert entry.act.preprocess != geometry
        if entry.act.preprocess:  # keys hold canonical texts
            assert str(parse(entry.act.preprocess)) == entry.act.preprocess
            assert not parse(entry.act.preprocess).is_random
        assert str(parse_perturbation(entry.act.perturbation)) == entry.act.perturbation
        assert entry.act.decoding in {"", *DECODINGS}


def test_the_issues_row_of_geometry() -> None:
    texts = {view.preprocess for view in _views(_about(FREE, "center_crop(128)")).values()}
    wanted = {"native", "resize(256)|center_crop(224)", "resize(224)|center_crop(224)"}
    wanted |= {"tile(256)|center_crop(224)", "resize_bicubic(256)|center_crop(224)"}
    for side in (224, 256, 299):
        wanted |= {
            f"{name}({side},{side})"
            for name in (
                "resize", "resize_nearest", "resize_bicubic", "resize_lanczos",
                "resize_tensor", "resize_tensor_smooth", "resize_tensor_nearest",
                "resize_tensor_bicubic", "resize_tensor_bicubic_smooth",
                "resize_opencv", "resize_opencv_nearest", "resize_opencv_cubic",
                "resize_opencv_area", "resize_opencv_lanczos",
            )
        }  # fmt: skip
        wanted |= {
            f"{name}({side})"
            for name in (
                "resize", "center_crop", "center_crop_reflect", "center_crop_within",
                "top_left_crop", f"tile({side})|center_crop",
            )
        }  # fmt: skip
    assert wanted <= texts


def test_the_issues_rows_of_decoding_and_codec() -> None:
    views = _views(_about(FREE)).values()
    assert {view.decoding for view in views} - {""} == set(DECODINGS)
    wanted = {"bgr", "grey", "jpeg(75,444)", "jpeg(90,444)", "jpeg(95,444)", "webp(80)"}
    for quality in (75, 80, 85, 90, 92, 95, 96, 98):
        wanted |= {f"{who}jpeg({quality})" for who in ("", "fakes:", "reals:")}
    assert wanted <= {view.perturbation for view in views}


def test_a_published_resize_is_done_by_each_other_arithmetic() -> None:
    views = _views(_about(FREE, "resize(380,380)|center_crop(300)"))
    texts = {view.preprocess for name, view in views.items() if name.startswith("published")}
    assert len(texts) == len(geometry_family.WAYS) - 1
    assert "resize_opencv(380,380)|center_crop(300)" in texts
    assert "resize_tensor(380,380)|center_crop(300)" in texts
    one_side = _views(_about(FREE, "center_crop(400)|resize(380)|resize(99,99)"))
    texts = {view.preprocess for name, view in one_side.items() if name.startswith("published")}
    assert texts == {  # OpenCV takes no single side, and 8 bits follow
        f"center_crop(400)|resize_{name}(380)|resize(99,99)"
        for name in ("nearest", "bicubic", "lanczos")
    }


def test_readings_of_one_fault_are_kin_and_others_are_not() -> None:
    kin = {entry.name: entry.kin for entry in _all(_about(FREE))}
    assert kin["resize(256) bilinear"] == kin["resize(256) bicubic, OpenCV"]
    assert kin["resize(256) bilinear"] == kin["short side 256, bilinear"]
    assert kin["resize(256) bilinear"] != kin["resize(224) bilinear"]
    assert kin["JPEG 90, fakes only"] == kin["JPEG 95, fakes only"]
    assert kin["JPEG 90, fakes only"] != kin["JPEG 90, both classes"]
    assert kin["BGR"] != kin["grey"]


@pytest.mark.parametrize("name", ["lfm", "fatformer", "patchfor"])
def test_a_detector_is_given_no_size_that_it_refuses(name: str) -> None:
    spec = detectors.detector(name)
    geometry = spec.preprocess_for("gangen")
    found = list(geometry_family.conditions(_about(spec, geometry)))
    assert found
    for entry in found:
        assert isinstance(entry, Condition)
        assert isinstance(entry.act, View)
        ends = parse(entry.act.preprocess)
        sizes = {ends(noise(1, *size)).shape[:2] for size in ((30, 60), (24, 24), (64, 32))}
        if len(sizes) == 1:
            assert not spec.input_rule.problem(*sizes.pop()), entry.name


def test_a_detector_of_one_size_is_said_to_take_no_other() -> None:
    spec = replace(LFM, input_rule=InputRule.only(100, "takes 100x100"))
    (absent,) = geometry_family.conditions(_about(spec, "center_crop(100)"))
    assert isinstance(absent, Absent)
    assert "one size" in absent.why
    spec = replace(LFM, input_rule=InputRule.only(224, "takes 224x224"))
    texts = [view.preprocess for view in _views(_about(spec, "center_crop(224)")).values()]
    assert "native" not in texts
    assert "resize(224)" not in texts
    assert "resize(224,224)" in texts


def test_conditions_change_a_picture_and_the_published_way_is_not_among_them() -> None:
    image = noise(3, 240, 280)
    usual = parse("resize(256,256)")(image)
    for name, view in _views(_about(FREE, "resize(256,256)")).items():
        changed = parse(view.preprocess or "resize(256,256)")(
            parse_perturbation(view.perturbation).of(1, lambda: "PNG")(image, "a")
        )
        if view.decoding or view.perturbation.startswith("reals:"):
            continue
        assert changed.shape != usual.shape or (np.asarray(changed) != usual).any(), name
