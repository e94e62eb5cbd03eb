"""GenImage (Zhu et al., NeurIPS 2023): eight generators against ImageNet, the validation part.

Each generator's archive unpacks to ``train`` and ``val`` with ``ai`` and ``nature``. Archives are
called differently (``imagenet_ai_0419_biggan``), so a folder is also found by its generator's name.
"""

from __future__ import annotations

from functools import partial

from harness.api import FAKE, REAL
from harness.data.adapters import Style, folder_adapter
from harness.data.folders import CLASS_FOLDERS
from harness.data.suite import Release, Subset, Suite, df_arrow


def _subset(
    name: str, title: str, folders: tuple[str, ...], words: tuple[str, ...], generator: str = ""
) -> Subset:
    return Subset(
        name=name,
        title=title,
        folders=folders,
        words=words,
        generators=(generator or name,),
        counts_source="nobody states it; all eight hold 48,000 real and 48,000 fake images by "
        "table 1 of DDA (third party)",
    )


SUITE = Suite(
    name="genimage",
    title="GenImage",
    subsets=(
        _subset("midjourney", "Midjourney", ("Midjourney",), ("midjourney",)),
        _subset(
            "sd14",
            "SD v1.4",
            ("stable_diffusion_v_1_4", "Stable Diffusion V1.4"),
            ("stablediffusionv14", "sdv14", "sdv4"),
            "sd1.4",
        ),
        _subset(
            "sd15",
            "SD v1.5",
            ("stable_diffusion_v_1_5", "Stable Diffusion V1.5"),
            ("stablediffusionv15", "sdv15", "sdv5"),
            "sd1.5",
        ),
        _subset("adm", "ADM", ("ADM",), ("adm",)),
        _subset("glide", "GLIDE", ("glide",), ("glide",)),
        _subset("wukong", "Wukong", ("wukong",), ("wukong",)),
        _subset("vqdm", "VQDM", ("VQDM",), ("vqdm",), "vqdiffusion"),
        _subset("biggan", "BigGAN", ("BigGAN",), ("biggan",)),
    ),
    adapter=partial(
        folder_adapter,
        style=Style(classes={"nature": REAL, "ai": FAKE, **CLASS_FOLDERS}, split="val"),
    ),
    folders=("GenImage", "GenImage_test", "DF-arrow/GenImage_test"),
    licence="CC-BY-NC-SA-4.0 (third party); ImageNet terms apply to the reals",
    citation="Zhu et al., GenImage: A Million-Scale Benchmark for Detecting AI-Generated Image, "
    "NeurIPS 2023",
    obtain=(
        "the archives of each generator from "
        "https://drive.google.com/drive/folders/1jGt10bwTbhEZuGXLyvrCuxOI0cBqQ1FS or Harvard "
        "Dataverse, doi 10.7910/DVN/AKDIHF (about 500 GB); join archives in parts, and put them, "
        "as they are or unpacked, into <data root>/GenImage"
    ),
    note="Reals are JPEG, fakes are PNG: a detector of JPEG is right everywhere. Published numbers "
    "therefore re-code (DDA: fakes as JPEG 96) or choose by size and quality (UnbiasedGenImage).",
    releases=(
        Release(
            name="drive",
            publisher="the authors",
            page="https://drive.google.com/drive/folders/1jGt10bwTbhEZuGXLyvrCuxOI0cBqQ1FS",
            size="about 500 GB",
            certainty="third party",
            by_hand="open the page, join archives in parts, and put them, as they are or unpacked, "
            "into <data root>/GenImage; their val is tested, their train is not read",
        ),
        df_arrow("GenImage_test"),
    ),
)
