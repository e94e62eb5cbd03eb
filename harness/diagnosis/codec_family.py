"""Codec: the images went through a lossy file before they were scored."""

from __future__ import annotations

from collections.abc import Iterator

from harness.diagnosis.condition import Condition, RowFacts, View

QUALITIES = (75, 80, 85, 90, 92, 95, 96, 98)
_WHOSE = {"": "both classes", "fakes": "fakes only", "reals": "reals only"}
_SEEN = {
    ("", 95): "the loader of Co-Spy-Bench: github Megum1/CO-SPY",
    ("fakes", 95): "github ZhendongWang6/DIRE issues 11, 30 and 41",
    ("fakes", 96): "the protocol of DDA: github roy-ch/Dual-Data-Alignment",
    ("", 96): "github gendetection/UnbiasedGenImage",
}


def conditions(about: RowFacts) -> Iterator[Condition]:
    """JPEG and WebP of both classes or of one."""
    for scope, whose in _WHOSE.items():
        for quality in QUALITIES:
            yield _condition(
                f"JPEG {quality}, {whose}",
                f"{scope}:jpeg({quality})" if scope else f"jpeg({quality})",
                kin=f"JPEG, {whose}",
                seen=_SEEN.get((scope, quality), ""),
            )
    for quality, subsampling in ((75, 444), (90, 444), (95, 444), (90, 422)):
        colours = ":".join(str(subsampling))
        yield _condition(
            f"JPEG {quality}, {colours}", f"jpeg({quality},{subsampling})", "JPEG, both classes"
        )
    yield _condition(
        "JPEG 96, PNG files only",
        "png:jpeg(96)",
        "JPEG, PNG files only",
        "github ZhendongWang6/DIRE issues 11, 30 and 41: reals are JPEG, fakes PNG",
    )
    for quality in (75, 80, 90):
        yield _condition(f"WebP {quality}, both classes", f"webp({quality})", "WebP")


def _condition(name: str, text: str, kin: str, seen: str = "") -> Condition:
    return Condition(
        name=name,
        family="codec",
        changes=f"the images were saved as {name} and read again.",
        act=View(perturbation=text),
        do="score the files as they were published; save no copy in a lossy format.",
        seen=seen,
        kin=kin,
    )
