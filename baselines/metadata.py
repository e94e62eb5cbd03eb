"""Metadata: sees file format, size, aspect, JPEG quality and tables, colour mode, and no pixel.

It shows how much of a data set can be solved without looking at the picture. After "Fake or
JPEG?" (Grommelt et al., arXiv 2403.17608), who describe the biases; the classifier is ours.
Compressed file size is left out: for lossless files it is a statistic of the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines._logistic import Features, Labels, Logistic
from harness.api import DetectorSpec, FileHeader, Recipe, ScoreSpec

FORMATS = ("PNG", "JPEG", "WEBP")
MODES = ("RGB", "RGBA", "L", "P", "CMYK")
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def header_features(header: FileHeader) -> list[float]:
    """One header -> 22 numbers: sizes in pixels (log2), quality 0 to 100, the rest 0 or 1."""
    width, height = header.width, header.height
    tables = header.quantization
    return [
        *(float(header.format == name) for name in FORMATS),
        *(float(header.mode == name) for name in MODES),
        *(float(header.subsampling == name) for name in SUBSAMPLINGS),
        np.log2(width),
        np.log2(height),
        np.log2(width / height),
        float(width == height),
        float(width % 64 == 0 and height % 64 == 0),
        float(width % 8 == 0 and height % 8 == 0),
        float(header.jpeg_quality or 0),
        float(np.mean(tables[0])) if tables else 0.0,
        float(header.has_exif),
        float(header.has_icc),
        float(header.frames > 1),
    ]


class MetadataDetector(Logistic):
    """Logistic regression on file headers."""

    def __init__(self) -> None:
        blank = FileHeader(format="PNG", width=1, height=1, mode="RGB")
        super().__init__(len(header_features(blank)))

    def _matrix(self, headers: Sequence[FileHeader]) -> Features:
        return np.array([header_features(header) for header in headers], dtype=np.float64)

    def score_headers(self, headers: Sequence[FileHeader]) -> Features:
        """N headers -> (N,) log-odds of fake."""
        return self.logits(self._matrix(headers))

    def fit_headers(self, headers: Sequence[FileHeader], labels: Labels, seed: int) -> None:
        """Fits on N headers and (N,) labels."""
        self.fit(self._matrix(headers), labels, seed)


SPEC = DetectorSpec(
    name="metadata",
    title="Metadata only",
    family="control",
    build=MetadataDetector,
    score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
    geometry={"*": "native"},
    recipe=Recipe(epochs=1, batch_size=1, lr=0.0, source="this project: one fit, no epochs"),
    citation="this project, after Grommelt et al., arXiv 2403.17608",
    notes="Reads file headers only; takes every size.",
)
