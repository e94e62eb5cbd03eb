"""Geometry: the pixels that reach the network were brought to their size another way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.api import InputRule
from harness.data.operations import OPS
from harness.data.preprocess import Preprocess, Step, parse
from harness.diagnosis.condition import Absent, Condition, RowFacts, View
from harness.errors import UsageError

SIDES = (224, 256, 299)

_TO_PUBLISHED = "give the images to the detector by its published geometry."


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How a program makes a picture smaller or larger.

    Args:
        op: the operation's name.
        words: for names.
        seen: where.
    """

    op: str
    words: str
    seen: str = ""


WAYS = (
    _Way(op="resize", words="bilinear", seen="NPR: github chuangchuangtan/NPR-DeepfakeDetection"),
    _Way(
        op="resize_nearest",
        words="nearest",
        seen="Pillow's default filter before version 7, as in github yyk-wew/F3Net",
    ),
    _Way(
        op="resize_bicubic",
        words="bicubic",
        seen="Pillow's default filter from version 7 on, as in github yyk-wew/F3Net",
    ),
    _Way(op="resize_lanczos", words="Lanczos", seen="Patchfor: github chail/patch-forensics"),
    _Way(
        op="resize_tensor",
        words="bilinear, tensor",
        seen="torchvision before 0.17: github shilinyan99/AIDE, requirements.txt",
    ),
    _Way(op="resize_tensor_smooth", words="bilinear, tensor, anti-aliased"),
    _Way(op="resize_tensor_bicubic", words="bicubic, tensor"),
    _Way(op="resize_tensor_bicubic_smooth", words="bicubic, tensor, anti-aliased"),
    _Way(op="resize_tensor_nearest", words="nearest, tensor"),
    _Way(
        op="resize_opencv",
        words="bilinear, OpenCV",
        seen="Effort: github YZY-stack/Effort-AIGI-Detection, demo.py",
    ),
    _Way(
        op="resize_opencv_cubic",
        words="bicubic, OpenCV",
        seen="Effort: github YZY-stack/Effort-AIGI-Detection, DeepfakeBench/test.py",
    ),
    _Way(
        op="resize_opencv_nearest",
        words="nearest, OpenCV",
    ),
    _Way(
        op="resize_opencv_area",
        words="area, OpenCV",
    ),
    _Way(
        op="resize_opencv_lanczos",
        words="Lanczos, OpenCV",
    ),
)
"""Every arithmetic there is."""

_CROPPED = ("bilinear", "bicubic", "bilinear, tensor", "bilinear, tensor, anti-aliased")
_SHORT_SIDES = {
    (224, 224): "C2P-CLIP: github chuangchuangtan/C2P-CLIP-DeepfakeDetection",
    (256, 224): "FreDect in github Ekko-zn/AIGCDetectBenchmark",
    (256, 256): "",
    (299, 299): "Patchfor: github chail/patch-forensics",
}
_CROPS: tuple[tuple[str, str, Mapping[int, str]], ...] = (
    ("center_crop({0})", "centre crop {0}, black around smaller ones", {
        224: "CNNDetection: github PeterWang512/CNNDetection",
        256: "SAFE: github Ouxiang-Li/SAFE",
    }),
    ("center_crop_reflect({0})", "centre crop {0}, mirror around smaller ones", {}),
    ("center_crop_within({0})", "centre crop {0}, smaller ones as they are", {}),
    ("tile({0})|center_crop({0})", "centre crop {0}, smaller ones tiled", {}),
)  # fmt: skip


def conditions(about: RowFacts) -> Iterator[Condition | Absent]:
    """Other ways to bring the images to a size, but for those that the detector cannot take."""
    tried = {about.geometry}
    found = False
    for condition in (*_replacing(), *_of_published(about.geometry)):
        assert isinstance(condition.act, View)
        text = condition.act.preprocess
        if text not in tried and _fits(about.spec.input_rule, text):
            tried.add(text)
            found = True
            yield condition
    if not found:
        yield Absent(
            name="another geometry",
            family="geometry",
            why=f"{about.spec.name} takes one size alone, and no other way leads to it",
        )


def _condition(name: str, text: str, kin: str, changes: str, seen: str = "") -> Condition:
    return Condition(
        name=name,
        family="geometry",
        changes=changes,
        act=View(preprocess=str(parse(text))),
        do=_TO_PUBLISHED,
        seen=seen,
        kin=kin,
    )


def _replacing() -> Iterator[Condition]:
    """Geometries in place of the published one."""
    yield _condition(
        "native size", "native", "native size", "the images are scored at the size they have."
    )
    for side in SIDES:
        yield from _resized(side)
    for (short, side), seen in _SHORT_SIDES.items():
        yield from _short_side(short, side, seen)
    for name in ("resize", "resize_bicubic"):
        words = "bilinear" if name == "resize" else "bicubic"
        yield _condition(
            f"resize(256), crop 224, {words}",
            f"{name}(256,256)|center_crop(224)",
            "256, crop 224",
            "both sides are brought to 256, of which the middle 224 are taken.",
            "FatFormer: github Michel-liu/FatFormer" if name == "resize" else "",
        )
    yield from _cropped()


def _resized(side: int) -> Iterator[Condition]:
    kin = f"resize to {side}"
    for way in WAYS:
        yield _condition(
            f"resize({side}) {way.words}",
            f"{way.op}({side},{side})",
            kin,
            f"both sides are brought to {side} pixels ({way.words}).",
            way.seen,
        )
    yield _condition(
        f"short side {side}, bilinear",
        f"resize({side})",
        kin,
        f"the shorter side is brought to {side} pixels, the ratio is kept, nothing is cut off.",
        "torchvision's Resize(n) for Resize((n, n))",
    )


def _short_side(short: int, side: int, seen: str) -> Iterator[Condition]:
    for way in WAYS:
        if way.words in _CROPPED:
            yield _condition(
                f"short side {short}, crop {side}, {way.words}",
                f"{way.op}({short})|center_crop({side})",
                f"{short}, crop {side}" if short != side else f"resize to {side}",
                f"the shorter side is brought to {short} pixels ({way.words}), then the middle "
                f"{side} are taken.",
                seen if way.words == "bilinear" else "",
            )


def _cropped() -> Iterator[Condition]:
    for side in SIDES:
        for text, name, seen in _CROPS:
            yield _condition(
                name.format(side),
                text.format(side),
                f"crop to {side}",
                f"the middle {side} pixels are taken, nothing is resized: {name.format(side)}.",
                seen.get(side, ""),
            )
        yield _condition(
            f"top-left crop {side}",
            f"top_left_crop({side})",
            f"top-left crop {side}",
            f"the first {side} rows and columns are taken, nothing is resized.",
        )
    yield _condition(
        "tile to 256, crop 224",
        "tile(256)|center_crop(224)",
        "crop to 224",
        "small images are repeated up to 256 pixels, then the middle 224 are taken.",
        "NPR on GenImage: github chuangchuangtan/NPR-DeepfakeDetection; Effort: github "
        "YZY-stack/Effort-AIGI-Detection, UniversalFakeDetect_Benchmark",
    )


def _of_published(geometry: str) -> Iterator[Condition]:
    """The published geometry, its first resize by each other arithmetic at the same sizes."""
    steps = parse(geometry).steps
    at = next((i for i, step in enumerate(steps) if step.op.name.startswith("resize")), None)
    if at is None:
        return
    sides = ",".join(map(str, steps[at].args))
    for way in WAYS:
        text = "|".join(map(str, (*steps[:at], f"{way.op}({sides})", *steps[at + 1 :])))
        try:
            parse(text)
        except UsageError:  # one side alone, or 8 bits after floats: there is no such way
            continue
        yield _condition(
            f"published resize, {way.words}",
            text,
            "published resize",
            f"the published resize is done by other arithmetic ({way.words}).",
            way.seen,
        )


_SIZES = ((96, 96), (320, 640), (640, 320), (512, 512), (768, 768))


def _fits(rule: InputRule, text: str) -> bool:
    """Whether a detector takes the size that a geometry ends at, or several where it has many."""
    steps = parse(text).steps  # all arithmetics end at the same sizes: Pillow's is the quickest
    names = ("resize" if s.op.name.startswith("resize") else s.op.name for s in steps)
    ends = _ends(str(Preprocess(tuple(map(_named, names, steps)))))
    return sum(not rule.problem(*end) for end in ends) >= min(2, len(ends))


def _named(name: str, step: Step) -> Step:
    return Step(op=OPS[name], args=step.args)


@cache
def _ends(text: str) -> frozenset[tuple[int, int]]:
    """Heights and widths that images of several sizes have after a geometry."""
    geometry = parse(text)
    shapes = (geometry(np.zeros((*size, 3), np.uint8)).shape for size in _SIZES)
    return frozenset((height, width) for height, width, _ in shapes)
