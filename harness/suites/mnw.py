"""MNW (Microsoft, Northwestern, WITNESS): pictures of 51 generators, 250 of each, no reals.

The publishers' page counts the folders and does not list them, so each folder with pictures is a
subset. Without reals it shows which share of fakes is hit, and no ACC and no AP.
"""

from __future__ import annotations

from functools import partial

from harness.data.adapters import Style, folder_adapter
from harness.data.as_found import folder_subsets
from harness.data.suite import AsFound, Release, Subset, Suite

_MODEL = Subset(
    name="",
    n_real=0,
    n_fake=250,
    counts_source="51 folders of 250 fakes, the publishers",
    certainty="documented",
)

SUITE = Suite(
    name="mnw",
    title="MNW",
    subsets=(),
    as_found=AsFound(
        what="each folder with images is one: the names are not published",
        subsets=partial(folder_subsets, model=_MODEL),
        count=51,
    ),
    adapter=partial(folder_adapter, style=Style(bare=True)),
    folders=("MNW/AI_Images", "AI_Images", "MNW"),
    licence="evaluation only, not commercial; training is not allowed",
    citation="Roca et al., The Microsoft-Northwestern-WITNESS benchmark, IEEE Intelligent Systems",
    obtain=(
        "the pictures (AI_Images) from its publishers or from the copy "
        "https://huggingface.co/datasets/01Yassine/MNW, whose terms must be accepted, as "
        "<data root>/MNW/AI_Images/{one folder a generator}"
    ),
    note="Fakes alone: it shows hits, and a detector that calls everything fake has all of them.",
    releases=(
        Release(
            name="copy",
            publisher="a copy, not the publishers; its page speaks of 15,250 pictures, theirs of "
            "12,750",
            page="https://huggingface.co/datasets/01Yassine/MNW",
            certainty="third party",
            by_hand="log in, accept the terms, and put the folder AI_Images into <data root>/MNW",
        ),
    ),
)
