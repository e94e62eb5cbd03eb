"""AIGCDetectBenchmark (PatchCraft, Zhong et al. 2023): 16 generators, and SDXL added later.

Its first half are the folders of ForenSynths under their own names, so numbers of both overlap.
"""

from __future__ import annotations

from harness.data.adapters import folder_adapter
from harness.data.suite import Release, Subset, Suite


def _subset(folder: str, title: str, generator: str = "") -> Subset:
    return Subset(
        name=folder.lower(),
        title=title,
        folders=(folder,),
        generators=(generator or folder.lower(),),
        counts_source="nobody states it; all together hold 76,250 real and 76,250 fake images "
        "(third party)",
    )


SUITE = Suite(
    name="aigcdetect",
    title="AIGCDetectBenchmark",
    subsets=(
        _subset("progan", "ProGAN"),
        _subset("stylegan", "StyleGAN"),
        _subset("biggan", "BigGAN"),
        _subset("cyclegan", "CycleGAN"),
        _subset("stargan", "StarGAN"),
        _subset("gaugan", "GauGAN"),
        _subset("stylegan2", "StyleGAN2"),
        _subset("whichfaceisreal", "WhichFaceIsReal", "stylegan"),
        _subset("ADM", "ADM"),
        _subset("Glide", "GLIDE"),
        _subset("Midjourney", "Midjourney"),
        _subset("stable_diffusion_v_1_4", "SD v1.4", "sd1.4"),
        _subset("stable_diffusion_v_1_5", "SD v1.5", "sd1.5"),
        _subset("VQDM", "VQDM", "vqdiffusion"),
        _subset("wukong", "Wukong"),
        _subset("DALLE2", "DALL-E 2"),
        _subset("sd_xl", "SDXL", "sdxl"),
    ),
    adapter=folder_adapter,
    folders=(
        "AIGCDetectBenchmark",
        "AIGCDetectBenchmark/test",
        "AIGCDetectionBenchmark",
        "AIGCDetectionBenchmark/test",
        "AIGCDetect_testset",
        "AIGCDetect_testset/test",
        "AIGCDetect",
    ),
    licence="none stated",
    citation="Zhong et al., PatchCraft: Exploring Texture Patch for Efficient AI-generated Image "
    "Detection, 2023",
    obtain=(
        "https://drive.google.com/open?id=1p4ewuAo7d5LbNJ4cKyh10Xl9Fg2yoFOw, or ModelScope "
        "aemilia/AIGCDetectionBenchmark; as <data root>/AIGCDetectBenchmark/{progan,stylegan,...}"
    ),
    note="DDA re-codes its fakes as JPEG 96 before scoring: such numbers are not these.",
    releases=(
        Release(
            name="drive",
            publisher="the authors",
            page="https://drive.google.com/open?id=1p4ewuAo7d5LbNJ4cKyh10Xl9Fg2yoFOw",
            certainty="third party",
            by_hand="open the page, join archives in parts (zip -s- test.zip -O whole.zip), "
            "and put its folders progan, stylegan, ... into <data root>/AIGCDetectBenchmark",
        ),
        Release(
            name="modelscope",
            publisher="the authors",
            page="https://modelscope.cn/datasets/aemilia/AIGCDetectionBenchmark",
            certainty="third party",
            by_hand="open the page and put the folders progan, stylegan, ... into "
            "<data root>/AIGCDetectBenchmark",
        ),
    ),
)
