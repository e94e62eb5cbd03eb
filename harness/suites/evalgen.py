"""EvalGEN (DDA, Chen et al., NeurIPS 2025): five recent generators on 553 prompts, fakes alone.

Without reals there are no false alarms, no ACC and no AP: it shows which share of fakes is hit.
How its folders are called and whether more than one picture a prompt is in them is not documented:
a folder is found by its generator's name, wherever pictures lie in it.
"""

from __future__ import annotations

from functools import partial

from harness.data.adapters import Style, folder_adapter
from harness.data.suite import PublishedFile, Release, Subset, Suite


def _subset(folder: str, generator: str) -> Subset:
    return Subset(
        name=generator,
        title=folder,
        folders=(folder,),
        words=(generator,),
        generators=(generator,),
        n_real=0,
        n_fake=553,
        counts_source="one picture for each of 553 prompts, DDA; the published file may hold more "
        "of each",
        certainty="documented",
    )


SUITE = Suite(
    name="evalgen",
    title="EvalGEN",
    subsets=(
        _subset("Flux", "flux"),
        _subset("GoT", "got"),
        _subset("Infinity", "infinity"),
        _subset("NOVA", "nova"),
        _subset("OmniGen", "omnigen"),
    ),
    adapter=partial(folder_adapter, style=Style(bare=True)),
    folders=("EvalGEN",),
    licence="not known",
    citation="Chen et al., Dual Data Alignment Makes AI-Generated Image Detector Easier "
    "Generalizable, NeurIPS 2025",
    obtain=(
        "python -m harness fetch evalgen --data-root D; or by hand: "
        "https://huggingface.co/datasets/Junwei-Xi/EvalGEN, as "
        "<data root>/EvalGEN/{Flux,GoT,Infinity,NOVA,OmniGen}"
    ),
    note="Fakes alone: it shows hits, and a detector that calls everything fake has all of them. "
    "DDA's numbers are hits after JPEG 96.",
    releases=(
        Release(
            name="authors",
            publisher="the authors",
            page="https://huggingface.co/datasets/Junwei-Xi/EvalGEN",
            certainty="third party",
            files=(PublishedFile(name="*"),),
            repo="datasets/Junwei-Xi/EvalGEN",
            folder="EvalGEN",
        ),
    ),
)
