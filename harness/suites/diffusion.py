"""DiffusionForensics (DIRE, Wang et al., ICCV 2023) as repacked by the authors of NPR."""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Release, Subset, Suite, df_arrow, dfbenchmark


def _subset(name: str, title: str, n_real: int, n_fake: int, folders: tuple[str, ...]) -> Subset:
    """Counts worked out: methods that answer "real" nearly always have ACC = share of reals."""
    return Subset(
        name=name,
        title=title,
        folders=folders,
        generators=(name,),
        n_real=n_real,
        n_fake=n_fake,
        counts_source="worked out from the paper's rows of near-constant predictors",
        certainty="inferred",
    )


SUITE = Suite(
    name="diffusion",
    title="DiffusionForensics",
    subsets=(
        _subset("adm", "ADM", 6000, 6000, ("adm",)),
        _subset("ddpm", "DDPM", 1000, 605, ("ddpm",)),
        _subset("iddpm", "IDDPM", 1000, 1000, ("iddpm",)),
        _subset("ldm", "LDM", 1000, 1000, ("ldm",)),
        _subset("pndm", "PNDM", 1000, 1000, ("pndm",)),
        _subset("vqdiffusion", "VQ-Diffusion", 1000, 1000, ("vqdiffusion", "vq-diffusion")),
        _subset("sdv1", "SD-v1", 5000, 10000, ("sdv1_new", "sdv1")),
        Subset(
            name="sdv2",
            title="SD-v2",
            folders=("sdv2",),
            generators=("sdv2",),
            n_real=1000,
            n_fake=1000,
            counts_source="the paper's rows of near-constant predictors say half real: 1,000 of "
            "each for the scene bedroom alone, 2,000 of each where celebahq is there too",
            certainty="inferred",
            also=((2000, 2000),),
        ),
    ),
    adapter=folder_adapter,
    folders=(
        "DiffusionForensics",
        "diffusion_forensics",
        "dire_bedroom_imagenet",
        "DIRE",
        "DF-arrow/DiffusionForensics",
    ),
    known_extras=(
        "dalle2",
        "diff-projectedgan",
        "diff-stylegan",
        "if",
        "midjourney",
        "projectedgan",
        "sdv1_new2",
        "stylegan_official",
    ),
    licence="none stated for the data; LSUN and ImageNet terms apply to the reals",
    citation="Wang et al., DIRE for Diffusion-Generated Image Detection, ICCV 2023",
    obtain=(
        "python -m harness fetch diffusion --data-root D (a mirror's tar); or by hand: "
        "https://drive.google.com/drive/folders/1jZE4hg6SxRvKaPYO_yyMeJN_DOcqGMEf (README of NPR "
        "and LFM; the folder 1tKsOU-6FDdstrrKLPYuZ7RpQwtOSHxUD of NPR's download script has other "
        "reals: say which one you used), as <data root>/DiffusionForensics/{adm,ddpm,...}"
    ),
    releases=(
        dfbenchmark("DiffusionForensics.tar", "12.1 GB"),
        df_arrow("DiffusionForensics"),
        Release(
            name="drive",
            publisher="the authors of NPR and LFM (their README)",
            page="https://drive.google.com/drive/folders/1jZE4hg6SxRvKaPYO_yyMeJN_DOcqGMEf",
            certainty="documented",
            by_hand="open the page and put its folders adm, ddpm, ... into "
            "<data root>/DiffusionForensics",
        ),
        Release(
            name="drive-script",
            publisher="the authors of NPR (their download script); other reals than in drive",
            page="https://drive.google.com/drive/folders/1tKsOU-6FDdstrrKLPYuZ7RpQwtOSHxUD",
            certainty="documented",
            by_hand="open the page and put its folders adm, ddpm, ... into "
            "<data root>/DiffusionForensics; say in a publication that it is this one",
        ),
    ),
)
