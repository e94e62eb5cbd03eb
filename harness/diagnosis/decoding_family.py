"""Decoding: the file became other pixels than by Pillow's ``convert("RGB")``."""

from __future__ import annotations

from collections.abc import Iterator

from harness.data.decodings import DECODINGS
from harness.diagnosis.condition import Condition, RowFacts, View

_DO = "read files as `harness/data/decode.py` says, or score what your program reads with --scores."

# Of harness.data.decodings: name here, kin, where it was seen.
_READ = {
    "exif": ("EXIF orientation applied", "", "DRCT: github beibuwandeluori/DRCT (OpenCV's imread)"),
    "icc": ("ICC profile applied", "", ""),
    "alpha-black": ("alpha on black", "alpha", ""),
    "alpha-white": ("alpha on white", "alpha", ""),
    "16bit-clipped": ("16 bit cut at 255", "16 bit", 'Pillow\'s convert("RGB")'),
    "16bit-scaled": ("16 bit scaled", "16 bit", ""),
}


def conditions(about: RowFacts) -> Iterator[Condition]:
    """Other ways to read files; one that concerns none of them costs no forward pass."""
    for decoding, (name, kin, seen) in _READ.items():
        yield Condition(
            name=name,
            family="decoding",
            changes=f"{DECODINGS[decoding].about}.",
            act=View(decoding=decoding),
            do=_DO,
            seen=seen,
            kin=kin or name,
        )
    yield Condition(
        name="BGR",
        family="decoding",
        changes="red and blue are exchanged: what cv2.imread gives was taken for RGB.",
        act=View(perturbation="bgr"),
        do="convert what OpenCV reads: cv2.cvtColor(image, cv2.COLOR_BGR2RGB).",
        kin="BGR",
    )
    yield Condition(
        name="grey",
        family="decoding",
        changes="the images lost their colours (Pillow's L).",
        act=View(perturbation="grey"),
        do="read the images in colour.",
        seen="Durall: github cc-hpc-itwm/DeepFakeDetection (cv2.imread(path, 0))",
        kin="grey",
    )
