"""SynthWildX (Cozzolino et al., CVPRW 2024): pictures that people posted on X, by address.

Published is ``list.csv`` (url, filename, typ) and a script that downloads it into the folders
``dalle3``, ``firefly``, ``midjourney_v5`` and ``real``. Addresses rot: what is gone is gone, and
``check`` says how many of 500 each are left.
"""

from __future__ import annotations

from functools import partial

from harness.data.adapters import Style, folder_adapter
from harness.data.suite import Release, SharedReals, Subset, Suite, df_arrow


def _subset(name: str, title: str, folders: tuple[str, ...], generator: str) -> Subset:
    return Subset(
        name=name,
        title=title,
        folders=folders,
        generators=(generator,),
        n_real=500,
        n_fake=500,
        counts_source="README and list.csv of github grip-unina/ClipBased-SyntheticImageDetection",
        certainty="documented",
        real_pool="real",
    )


SUITE = Suite(
    name="synthwildx",
    title="SynthWildX",
    subsets=(
        _subset("dalle3", "DALL-E 3", ("dalle3",), "dalle3"),
        _subset("firefly", "Firefly", ("firefly",), "firefly"),
        _subset("midjourney", "Midjourney v5", ("midjourney_v5", "midjourney"), "midjourney5"),
    ),
    adapter=partial(folder_adapter, style=Style(bare=True)),
    folders=("synthwildx", "DF-arrow/synthwildx"),
    licence="not known; the pictures belong to those who posted them",
    citation="Cozzolino et al., Raising the Bar of AI-generated Image Detection with CLIP, CVPRW "
    "2024",
    obtain=(
        "data/synthwildx of https://github.com/grip-unina/ClipBased-SyntheticImageDetection: run "
        "its download_synthwildx.py beside its list.csv, in <data root>/synthwildx (addresses "
        "rot); or python -m harness fetch synthwildx --source df-arrow --data-root D"
    ),
    note="Every copy holds those pictures whose addresses still worked: compare manifests before "
    "numbers. All three subsets share one set of reals.",
    pools=(SharedReals(name="real", folders=("real", "0_real")),),
    releases=(
        df_arrow("synthwildx"),
        Release(
            name="addresses",
            publisher="the authors: a list of 2,000 addresses and a script",
            page="https://github.com/grip-unina/ClipBased-SyntheticImageDetection",
            certainty="documented",
            by_hand="put list.csv and download_synthwildx.py of its folder data/synthwildx into "
            "<data root>/synthwildx, and run the script there: it makes the folders dalle3, "
            "firefly, midjourney_v5 and real",
        ),
    ),
)
