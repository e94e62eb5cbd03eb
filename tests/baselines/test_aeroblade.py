"""AEROBLADE: parity with the authors' numbers, its auto-encoder, LPIPS, its noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines._vae import AutoEncoder, Downsampler, Upsampler, current_name
from baselines.aeroblade import LPIPS, SPEC, VGG, Lpips, build, noise_of
from harness.api.torchvision import ensure_torchvision
from harness.checkpoints.files import files_of
from harness.engine import contracts
from tests.baselines.small_clip import on_meta
from tests.goldens.stored import close, golden, keys, near, preprocessing_is_exact, published

WIDTHS = (32, 32, 64, 64)
# LPIPS keeps its vectors under two names, and two constants; our network has neither.
REPEATED = ("lpips.lins.", "lpips.scaling_layer.")


def small() -> Any:
    torch.manual_seed(4)
    return build(widths=WIDTHS)


def official() -> dict[str, Tensor]:
    """The golden's weights, without what our network has no entries for."""
    return {n: v for n, v in published("aeroblade").items() if not n.startswith(REPEATED)}


def test_names_and_shapes_are_the_libraries() -> None:
    expected = {n: shape for n, shape, _ in keys("aeroblade") if not n.startswith(REPEATED)}
    state = on_meta(build).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == expected
    vae = sum(value.numel() for name, value in state.items() if name.startswith("vae."))
    assert vae == 83_653_863


def test_constants_and_second_names_of_lpips_say_nothing_more() -> None:
    state = published("aeroblade")
    ours = Lpips()
    assert torch.equal(state["lpips.scaling_layer.shift"], ours.shift)
    assert torch.equal(state["lpips.scaling_layer.scale"], ours.scale)
    for layer in range(5):
        first, second = f"lpips.lin{layer}.model.1.weight", f"lpips.lins.{layer}.model.1.weight"
        assert torch.equal(state[first], state[second])


@pytest.mark.slow
def test_goldens() -> None:
    gold, detector = golden("aeroblade"), build()
    detector.load_state_dict(official())
    network, images = detector.network, torch.from_numpy(gold["input"])
    with torch.no_grad():
        # The release goes on drawing from one generator; the first picture gets what all get here.
        near(network(images[:1]), gold["logits_chirp"][0], rtol=1e-3, atol=1e-5)
        noise = torch.randn(2, 4, 16, 20, generator=torch.Generator().manual_seed(1))
        close(noise[:1], noise_of(16, 20).numpy(), atol=0)
        made = network.reconstructed(images, noise)
        levels = (made * 255).round().numpy().transpose(0, 2, 3, 1)
        wrong = levels[:, ::5, ::5] != gold["reconstruction_u8"]
        assert wrong.mean() < 0.01
        distances = torch.stack(list(network.lpips(images, made)), 1)
        near(-distances, gold["layer_distances_chirp"], rtol=1e-3, atol=1e-5)
        near(-distances[:, 1:2], gold["logits_chirp"], rtol=1e-3, atol=1e-5)


def test_preprocessing_reaches_the_stored_tensors() -> None:
    """Pictures as they are, not normalised."""
    preprocessing_is_exact("aeroblade", SPEC, "synthbuster", small().module.normalise, 1e-6)


def test_the_reconstruction_is_cut_off_to_levels_and_not_rounded() -> None:
    network = small().network
    images = contracts.pictures(1, 16, 16)
    with torch.no_grad():
        mean, deviation = network.vae.latents(2 * images - 1)
        plain = network.vae.decode(mean + deviation * noise_of(2, 2)) / 2 + 0.5
        made = network.reconstructed(images)
    assert torch.equal((made * 255).round(), (plain.clamp(0, 1) * 255).floor())
    assert ((plain.clamp(0, 1) - made) >= 0).all()


def test_the_noise_is_of_the_picture_alone() -> None:
    network = small().network
    images = contracts.pictures(3, 24, 16)
    torch.manual_seed(1)
    with torch.no_grad():
        together = network.reconstructed(images)
        torch.manual_seed(2)
        alone = torch.cat([network.reconstructed(image[None]) for image in images])
    near(together, alone.numpy(), atol=1.01 / 255)  # a level may flip


def test_the_score_is_minus_layer_two_and_no_later_layer_is_computed() -> None:
    network = small().network
    images = contracts.pictures(1, 16, 16)
    calls: list[str] = []
    for name, module in network.lpips.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    with torch.no_grad():
        score = network(images)
        assert any("slice2" in name for name in calls)
        assert not any("slice3" in name for name in calls)
        layers = list(network.distances(images))
    assert len(layers) == 5
    close(score, -layers[1].numpy())


def test_an_unchanged_picture_has_distance_zero() -> None:
    images = contracts.pictures(1, 16, 16)
    assert all(layer.item() == 0 for layer in Lpips()(images, images))


def test_sizes_halve_and_double_as_in_diffusers() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    down, up = Downsampler(1), Upsampler(1)
    for module in (down, up):
        nn.init.zeros_(module.conv.weight)
        nn.init.zeros_(module.conv.bias)
    down.conv.weight.data[0, 0, 0, 0] = 1  # top left of its window: nothing was added there
    assert torch.equal(down(x), x[..., ::2, ::2])
    up.conv.weight.data[0, 0, 1, 1] = 1
    assert torch.equal(up(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_older_files_of_the_auto_encoder_load() -> None:
    """They name the attention's matrices otherwise."""
    mapping = SPEC.weights[0].mapping
    assert mapping is not None
    back = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    own = set(on_meta(AutoEncoder).state_dict())
    old = set()
    for name in own:
        for new, former in back.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{former}.")
        old.add(name)
    assert len(old - own) == 16
    assert {current_name(name) for name in old} == own
    assert {mapping(name) for name in old} == {f"vae.{name}" for name in own}


def test_the_files_of_an_entry_are_the_whole_network() -> None:
    ensure_torchvision()
    from torchvision.models import vgg16

    with torch.device("meta"):
        vgg: Any = vgg16()
    assert VGG.mapping is not None and LPIPS.mapping is not None
    mapped = {VGG.mapping(name) for name in vgg.state_dict()} - {None}
    mapped |= {LPIPS.mapping(f"lin{layer}.model.1.weight") for layer in range(5)}
    own = set(on_meta(build).state_dict())
    assert mapped == {name for name in own if name.startswith("lpips.")}
    for entry in SPEC.weights:
        assert [part.filename for part in files_of(entry)][1:] == [VGG.filename, LPIPS.filename]


def test_vgg_is_torchvisions() -> None:
    ensure_torchvision()
    from torchvision.models import vgg16

    torch.manual_seed(0)
    vgg: Any = vgg16()
    ours = Lpips()
    state = ours.state_dict()
    for name, value in vgg.state_dict().items():
        if name.startswith("features."):
            own = VGG.mapping(name)  # type: ignore[misc]
            state[own.removeprefix("lpips.")] = value
    ours.load_state_dict(state)
    x = contracts.pictures(1, 32, 48)
    expected, seen = x, []
    with torch.no_grad():
        for number, layer in enumerate(vgg.features):
            expected = layer(expected)
            if number in (3, 8, 15, 22, 29):
                seen.append(expected)
        for found, want in zip(ours.net(x), seen, strict=True):
            close(found, want.numpy())


@pytest.mark.parametrize("check", contracts.CHECKS)
def test_contract_in_small(check: contracts.Check) -> None:
    check(replace(SPEC, build=lambda: build(widths=WIDTHS)))
