"""Synthbuster (Bammey, IEEE OJSP 2023): nine models prompted with RAISE-1k, 1,000 pictures each.

The release holds fakes alone. The reals are RAISE-1k, which its own page gives, and which another
group packs for this set as ``real_RAISE_1k.zip``.
"""

from __future__ import annotations

from functools import partial

from harness.data.adapters import Style, folder_adapter
from harness.data.suite import PublishedFile, Release, SharedReals, Subset, Suite, df_arrow


def _subset(folder: str, title: str, generator: str) -> Subset:
    return Subset(
        name=folder.replace("-", "_"),
        title=title,
        folders=(folder,),
        generators=(generator,),
        n_real=1000,
        n_fake=1000,
        counts_source="its page on Zenodo; the reals are the 1,000 of RAISE-1k",
        certainty="documented",
        real_pool="raise",
    )


SUITE = Suite(
    name="synthbuster",
    title="Synthbuster",
    subsets=(
        _subset("dalle2", "DALL-E 2", "dalle2"),
        _subset("dalle3", "DALL-E 3", "dalle3"),
        _subset("firefly", "Firefly", "firefly"),
        _subset("glide", "GLIDE", "glide"),
        _subset("midjourney-v5", "Midjourney v5", "midjourney5"),
        _subset("stable-diffusion-1-3", "SD v1.3", "sd1.3"),
        _subset("stable-diffusion-1-4", "SD v1.4", "sd1.4"),
        _subset("stable-diffusion-2", "SD v2", "sd2"),
        _subset("stable-diffusion-xl", "SDXL", "sdxl"),
    ),
    adapter=partial(folder_adapter, style=Style(bare=True)),
    folders=("synthbuster", "DF-arrow/synthbuster"),
    licence="CC-BY-NC-SA-4.0; RAISE's own terms apply to the reals",
    citation="Bammey, Synthbuster: Towards Detection of Diffusion Model Generated Images, IEEE "
    "OJSP 2023",
    obtain=(
        "python -m harness fetch synthbuster --data-root D (the fakes, 12.4 GB); and the reals as "
        "<data root>/synthbuster/real_RAISE_1k: "
        "https://www.grip.unina.it/download/prog/DMimageDetection/real_RAISE_1k.zip (md5 "
        "a6aad7728226218f22a28b9c9aacaa2c), or RAISE-1k from http://mmlab.science.unitn.it/RAISE"
    ),
    note="Sizes of fakes differ by generator and from the photographs': size alone gives the class "
    "away. All nine subsets share one set of reals.",
    pools=(
        SharedReals(
            name="raise",
            folders=("real_RAISE_1k", "RAISE-1k", "RAISE_1k", "RAISE1k", "RAISE"),
        ),
    ),
    releases=(
        Release(
            name="zenodo",
            publisher="the author: fakes alone",
            page="https://zenodo.org/records/10066460",
            size="12.4 GB",
            certainty="documented",
            files=(
                PublishedFile(
                    name="synthbuster.zip",
                    url="https://zenodo.org/records/10066460/files/synthbuster.zip",
                ),
            ),
        ),
        df_arrow("synthbuster"),
        Release(
            name="reals",
            publisher="GRIP, University of Naples: RAISE-1k as used with this set",
            page="https://www.grip.unina.it/download/prog/DMimageDetection/real_RAISE_1k.zip",
            certainty="documented",
            by_hand="download real_RAISE_1k.zip (md5 a6aad7728226218f22a28b9c9aacaa2c) and put it, "
            "as it is or unpacked, into <data root>/synthbuster, or beside synthbuster.zip",
        ),
    ),
)
