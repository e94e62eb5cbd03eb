"""ForenSynths: the test set of CNNDetection (Wang et al., CVPR 2020), as NPR and LFM score it."""

from __future__ import annotations

from dataclasses import replace

from harness.data.adapters import folder_adapter
from harness.data.suite import PublishedFile, Release, Subset, Suite, df_arrow


def _subset(name: str, title: str, n_real: int, n_fake: int) -> Subset:
    return Subset(
        name=name,
        title=title,
        folders=(name,),
        generators=(name,),
        n_real=n_real,
        n_fake=n_fake,
        counts_source="archive listing in github mirrorcall96/SAFAID; an independent list of all "
        "90,329 names of the 13 folders has the same counts",
        certainty="third party",
    )


# FaceForensics++: a real is VIDEO_FRAME, a fake is VIDEO_SOURCE_FRAME with the face of the video
# SOURCE put into VIDEO. Frames of one video, real or swapped, are no independent pictures.
_DEEPFAKE = replace(
    _subset("deepfake", "Deepfake", 2707, 2698),
    unit="video",
    unit_pattern=r"(\d{3})_(?:\d{3}_)?\d{4}\.",
)


SUITE = Suite(
    name="forensynths",
    title="ForenSynths",
    subsets=(
        _subset("progan", "ProGAN", 4000, 4000),
        _subset("stylegan", "StyleGAN", 5991, 5991),
        _subset("stylegan2", "StyleGAN2", 7988, 7988),
        _subset("biggan", "BigGAN", 2000, 2000),
        _subset("cyclegan", "CycleGAN", 1321, 1321),
        _subset("stargan", "StarGAN", 1999, 1999),
        _subset("gaugan", "GauGAN", 5000, 5000),
        _DEEPFAKE,
    ),
    adapter=folder_adapter,
    folders=(
        "ForenSynths",
        "ForenSynths_test",
        "ForenSynths/test",
        "ForenSynths_train_val/test",
        "CNN_synth_testset",
        "CNNDetection",
        "CNNDetection/test",
        "DF-arrow/ForenSynths",
    ),
    known_extras=("crn", "imle", "san", "seeingdark", "whichfaceisreal"),
    licence="CC-BY-NC-SA-4.0; the reals keep their own terms (LSUN, ImageNet, COCO, CelebA, FF++)",
    citation="Wang et al., CNN-generated images are surprisingly easy to spot, CVPR 2020",
    obtain=(
        "python -m harness fetch forensynths --data-root D; or by hand: "
        "https://huggingface.co/sywang/CNNDetection: CNN_synth_testset.zip (20,052,866,587 bytes, "
        "sha256 d87eeff4eb6d1061f57620aa1bd54e699a18cc9860fcdc6a55bf4cf643008d85), as it is or "
        "unpacked as <data root>/ForenSynths/{progan,stylegan,...}"
    ),
    releases=(
        Release(
            name="authors",
            publisher="the authors",
            page="https://huggingface.co/sywang/CNNDetection",
            size="20.1 GB",
            certainty="documented",
            files=(
                PublishedFile(
                    name="CNN_synth_testset.zip",
                    size=20_052_866_587,
                    sha256="d87eeff4eb6d1061f57620aa1bd54e699a18cc9860fcdc6a55bf4cf643008d85",
                ),
            ),
            repo="models/sywang/CNNDetection",
        ),
        df_arrow("ForenSynths"),
        Release(
            name="dfbenchmark",
            publisher="a mirror, not the authors",
            page="https://huggingface.co/datasets/nebula/dfbenchmark",
            certainty="third party",
            by_hand="download the two parts of ForenSynths (their names end in aa and ab), join "
            "them in this order (cat PART_aa PART_ab > ForenSynths.tar) and put the result into "
            "the data root",
        ),
        Release(
            name="baidu",
            publisher="the authors of NPR and LFM",
            page="https://pan.baidu.com/s/1l-rXoVhoc8xJDl20Cdwy4Q",
            certainty="documented",
            by_hand="open the page (password ft8b) and put the folders progan, stylegan, ... into "
            "<data root>/ForenSynths",
        ),
    ),
)
