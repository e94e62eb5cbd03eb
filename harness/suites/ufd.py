"""UniversalFakeDetect (Ojha et al., CVPR 2023), diffusion part: as released, or as repacked.

The original keeps fakes only, with two pools of reals paired by a table; the authors of NPR
repacked it with reals in every folder. Both hold 2,000 distinct reals for 16,000 scored images.
"""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Release, Subset, Suite, df_arrow, dfbenchmark


def _subset(name: str, title: str, generator: str = "", real_pool: str = "laion") -> Subset:
    return Subset(
        name=name,
        title=title,
        folders=(name,),
        generators=(generator or name,),
        n_real=1000,
        n_fake=1000,
        counts_source="README and dataset_paths.py of github WisconsinAIVision/UniversalFakeDetect",
        certainty="documented",
        real_pool=real_pool,
    )


SUITE = Suite(
    name="ufd",
    title="UniversalFakeDetect",
    aliases=("ojha",),
    subsets=(
        _subset("dalle", "DALLE"),
        _subset("glide_100_10", "Glide_100_10", "glide"),
        _subset("glide_100_27", "Glide_100_27", "glide"),
        _subset("glide_50_27", "Glide_50_27", "glide"),
        _subset("guided", "ADM", "adm", real_pool="imagenet"),
        _subset("ldm_100", "LDM_100", "ldm"),
        _subset("ldm_200", "LDM_200", "ldm"),
        _subset("ldm_200_cfg", "LDM_200_cfg", "ldm"),
    ),
    adapter=folder_adapter,
    folders=("UniversalFakeDetect", "Ojha", "diffusion_datasets", "DF-arrow/Ojha"),
    licence="none stated for the images (code: MIT); LAION and ImageNet terms apply to the reals",
    citation="Ojha et al., Towards Universal Fake Image Detectors, CVPR 2023",
    obtain=(
        "python -m harness fetch ufd --data-root D (a mirror's tar); or by hand, repacked: "
        "https://drive.google.com/drive/folders/1nkCXClC7kFM01_fqmLrVNtnOYEFPtWO-; original: "
        "diffusion_datasets.zip (917,979,875 bytes, sha256 "
        "916cc972810e51f6ca1be30d7a85c84230310a4e4b141a90c47f20ee310ac0fc), "
        "https://drive.google.com/file/d/1FXlGIRh_Ud3cScMgSVDbEWmPDmjcrm1t; either one as "
        "<data root>/UniversalFakeDetect/{dalle,glide_100_10,...}"
    ),
    releases=(
        dfbenchmark("Ojha.tar", "1.06 GB"),
        df_arrow("Ojha"),
        Release(
            name="drive",
            publisher="the authors: fakes and two pools of reals",
            page="https://drive.google.com/file/d/1FXlGIRh_Ud3cScMgSVDbEWmPDmjcrm1t",
            size="917,979,875 bytes",
            certainty="third party",
            by_hand="open the page and put diffusion_datasets.zip (917,979,875 bytes, sha256 "
            "916cc972810e51f6ca1be30d7a85c84230310a4e4b141a90c47f20ee310ac0fc) into the data root",
        ),
        Release(
            name="drive-repacked",
            publisher="the authors of NPR and LFM: reals in every folder",
            page="https://drive.google.com/drive/folders/1nkCXClC7kFM01_fqmLrVNtnOYEFPtWO-",
            certainty="documented",
            by_hand="open the page and put its tars, one a subset, into "
            "<data root>/UniversalFakeDetect",
        ),
    ),
)
