"""AIGIBench (Li et al., NeurIPS 2025): 25 test sets, from GANs to face swaps and social media.

The folders' names are those that the authors' own test scripts list. Their README gives corrected
counts of five sets and says that reals and fakes are as many; those of the others are not stated.
"""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import PublishedFile, Release, Subset, Suite

_COUNTS = {"CommunityAI": 6000, "SocialRF": 3000, "FaceSwap": 4000, "InSwap": 4000, "WFIR": 1000}


def _subset(folder: str, generator: str = "", *others: str, title: str = "") -> Subset:
    count = _COUNTS.get(folder)
    return Subset(
        name=folder.lower().replace("-", "_"),
        title=title or folder,
        folders=(folder, *others),
        generators=(generator,) if generator else (),
        n_real=count,
        n_fake=count,
        counts_source="README of github HorizonTEL/AIGIBench, with its corrections"
        if count
        else "",
        certainty="documented" if count else "unknown",
    )


SUITE = Suite(
    name="aigibench",
    title="AIGIBench",
    subsets=(
        _subset("ProGAN", "progan"),
        _subset("R3GAN", "r3gan"),
        _subset("StyleGAN3", "stylegan3"),
        _subset("StyleGAN-XL", "stylegan-xl"),
        _subset("StyleSwim", "styleswin", "StyleSwin", title="StyleSwin"),
        _subset("WFIR", "stylegan", title="WhichFaceIsReal"),
        _subset("BlendFace", "blendface"),
        _subset("E4S", "e4s"),
        _subset("FaceSwap", "faceswap"),
        _subset("InSwap", "inswap", "ImSwap"),
        _subset("SimSwap", "simswap"),
        _subset("DALLE-3", "dalle3", title="DALL-E 3"),
        _subset("FLUX1-dev", "flux", title="FLUX.1 dev"),
        _subset("GLIDE", "glide"),
        _subset("Imagen3", "imagen3", title="Imagen 3"),
        _subset("Midjourney", "midjourney6", "Midjourney-V6", title="Midjourney v6"),
        _subset("SD3", "sd3"),
        _subset("SDXL", "sdxl"),
        _subset("BLIP", "blip"),
        _subset("Infinite-ID", "infinite-id"),
        _subset("InstantID", "instantid"),
        _subset("IP-Adapter", "ip-adapter"),
        _subset("PhotoMaker", "photomaker"),
        _subset("CommunityAI"),
        _subset("SocialRF"),
    ),
    adapter=folder_adapter,
    folders=("AIGIBench/test", "AIGIBench"),
    known_extras=("train", "val"),
    licence="CC-BY-NC-SA-4.0 (model card)",
    citation="Li et al., Is Artificial Intelligence Generated Image Detection a Solved Problem?, "
    "NeurIPS 2025 Datasets and Benchmarks",
    obtain=(
        "python -m harness fetch aigibench --data-root D; or by hand: "
        "https://huggingface.co/datasets/HorizonTEL/AIGIBench, its folder test as "
        "<data root>/AIGIBench/test, with archives as they are or unpacked"
    ),
    note="The authors print ACC of reals, ACC of fakes, ACC and AP, with detectors that they "
    "trained anew: their rows are not of the published checkpoints.",
    releases=(
        Release(
            name="authors",
            publisher="the authors",
            page="https://huggingface.co/datasets/HorizonTEL/AIGIBench",
            certainty="documented",
            files=(PublishedFile(name="test/*"),),
            repo="datasets/HorizonTEL/AIGIBench",
            folder="AIGIBench",
        ),
        Release(
            name="baidu",
            publisher="the authors",
            page="https://pan.baidu.com/s/1XTwfXlfqkGxAwYLxXuZbfA?pwd=sm6v",
            certainty="documented",
            by_hand="open the page and put its folder test into <data root>/AIGIBench",
        ),
    ),
)
