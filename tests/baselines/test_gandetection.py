"""GANDetection: patches, the rule over them, parity with the authors' numbers, small pictures."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines import _patches
from baselines.gandetection import (
    MEMBERS,
    SPEC,
    Ensemble,
    GANDetectionDetector,
    _settled,
    augmented,
    build,
    from_published,
    positions_of,
    training_patch,
    verdict,
)
from harness.api import TorchDetector
from harness.checkpoints.resolve import load_into, resolve
from harness.data.preprocess import to_tensor
from harness.errors import WeightsError
from tests.goldens.pictures import frequency_tensor as images
from tests.goldens.rules import hashed
from tests.goldens.stored import golden, near


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def published(names: list[str], shapes: dict[str, Any], member: str) -> dict[str, Tensor]:
    """A member's entries by rule ``hash``, under our names."""
    state = {}
    for name in names:
        own = from_published(member, name)
        like = shapes[own]
        values = torch.zeros_like(like)
        if like.is_floating_point():
            values = hashed(f"net{member}.{name}", tuple(like.shape))
        state[own] = values
    return state


def filled(members: str) -> GANDetectionDetector:
    """The detector with these members filled; the others stay as they are built."""
    detector = build()
    shapes = dict(detector.state_dict())
    names = golden("gandetection")["state_dict_names"].tolist()
    assert len(names) == 706
    new = {}
    for member in members:
        new |= published(names, shapes, member)
    assert len(new) == 706 * len(members)
    detector.load_state_dict({**shapes, **new})
    detector.module.eval()
    return detector


def normalised() -> Tensor:
    return TorchDetector(nn.Identity()).module.normalise(images())


def test_names_follow_timms_order() -> None:
    with torch.device("meta"):
        own = list(build().state_dict())
    names = golden("gandetection")["state_dict_names"].tolist()
    assert [from_published(m, name) for m in MEMBERS for name in names] == own


def test_the_five_published_files_make_one_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    names = golden("gandetection")["state_dict_names"].tolist()
    source = dict(build().state_dict())
    for member in MEMBERS:
        net = {name: source[from_published(member, name)] for name in names}
        torch.save({"net": net, "epoch": 3}, tmp_path / f"method_{member}.pth")
    detector, loaded = build(), resolve(SPEC)
    assert list(loaded.ref.files) == [f"method_{member}.pth" for member in MEMBERS]
    load_into(detector, loaded, SPEC)
    state = dict(detector.state_dict())
    assert all(torch.equal(state[name], value) for name, value in source.items())
    (tmp_path / "method_D.pth").unlink()
    with pytest.raises(WeightsError, match=r"gandetection:released: method_D\.pth: absent"):
        resolve(SPEC)


def test_grid() -> None:
    for height, width, row, column, rows, columns, count in golden("gandetection")["grid_table"]:
        found = _patches.grid_positions(height, width)
        if count < 0:  # the released code raises; here the stride is 8 at least
            assert len(found) >= 1
            continue
        expected = [(y * row, x * column) for y in range(rows) for x in range(columns)]
        assert found == expected
        assert len(found) == count


def test_random_windows() -> None:
    source = random.Random(21)
    for expected in golden("gandetection")["randcrop_pos_seed21"]:
        assert _patches.random_positions(256, 256, source) == list(map(tuple, expected.tolist()))


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"), [(128, 128, 1, 1), (135, 136, 1, 2), (147, 256, 3, 9)]
)
def test_small_pictures_have_a_grid(height: int, width: int, rows: int, columns: int) -> None:
    found = positions_of("B", height, width)
    assert len(found) == rows * columns
    assert all(top % 8 == left % 8 == 0 for top, left in found)
    assert max(found) == (8 * (rows - 1), (8 if columns < 9 else 16) * (columns - 1))


def test_random_windows_of_small_pictures_are_looked_at_once() -> None:
    assert positions_of("A", 128, 128) == [(0, 0)]
    assert len(positions_of("A", 130, 131)) == len(set(positions_of("A", 130, 131))) <= 6
    assert positions_of("A", 400, 300) == positions_of("A", 400, 300)


@pytest.mark.parametrize(("height", "width"), [(127, 300), (300, 127)])
def test_smaller_pictures_are_refused(height: int, width: int) -> None:
    assert "128x128" in SPEC.input_rule.problem(height, width)
    for member in "AB":
        with pytest.raises(ValueError, match=f"{height}x{width} has no 128x128 patch"):
            positions_of(member, height, width)


def test_patches_are_cut_where_they_say() -> None:
    image = torch.arange(3 * 10 * 12).view(3, 10, 12)
    cut = _patches.cut(image, [(0, 0), (2, 5)], side=4)
    assert cut.shape == (2, 3, 4, 4)
    assert torch.equal(cut[1], image[:, 2:6, 5:9])


def test_any_synthetic_patch_decides() -> None:
    real = torch.tensor([[2.0, 1.0], [5.0, 4.0]])
    assert verdict(real).item() == -5
    one = torch.tensor([[2.0, 1.0], [-3.0, -2.0]])
    assert verdict(one).item() == 1  # the largest logit 1, even of a patch that lost
    tie = torch.tensor([[1.0, 1.0]])
    assert verdict(tie).item() == -1


def test_normalised_patches() -> None:
    gold = golden("gandetection")["norm_patch0_corner"]
    got = normalised()
    near(got[:, :, :4, :4], gold, atol=1e-5)


@pytest.mark.parametrize("member", ["A", "C"])
def test_goldens_of_the_first_patches(member: str) -> None:
    network = filled(member).network
    x = normalised()
    gold = golden("gandetection")
    source = random.Random(21)
    for k, image in enumerate(x):
        positions = _patches.grid_positions(256, 256)
        if member == "A":  # in the released code the draws go on from picture to picture
            positions = _patches.random_positions(256, 256, source)
        with torch.no_grad():
            got = network.members[member](_patches.cut(image, positions[:4]))
        near(got, gold[f"hash_{member}_img{k}_logits"][:4], atol=1e-5, rtol=1e-3)


@pytest.mark.slow
def test_goldens_of_whole_pictures() -> None:
    detector = filled(MEMBERS)
    gold = golden("gandetection")
    x = images()
    with torch.inference_mode():
        votes = detector.network.votes(detector.module.normalise(x[:1]))
        near(votes[0], gold["hash_net_scores"][0], atol=1e-5, rtol=1e-3)
        near(votes.mean(1)[0], gold["hash_image_score"][0], atol=1e-5, rtol=1e-3)
        # C's loudest picture: its vote is a true synthetic one.
        logits = detector.network.patch_logits("C", detector.module.normalise(x[2:3])[0])
    near(logits, gold["hash_C_img2_logits"], atol=1e-5, rtol=1e-3)
    near(verdict(logits), gold["hash_net_scores"][2, 2], atol=1e-5, rtol=1e-3)


class Brightness(nn.Module):
    """Stands in for a member: logits (0, mean)."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2, 3))
        return torch.stack([torch.zeros_like(mean), mean], 1)


def test_score_is_the_mean_of_the_votes() -> None:
    ensemble = Ensemble.__new__(Ensemble)
    nn.Module.__init__(ensemble)
    ensemble.members = nn.ModuleDict({name: Brightness() for name in MEMBERS})
    x = torch.full((2, 3, 140, 160), -1.0)
    x[1, :, 8:136, 32:160] = 3.0
    assert ensemble.votes(x)[0].tolist() == [-0.0] * 5
    assert ensemble.votes(x)[1, 1:].tolist() == [3.0] * 4  # the grid has this very window
    assert ensemble(x)[1].item() == pytest.approx(ensemble.votes(x)[1].mean().item())


@pytest.mark.parametrize("member", MEMBERS)
def test_training_patches(member: str) -> None:
    rng = np.random.default_rng(0)
    image = to_tensor(rng.integers(0, 256, (160, 144, 3), dtype=np.uint8))
    made = [training_patch(member, image, seeded(seed)) for seed in range(12)]
    for patch in made:
        assert patch.shape == (3, 128, 128)
        torch.testing.assert_close(patch * 255, (patch * 255).round(), atol=1e-3, rtol=0)
    assert torch.equal(made[3], training_patch(member, image, seeded(3)))
    assert len({patch.sum().item() for patch in made}) > 6
    assert training_patch(member, image[:, :96, :100], seeded()).shape in (
        (3, 96, 100),
        (3, 100, 96),
    )


def test_only_some_members_see_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    qualities: dict[str, list[int]] = {member: [] for member in MEMBERS}
    image = torch.rand(3, 16, 16)
    for member in MEMBERS:

        def remembered(x: Tensor, quality: int, member: str = member) -> Tensor:
            qualities[member].append(quality)
            return x

        monkeypatch.setattr("baselines._pixels.jpeg", remembered)
        for seed in range(100):
            augmented(member, image, seeded(seed))
    counts = {member: len(found) for member, found in qualities.items()}
    assert counts["C"] == counts["D"] == 0
    assert all(55 <= counts[member] <= 85 for member in "ABE")
    assert 30 <= min(qualities["B"]) <= max(qualities["B"]) <= 100


def test_each_member_learns_from_its_own_share() -> None:
    torch.manual_seed(0)
    detector = build()
    detector.module.train()
    pictures = torch.rand(4, 3, 32, 32)
    labels = torch.tensor([0.0, 1.0, 0.0, 1.0])
    loss = detector.loss(pictures, labels, seeded())
    torch.manual_seed(3)  # the global generator has no part in it
    again = detector.loss(pictures, labels, seeded())
    assert again.item() == pytest.approx(loss.item(), rel=1e-3)
    loss.backward()
    moved = {
        name: any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
        for name, network in detector.network.members.items()
    }
    assert sum(moved.values()) == 2  # four pictures: two members have two each


def test_settled_losses_have_the_gradient_of_the_plain_ones() -> None:
    torch.manual_seed(0)
    network = nn.Linear(3, 1).double()
    loss = (network(torch.rand(4, 3).double()) ** 2).mean()
    expected = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
    settled = _settled(loss, network)
    settled.backward()
    assert settled.item() == pytest.approx(loss.item())
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_parameters_of_five_networks() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build().network.parameters()) == 5 * 17_552_202
