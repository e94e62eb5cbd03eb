"""Diffusion1kStep: five diffusion models collected by the authors of NPR; nothing is documented."""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Release, Subset, Suite, dfbenchmark


def _subset(name: str, title: str, folder: str, generator: str = "") -> Subset:
    return Subset(name=name, title=title, folders=(folder,), generators=(generator or name,))


SUITE = Suite(
    name="diffusion1k",
    title="Diffusion1kStep",
    # The paper prints no per-subset results for this set, so the order is that of LFM's README.
    subsets=(
        _subset("dalle", "DALLE", "DALLE"),
        _subset("ddpm", "DDPM", "ddpm"),
        _subset("guided", "ADM", "guided-diffusion", "adm"),
        _subset("improved", "IDDPM", "improved-diffusion", "iddpm"),
        _subset("midjourney", "Midjourney", "midjourney"),
    ),
    adapter=folder_adapter,
    folders=("Diffusion1kStep", "testDP_20231113"),
    licence="none stated",
    citation="Tan et al., NPR, CVPR 2024; published beside the code, not described in the paper",
    obtain=(
        "python -m harness fetch diffusion1k --data-root D (a mirror's tar); or by hand: "
        "https://drive.google.com/drive/folders/14f0vApTLiukiPvIHukHDzLujrvJpDpRq, as "
        "<data root>/Diffusion1kStep/{DALLE,ddpm,...}"
    ),
    releases=(
        # Also seen as Diffusion1kStep.tar.gz.
        dfbenchmark("Diffusion1kStep.tar*", "3.31 GB"),
        Release(
            name="drive",
            publisher="the authors of NPR and LFM",
            page="https://drive.google.com/drive/folders/14f0vApTLiukiPvIHukHDzLujrvJpDpRq",
            certainty="documented",
            by_hand="open the page and put its folders DALLE, ddpm, ... into "
            "<data root>/Diffusion1kStep",
        ),
    ),
)
