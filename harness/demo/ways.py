"""How one picture is shown to a detector: as published, and otherwise, to see what that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.api import DetectorSpec, FileHeader
from harness.data.perturb import Perturbation, parse_perturbation
from harness.data.preprocess import Preprocess, parse

CODECS = {"JPEG 96": "jpeg(96)", "JPEG 75": "jpeg(75)"}
"""What happens to the picture before the published geometry."""


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """One way.

    Args:
        name: for people.
        preprocess: the geometry.
        perturbation: what happens before.
    """

    name: str
    preprocess: Preprocess
    perturbation: Perturbation

    @property
    def text(self) -> str:
        """``jpeg(96), then resize(256,256)``."""
        before = f"{self.perturbation}, then " if self.perturbation else ""
        return f"{before}{self.preprocess}"


def treatments(spec: DetectorSpec, header: FileHeader, *, pixels: bool) -> Sequence[Treatment]:
    """As published (the geometry of ``python -m harness score``) first, then the others.

    Args:
        spec: the detector.
        header: the picture's.
        pixels: whether it looks at pixels; for one that does not, geometry means nothing.

    Returns:
        Distinct treatments; a geometry that comes to the published one is left out.
    """
    published = parse(spec.geometry["*"])
    found = [_treatment("as published", published)]
    if pixels:
        for name, text in _geometries(spec, header).items():
            found.append(_treatment(name, parse(text)))
    for name, text in CODECS.items():
        found.append(_treatment(name, published, text))
    distinct: dict[str, Treatment] = {}
    for treatment in found:
        distinct.setdefault(treatment.text, treatment)
    return list(distinct.values())


def _treatment(name: str, preprocess: Preprocess, perturbation: str = "") -> Treatment:
    return Treatment(
        name=name, preprocess=preprocess, perturbation=parse_perturbation(perturbation)
    )


def _geometries(spec: DetectorSpec, header: FileHeader) -> dict[str, str]:
    """Name -> preprocess text, the geometry twins of one picture."""
    height, width = spec.evaluation_size
    multiple = spec.input_rule.multiple_of
    whole = header.width % multiple == 0 and header.height % multiple == 0
    side = min(height, width, header.height, header.width)
    side = max(side // multiple * multiple, multiple)
    return {
        "no resize": "native" if whole else f"crop_multiple({multiple})",
        "resized": f"resize({height},{width})",
        "centre crop": f"center_crop({side})",
    }
