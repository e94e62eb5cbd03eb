"""WildRF (LaDeDa, Cavia et al. 2024): pictures from three social networks, real and fake.

Which generators made the fakes is not known, so it has no place in the temporal view.
"""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Release, Subset, Suite


def _subset(name: str, title: str) -> Subset:
    return Subset(
        name=name,
        title=title,
        folders=(name,),
        counts_source="no exact number: the test part has about 500 real and 500 fake images "
        "(third party)",
    )


SUITE = Suite(
    name="wildrf",
    title="WildRF",
    subsets=(
        _subset("reddit", "Reddit"),
        _subset("twitter", "Twitter"),
        _subset("facebook", "Facebook"),
    ),
    adapter=folder_adapter,
    folders=("WildRF/test", "WildRF"),
    known_extras=("train", "val"),
    licence="Yissum research licence",
    citation="Cavia et al., Real-Time Deepfake Detection in the Real-World, 2024",
    obtain=(
        "https://drive.google.com/open?id=1A0xoL44Yg68ixd-FuIJn2VC4vdZ6M2gn, as "
        "<data root>/WildRF/test/{reddit,twitter,facebook}/{0_real,1_fake}"
    ),
    note="LaDeDa publishes detectors that were trained on its train part: for those a platform of "
    "that part is no unseen one.",
    releases=(
        Release(
            name="drive",
            publisher="the authors",
            page="https://drive.google.com/open?id=1A0xoL44Yg68ixd-FuIJn2VC4vdZ6M2gn",
            certainty="third party",
            by_hand="open the page and put the archive, as it is or unpacked, into the data root, "
            "so that there is <data root>/WildRF/test/{reddit,twitter,facebook}",
        ),
    ),
)
