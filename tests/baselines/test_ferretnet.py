"""FerretNet: parity with the authors' numbers, S and B, and what its card warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.ferretnet import SPEC, VARIANTS, FerretNetDetector, neighbour_median
from harness.checkpoints.files import sha256_of
from harness.checkpoints.resolve import load_into, resolve
from harness.cost.count import count_module
from harness.data.preprocess import parse, to_tensor
from harness.errors import WeightsError
from tests.goldens.stored import (
    EXTRAS,
    close,
    extras_are_met,
    golden,
    keys,
    keys_of,
    near,
    preprocessing_is_exact,
    published,
)

GOLDENS = {"s": "ferretnet_s", "b": "ferretnet_b"}
PARAMETERS = {"s": 126_289, "b": 1_057_777}
# The counts of the authors' own networks at 256x256, by fvcore and by thop.
COST = {"s": (300_023_936, 307_101_952), "b": (2_359_689_600, 2_380_923_648)}

sizes = pytest.mark.parametrize("variant", VARIANTS)


def by_rule(variant: str) -> Any:
    detector = FerretNetDetector(**VARIANTS[variant])
    detector.load_state_dict(published(GOLDENS[variant]))
    detector.module.eval()
    return detector


@sizes
def test_keys_are_the_published_ones(variant: str) -> None:
    detector = FerretNetDetector(**VARIANTS[variant])
    assert keys_of(detector.state_dict()) == keys(GOLDENS[variant])
    assert sum(p.numel() for p in detector.network.parameters()) == PARAMETERS[variant]


@sizes
def test_goldens(variant: str) -> None:
    gold, detector = golden(GOLDENS[variant]), by_rule(variant)
    images = torch.from_numpy(gold["input"])
    with torch.no_grad():
        residual = images - neighbour_median(images)
        assert torch.equal(residual[:, :, :6, :6], torch.from_numpy(gold["residual_corner"]))
        close(detector.network.features(images), gold["feat_chirp"])
        close(detector.network(images), gold["logits_chirp"])


@sizes
def test_the_demo_scores_whole_pictures_the_tester_crops(variant: str) -> None:
    gold, detector = golden(GOLDENS[variant]), by_rule(variant)
    extras_are_met(GOLDENS[variant], SPEC, detector)
    for part, picture in EXTRAS.items():
        with torch.no_grad():
            native = detector.score(to_tensor(picture())[None])
        close(native[:, None], gold[f"logits_{part}_native_chirp"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    for name in GOLDENS.values():
        preprocessing_is_exact(name, SPEC, "forensynths", atol=0)


def as_written(x: Tensor) -> Tensor:
    """The card's own form: the eight neighbours and a zero, sorted; the fifth of nine."""
    height, width = x.shape[2:]
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    shifted = [padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    shifted[4] = torch.zeros_like(x)
    return torch.stack(shifted).sort(0).values[4]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3), (17, 11)])
@pytest.mark.parametrize("shift", [0.0, 3.0, -3.0])
def test_the_median_is_the_fifth_of_eight_neighbours_and_a_zero(
    shape: tuple[int, int], shift: float
) -> None:
    torch.manual_seed(0)
    x = (torch.randn(2, 3, *shape) + shift).mul(4).round().div(4)  # with ties
    assert torch.equal(neighbour_median(x), as_written(x))


def test_a_pixel_has_no_part_in_its_own_median() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 5, 5)
    before = neighbour_median(x)[0, :, 2, 2]
    x[0, :, 2, 2] = 100
    assert torch.equal(neighbour_median(x)[0, :, 2, 2], before)


def test_mean_gray_is_the_medians_zero() -> None:
    """Traps: the median after normalisation, and a border of mean gray, not of black."""
    detector = by_rule("s")
    gray = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1).expand(1, 3, 9, 9)
    x = detector.module.normalise(gray)
    assert torch.equal(x - neighbour_median(x), torch.zeros_like(x))
    black = detector.module.normalise(torch.zeros(1, 3, 9, 9))
    corner = (black - neighbour_median(black))[0, :, 0, 0]
    assert torch.equal(corner, black[0, :, 0, 0])  # three neighbours of nine are pictures


def test_of_channel_c_come_channels_2c_and_2c_plus_1() -> None:
    first: Any = FerretNetDetector().network.feature[0][0]  # type: ignore[index]
    reach = first.layers[0]
    x = torch.zeros(1, 32, 8, 8)
    x[:, 5] = 1
    touched = (reach.conv1(x) + reach.conv2(x)).abs().amax((0, 2, 3)).nonzero().flatten()
    assert touched.tolist() == [10, 11]


@sizes
def test_cost_is_the_cards(variant: str) -> None:
    counts = count_module(FerretNetDetector(**VARIANTS[variant]).network.eval(), (1, 3, 256, 256))
    fvcore, thop = COST[variant]
    # What a functional mean in place of an average-pool layer leaves out: one a value for fvcore,
    # the window and one more for thop.
    channels = 4 * VARIANTS[variant]["width"]
    assert counts.macs == fvcore - channels * 32 * 32
    assert counts.thop_rule == thop - channels * (32 * 32 + 1)


def test_a_file_is_of_its_own_size_only(tmp_path: Path) -> None:
    path = tmp_path / "ferretnet-b-median-3.pth"
    torch.save({"model": FerretNetDetector().state_dict()}, path)
    loaded = resolve(SPEC, str(path))
    assert loaded.variant == "b"
    with pytest.raises(WeightsError, match="shape"):
        load_into(FerretNetDetector(**VARIANTS["b"]), loaded, SPEC)


def test_the_published_s_file_gives_the_authors_scores(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(shared / "weights"))
    gold, loaded = golden("ferretnet_s"), resolve(SPEC, "s")
    assert loaded.ref.verified is True and loaded.variant == "s"
    assert sha256_of(loaded.path) == str(gold["real_weights_sha256"])  # type: ignore[arg-type]
    detector = FerretNetDetector()
    load_into(detector, loaded, SPEC)
    detector.module.eval()
    with np.load(shared / "methods/goldens/lfm.npz") as whole:
        photographs = whole["photos_u8"]
    pictures: dict[str, Any] = {"photos": photographs, "pics": gold["images_u8"]}
    pictures |= {part: picture()[None] for part, picture in EXTRAS.items()}
    for name, images in pictures.items():
        crop = parse(SPEC.preprocess_for("forensynths"))
        batch = torch.stack([to_tensor(crop(image)) for image in images])
        with torch.no_grad():
            near(detector.score(batch)[:, None], gold[f"real_logits_{name}"], rtol=1e-4, atol=1e-4)
