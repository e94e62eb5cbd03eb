"""DRCT-2M (Chen et al., ICML 2024): 16 diffusion models prompted with COCO, against COCO val2017.

The release holds fakes alone, ``GENERATOR/{train2017,val2017}``. The reals are COCO's own val2017,
which lies in the data root or in the suite's folder.
"""

from __future__ import annotations

from functools import partial

from harness.data.adapters import Style, folder_adapter
from harness.data.suite import Release, SharedReals, Subset, Suite


def _subset(name: str, title: str, folder: str, generator: str) -> Subset:
    return Subset(
        name=name,
        title=title,
        folders=(folder,),
        generators=(generator,),
        n_real=5000,
        n_fake=5000,
        counts_source="5,000 reals and 80,000 fakes of 16 generators, table 1 of DDA",
        certainty="third party",
        real_pool="coco",
    )


SUITE = Suite(
    name="drct2m",
    title="DRCT-2M",
    subsets=(
        _subset("ldm", "LDM", "ldm-text2im-large-256", "ldm"),
        _subset("sd14", "SD v1.4", "stable-diffusion-v1-4", "sd1.4"),
        _subset("sd15", "SD v1.5", "stable-diffusion-v1-5", "sd1.5"),
        _subset("sd21", "SD v2.1", "stable-diffusion-2-1", "sd2.1"),
        _subset("sdxl", "SDXL", "stable-diffusion-xl-base-1.0", "sdxl"),
        _subset("sdxl_refiner", "SDXL refiner", "stable-diffusion-xl-refiner-1.0", "sdxl"),
        _subset("sd_turbo", "SD Turbo", "sd-turbo", "sd-turbo"),
        _subset("sdxl_turbo", "SDXL Turbo", "sdxl-turbo", "sdxl-turbo"),
        _subset("lcm_sd15", "LCM SD v1.5", "lcm-lora-sdv1-5", "lcm-lora"),
        _subset("lcm_sdxl", "LCM SDXL", "lcm-lora-sdxl", "lcm-lora"),
        _subset("ctrl_sd15", "ControlNet SD v1.5", "sd-controlnet-canny", "controlnet"),
        _subset("ctrl_sd21", "ControlNet SD v2.1", "sd21-controlnet-canny", "controlnet-sd2.1"),
        _subset("ctrl_sdxl", "ControlNet SDXL", "controlnet-canny-sdxl-1.0", "controlnet-sdxl"),
        _subset(
            "inp_sd15", "Inpainting SD v1.5", "stable-diffusion-inpainting", "sd1.5-inpainting"
        ),
        _subset("inp_sd2", "Inpainting SD v2", "stable-diffusion-2-inpainting", "sd2-inpainting"),
        _subset(
            "inp_sdxl",
            "Inpainting SDXL",
            "stable-diffusion-xl-1.0-inpainting-0.1",
            "sdxl-inpainting",
        ),
    ),
    adapter=partial(folder_adapter, style=Style(split="val2017", bare=True)),
    folders=("DRCT-2M", "DRCT-2M/images", "AIGC_MSCOCO"),
    licence="not known; COCO terms apply to the reals",
    citation="Chen et al., DRCT: Diffusion Reconstruction Contrastive Training towards Universal "
    "Detection of Diffusion Generated Images, ICML 2024",
    obtain=(
        "https://modelscope.cn/datasets/BokingChen/DRCT-2M, as "
        "<data root>/DRCT-2M/{ldm-text2im-large-256,...}/val2017, and COCO's val2017.zip "
        "(https://cocodataset.org) as <data root>/MSCOCO/val2017"
    ),
    note="All 16 subsets share one set of 5,000 reals: one false-alarm rate counts in each. DRCT's "
    "published detectors saw some of these generators in training.",
    pools=(
        SharedReals(
            name="coco",
            folders=(
                "MSCOCO/val2017",
                "COCO/val2017",
                "coco2017/val2017",
                "coco/images/val2017",
                "val2017",
            ),
        ),
    ),
    releases=(
        Release(
            name="modelscope",
            publisher="the authors; the reals are COCO's",
            page="https://modelscope.cn/datasets/BokingChen/DRCT-2M",
            certainty="documented",
            by_hand="open the page and put its folders ldm-text2im-large-256, ... into "
            "<data root>/DRCT-2M; put COCO's val2017 into <data root>/MSCOCO",
        ),
    ),
)
