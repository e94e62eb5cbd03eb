"""OpenFake (Livernoche et al. 2025): recent and commercial generators, in Parquet files.

Columns image, prompt, label, model, type, release_date. A value of ``model`` is a subset; all share
the reals of their part, ``core`` or ``reddit``. Only files called ``test-*`` are read. The set
grows and its splits change: say which revision you used (``.fetched.json`` has it).
"""

from __future__ import annotations

from harness.data.as_found import TableSet
from harness.data.columns import Columns
from harness.data.suite import AsFound, PublishedFile, Release, Suite

_TABLE = TableSet(
    columns=Columns(image="image", label="label", group="model"),
    files=(
        ("core/test-*.parquet", "core"),
        ("data/test-*.parquet", "core"),
        ("reddit/test-*.parquet", "reddit"),
    ),
)

SUITE = Suite(
    name="openfake",
    title="OpenFake",
    subsets=(),
    as_found=AsFound(what="each value of the column model is one", subsets=_TABLE.subsets),
    adapter=_TABLE.adapter,
    folders=("OpenFake",),
    licence="CC-BY-NC-4.0 since 2026, CC-BY-SA before",
    citation="Livernoche et al., OpenFake, 2025 (arXiv:2509.09495)",
    obtain=(
        "python -m harness fetch openfake --data-root D (large); or by hand: the files test-* of "
        "https://huggingface.co/datasets/ComplexDataLab/OpenFake, as <data root>/OpenFake/core and "
        "<data root>/OpenFake/reddit"
    ),
    note="Counts of generators are not stated; the test part of reddit has 36,240 images in all. "
    "Own splits: --images FOLDER " + _TABLE.flags,
    releases=(
        Release(
            name="authors",
            publisher="the authors",
            page="https://huggingface.co/datasets/ComplexDataLab/OpenFake",
            certainty="documented",
            files=(
                PublishedFile(name="core/test-*.parquet"),
                PublishedFile(name="reddit/test-*.parquet"),
            ),
            repo="datasets/ComplexDataLab/OpenFake",
            folder="OpenFake",
        ),
    ),
)
