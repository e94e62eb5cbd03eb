"""The embedded suite: real photographs against images made by real neural generators.

128x128 crops in Parquet files beside this module, losslessly coded, split by photograph. It is a
stand-in that runs without any download; its numbers say nothing about the paper's test sets. Tiles
of one photograph, and all that was made from them, are one unit.
A subset holds the test photographs and one generator's images. The subsets of the group
``controls`` hold real photographs that were resampled, re-compressed or demosaicked: they are not
fakes, and what is measured on them is false alarms.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pyarrow.parquet as pq

from harness.api import FAKE, REAL
from harness.data.disk import DiskFolder
from harness.data.places import Folder
from harness.data.sample import Sample
from harness.data.suite import Subset, Suite
from harness.data.tables import RowSource
from harness.errors import DataError
from harness.installed import restore_hint

DATA = Path(__file__).parent / "data"
CONTROLS = "controls"


def train_samples() -> list[Sample]:
    """The training split, sorted by label, then id: photographs and one generator's images."""
    return _samples(DATA / "train.parquet")


def val_samples() -> list[Sample]:
    """The validation split, sorted by label, then id; its photographs are not in ``train``."""
    return _samples(DATA / "val.parquet")


def _adapter(suite: Suite, subset: Subset, root: Folder) -> list[Sample]:
    """A generator's test images with the test photographs, or a control's images alone."""
    assert isinstance(root, DiskFolder)  # the suite is embedded
    folder = root.path
    made = [
        sample
        for sample in _samples(folder / f"test_{subset.group}.parquet")
        if sample.generator == subset.name
    ]
    wanted = REAL if subset.group == CONTROLS else FAKE
    wrong = [sample.id for sample in made if sample.label != wanted]
    if not made or wrong:
        problem = f"{wrong[0]} has another label than {wanted}" if wrong else "it has no images"
        raise DataError(f"{suite.name}:{subset.name}: {problem} in test_{subset.group}.parquet")
    reals = [] if subset.group == CONTROLS else _samples(folder / "test_real.parquet")
    return [*reals, *made]


@lru_cache(maxsize=16)
def _read(path: Path, _mtime_ns: int) -> tuple[Sample, ...]:
    columns = ["id", "label", "sha256", "generator", "photo"]
    rows = pq.read_table(path, columns=columns).to_pylist()
    samples = [
        Sample(source=RowSource(str(path), number), unit=row.pop("photo"), **row)
        for number, row in enumerate(rows)
    ]
    return tuple(sorted(samples, key=lambda sample: (sample.label, sample.id)))


def _samples(path: Path) -> list[Sample]:
    if not path.is_file():
        raise DataError(
            f"mini: no file {path}",
            hint=restore_hint(path),
        )
    return list(_read(path, path.stat().st_mtime_ns))


def _subset(name: str, title: str, group: str) -> Subset:
    control = group == CONTROLS
    return Subset(
        name=name,
        title=title,
        group=group,
        n_real=100 if control else 150,
        n_fake=0 if control else 100,
        counts_source="harness/suites/mini/data/manifest.json",
        certainty="documented",
        unit="photo",
    )


SUITE = Suite(
    name="mini",
    title="Mini (embedded)",
    subsets=(
        _subset("gan_tconv", "GAN decoder, transposed conv", "gan"),
        _subset("gan_nearest", "GAN decoder, nearest + conv", "gan"),
        _subset("cyclegan_vintage", "CycleGAN (vintagify)", "gan"),
        _subset("realesrgan_x4plus", "Real-ESRGAN x4plus", "gan"),
        _subset("ae_tconv", "AE, transposed conv", "autoencoder"),
        _subset("ae_pixshuf", "AE, pixel shuffle", "autoencoder"),
        _subset("vq_nearest", "VQ-AE, nearest + conv", "autoencoder"),
        _subset("waifu_upconv_x2", "waifu2x upconv7 x2", "super-resolution"),
        _subset("realcugan_x2", "Real-CUGAN x2", "super-resolution"),
        _subset("animevideo_x4", "Real-ESRGAN animevideo x4", "super-resolution"),
        _subset("ffd_diff50", "FFDNet-prior sampler", "diffusion"),
        _subset("pixddpm_img2img", "Toy DDPM, image-to-image", "diffusion"),
        _subset("latddpm_img2img", "Toy latent diffusion, image-to-image", "diffusion"),
        _subset("ctl_bicubic_x2", "Photo, bicubic x2", CONTROLS),
        _subset("ctl_resize1.3", "Photo, resized x1.3", CONTROLS),
        _subset("ctl_jpeg90", "Photo, JPEG 90", CONTROLS),
        _subset("ctl_demosaicnet", "Photo, neural demosaicking", CONTROLS),
    ),
    adapter=_adapter,
    folders=(str(DATA),),
    licence="per photograph, in harness/suites/mini/ATTRIBUTION.md: CC0, public domain, CC-BY, "
    "CC-BY-SA or BSD",
    citation="this repository",
    obtain="committed in this repository: harness/suites/mini/data",
    embedded=True,
)
