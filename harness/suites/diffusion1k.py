"""Diffusion1kStep: five diffusion models collected by the authors of NPR; nothing is documented."""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Subset, Suite


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
        "https://drive.google.com/drive/folders/14f0vApTLiukiPvIHukHDzLujrvJpDpRq, or "
        "Diffusion1kStep.tar (3.31 GB) of https://huggingface.co/datasets/nebula/dfbenchmark; "
        "unpack it as <data root>/Diffusion1kStep/{DALLE,ddpm,...}"
    ),
)
