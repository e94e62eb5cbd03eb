"""When generators came out: a month and its source for each, from those who made them.

A generator with a paper has the month of the paper's first version on arXiv (the number says it);
one without has the month of its public release as it is generally known. The numbers on arXiv were
looked up for this table, the makers' announcements were not opened. What is not here has no known
date, and is shown so: versions that a test set does not name (``midjourney``, ``dalle``),
collections, and models of whose release nothing was certain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Born:
    """A generator's release.

    Args:
        name: as ``Subset.generators`` has it.
        month: ``YYYY-MM``.
        source: ``arXiv:NUMBER`` of its authors' paper, or their release in words.
        aliases: what data sets that name generators themselves call it.
    """

    name: str
    month: str
    source: str
    aliases: tuple[str, ...] = ()


def _paper(name: str, number: str, *aliases: str) -> Born:
    return Born(name, f"20{number[:2]}-{number[2:4]}", f"arXiv:{number}", aliases)


_OPENAI3 = "OpenAI, DALL-E 3 system card, 3 October 2023"
_STABILITY1 = "Stability AI, public release of Stable Diffusion, 22 August 2022"
_STABILITY2 = "Stability AI, Stable Diffusion 2.0 release, 24 November 2022"

GENERATORS = (
    _paper("cyclegan", "1703.10593"),
    _paper("began", "1703.10717"),
    _paper("mmdgan", "1705.08584"),
    _paper("cramergan", "1705.10743"),
    _paper("progan", "1710.10196"),
    _paper("stargan", "1711.09020"),
    _paper("attgan", "1711.10678"),
    _paper("sngan", "1802.05957"),
    _paper("biggan", "1809.11096"),
    _paper("stylegan", "1812.04948"),
    _paper("s3gan", "1903.02271"),
    _paper("gaugan", "1903.07291"),
    _paper("stgan", "1904.09709"),
    _paper("relgan", "1908.07269"),
    _paper("stylegan2", "1912.04958"),
    _paper("ddpm", "2006.11239"),
    _paper("infomaxgan", "2007.04589"),
    _paper("iddpm", "2102.09672"),
    _paper("adm", "2105.05233", "guided-diffusion"),
    _paper("simswap", "2106.06340"),
    _paper("stylegan3", "2106.12423"),
    _paper("vqdiffusion", "2111.14822", "vq-diffusion", "vqdm"),
    _paper("styleswin", "2112.10762"),
    _paper("glide", "2112.10741"),
    _paper("ldm", "2112.10752", "latent-diffusion", "CompVis/ldm-text2im-large-256"),
    _paper("stylegan-xl", "2202.00273"),
    _paper("pndm", "2202.09778"),
    _paper("dalle2", "2204.06125", "DALL-E 2"),
    Born("sdv1", "2022-08", _STABILITY1),
    Born("sd1.3", "2022-08", _STABILITY1, ("stable-diffusion-1.3",)),
    Born(
        "sd1.4",
        "2022-08",
        _STABILITY1,
        ("CompVis/stable-diffusion-v1-4", "stable-diffusion-1.4"),
    ),
    Born(
        "sd1.5",
        "2022-10",
        "Runway, public release of stable-diffusion-v1-5, October 2022",
        ("runwayml/stable-diffusion-v1-5", "stable-diffusion-1.5"),
    ),
    _paper("e4s", "2211.14068"),
    Born("sdv2", "2022-11", _STABILITY2),
    Born("sd2", "2022-11", _STABILITY2, ("stabilityai/stable-diffusion-2", "stable-diffusion-2")),
    Born("sd2-inpainting", "2022-11", _STABILITY2, ("stabilityai/stable-diffusion-2-inpainting",)),
    Born(
        "sd2.1",
        "2022-12",
        "Stability AI, Stable Diffusion 2.1 release, 7 December 2022",
        ("stabilityai/stable-diffusion-2-1", "stable-diffusion-2.1"),
    ),
    _paper("controlnet", "2302.05543"),
    Born(
        "midjourney5",
        "2023-03",
        "Midjourney's list of versions: version 5, March 2023",
        ("midjourney-v5", "midjourney 5"),
    ),
    Born("firefly", "2023-03", "Adobe, first public beta of Firefly, 21 March 2023"),
    _paper("sdxl", "2307.01952", "stabilityai/stable-diffusion-xl-base-1.0", "sd-xl"),
    _paper("blendface", "2307.10854"),
    _paper("ip-adapter", "2308.06721"),
    Born("dalle3", "2023-10", _OPENAI3, ("DALL-E 3",)),
    _paper("lcm-lora", "2311.05556"),
    _paper("sd-turbo", "2311.17042", "stabilityai/sd-turbo"),
    _paper("sdxl-turbo", "2311.17042", "stabilityai/sdxl-turbo"),
    _paper("photomaker", "2312.04461"),
    Born(
        "midjourney6",
        "2023-12",
        "Midjourney's list of versions: version 6 alpha, December 2023",
        ("midjourney-v6", "midjourney 6"),
    ),
    _paper("instantid", "2401.07519"),
    _paper("sd3", "2403.03206", "stable-diffusion-3"),
    _paper("infinite-id", "2403.11781"),
    Born(
        "flux",
        "2024-08",
        "Black Forest Labs, announcement of FLUX.1, 1 August 2024",
        ("flux.1-dev", "flux1-dev", "flux.1-schnell", "black-forest-labs/FLUX.1-dev"),
    ),
    _paper("imagen3", "2408.07009", "imagen-3"),
    _paper("omnigen", "2409.11340"),
    _paper("infinity", "2412.04431"),
    _paper("nova", "2412.14169"),
    _paper("r3gan", "2501.05441"),
    _paper("got", "2503.10639"),
)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.casefold())


_BY_NAME = {_plain(name): each for each in GENERATORS for name in (each.name, *each.aliases)}


def born(names: Sequence[str]) -> Born | None:
    """When a subset's generator came out; None where that is not known, or it has several.

    Args:
        names: of the generators; letter case and marks between letters do not matter.

    Example:
        >>> born(["SD 1.4"]).month
        '2022-08'
    """
    return _BY_NAME.get(_plain(names[0])) if len(names) == 1 else None
