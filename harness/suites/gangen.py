"""GANGen-Detection: nine GANs collected by Tan et al. (2024); scored without any resize."""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Release, Subset, Suite, df_arrow, dfbenchmark


def _subset(folder: str) -> Subset:
    return Subset(
        name=folder.lower(),
        title=folder,
        folders=(folder,),
        generators=(folder.lower(),),
        n_real=2000,
        n_fake=2000,
        counts_source="README of github chuangchuangtan/GANGen-Detection",
        certainty="documented",
    )


SUITE = Suite(
    name="gangen",
    title="GANGen-Detection",
    subsets=tuple(
        map(
            _subset,
            (
                "AttGAN",
                "BEGAN",
                "CramerGAN",
                "InfoMaxGAN",
                "MMDGAN",
                "RelGAN",
                "S3GAN",
                "SNGAN",
                "STGAN",
            ),
        )
    ),
    adapter=folder_adapter,
    folders=(
        "GANGen-Detection",
        "GANGen_Detection",
        "GANGen",
        "DF-arrow/GANGen-Detection",
    ),
    # The first upload (before February 2024) held a tenth GAN and broken folders: numbers made
    # with it are not comparable.
    known_extras=("GANimation",),
    licence="none stated",
    citation=(
        "Tan et al., Frequency-Aware Deepfake Detection (FreqNet), AAAI 2024; "
        "github chuangchuangtan/GANGen-Detection"
    ),
    obtain=(
        "python -m harness fetch gangen --data-root D (a mirror's tar); or by hand: "
        "https://drive.google.com/drive/folders/11E0Knf9J1qlv2UuTnJSOFUjIIi90czSj (one tar.gz a "
        "GAN), as <data root>/GANGen-Detection/{AttGAN,BEGAN,...}"
    ),
    releases=(
        dfbenchmark("GANGen-Detection.tar", "2.18 GB"),
        df_arrow("GANGen-Detection"),
        Release(
            name="drive",
            publisher="the authors",
            page="https://drive.google.com/drive/folders/11E0Knf9J1qlv2UuTnJSOFUjIIi90czSj",
            certainty="documented",
            by_hand="open the page and put the nine tar.gz, one a GAN, into "
            "<data root>/GANGen-Detection, as they are or (faster) unpacked",
        ),
    ),
)
