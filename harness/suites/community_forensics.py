"""Community Forensics (Park and Owens, CVPR 2025), its evaluation set, in Parquet files.

Columns image_name, format, resolution, mode, image_data, model_name, nsfw_flag, prompt,
real_source, subset, split, label. A value of ``model_name`` is a subset; all share the set's reals.
How the authors pair reals with generators is not documented. The full set and the small one (4,803
generators) are for training: read them as own images, with the columns that the note names.
"""

from __future__ import annotations

from harness.data.as_found import TableSet
from harness.data.columns import Columns
from harness.data.suite import AsFound, PublishedFile, Release, Suite

_TABLE = TableSet(
    columns=Columns(image="image_data", label="label", group="model_name"),
    files=(("**/*.parquet", ""),),
)

SUITE = Suite(
    name="community-forensics",
    title="Community Forensics",
    subsets=(),
    as_found=AsFound(what="each value of the column model_name is one", subsets=_TABLE.subsets),
    adapter=_TABLE.adapter,
    folders=("CommunityForensics-Eval", "CommunityForensics_Eval", "Community-Forensics"),
    licence="CC-BY-4.0 (full), CC-BY-NC-SA-4.0 (small); of the evaluation set not known",
    citation="Park and Owens, Community Forensics: Using Thousands of Generators to Train Fake "
    "Image Detectors, CVPR 2025",
    obtain=(
        "python -m harness fetch community-forensics --data-root D; or by hand: "
        "https://huggingface.co/datasets/OwensLab/CommunityForensics-Eval, as "
        "<data root>/CommunityForensics-Eval"
    ),
    note="Papers print the mean AP and ACC over generators. Another split of the same files: "
    "--images FOLDER " + _TABLE.flags.replace("model_name", "subset"),
    releases=(
        Release(
            name="authors",
            publisher="the authors",
            page="https://huggingface.co/datasets/OwensLab/CommunityForensics-Eval",
            certainty="documented",
            files=(PublishedFile(name="*"),),
            repo="datasets/OwensLab/CommunityForensics-Eval",
            folder="CommunityForensics-Eval",
        ),
    ),
)
