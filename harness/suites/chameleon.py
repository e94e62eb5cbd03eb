"""Chameleon (AIDE, Yan et al., ICLR 2025): pictures that people took for real, of any generator.

Which generators made them is not said, so it has no generators and no place in the temporal view.
"""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Release, Subset, Suite

SUITE = Suite(
    name="chameleon",
    title="Chameleon",
    subsets=(
        Subset(
            name="test",
            title="Chameleon",
            folders=("test",),
            counts_source="no exact number: about 14,900 real and 11,200 fake images (third party)",
        ),
    ),
    adapter=folder_adapter,
    folders=("Chameleon",),
    licence="academic use only, on request",
    citation="Yan et al., A Sanity Check for AI-generated Image Detection, ICLR 2025",
    obtain=(
        "ask the authors by e-mail (https://github.com/shilinyan99/AIDE says how), and put it as "
        "<data root>/Chameleon/test/{0_real,1_fake}"
    ),
    note="Papers print its ACC, and that of reals and of fakes: the classes are not balanced.",
    releases=(
        Release(
            name="authors",
            publisher="the authors, on request",
            page="https://github.com/shilinyan99/AIDE",
            certainty="documented",
            by_hand="ask by e-mail as the page says, and put what comes into "
            "<data root>/Chameleon/test/{0_real,1_fake}",
        ),
    ),
)
