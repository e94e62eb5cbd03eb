"""LGrad: both stages against the authors' numbers; the written-out gradient against autograd."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines._stylegan import StyleGANDiscriminator, as_8_bit, spread
from baselines.lgrad import SPEC, LGradNetwork, build
from harness.api import DetectorSpec
from harness.checkpoints.files import files_of, sha256_of
from harness.checkpoints.resolve import load_into, pretrained, resolve
from harness.data.preprocess import to_tensor
from harness.errors import WeightsError
from tests.goldens.rules import filled, rule
from tests.goldens.stored import (
    checked_stages,
    close,
    golden,
    keys,
    keys_of,
    preprocessing_is_exact,
)


def stylegan_rule(discriminator: StyleGANDiscriminator) -> StyleGANDiscriminator:
    """Fills it as the goldens' README says: weights are scaled at run time, so w x sqrt(3)."""
    state = {}
    for name, value in discriminator.state_dict().items():
        if name == "lod" or name.endswith("blur.kernel"):
            state[name] = value
            continue
        filled = rule(name, tuple(value.shape))
        fan_in = value.numel() / len(value)
        state[name] = filled * (fan_in / 2) ** 0.5 if value.ndim > 1 else filled
    discriminator.load_state_dict(state)
    return discriminator.eval()


@pytest.fixture(scope="module")
def discriminator() -> StyleGANDiscriminator:
    return stylegan_rule(StyleGANDiscriminator())


def test_keys_are_the_published_ones_behind_a_prefix() -> None:
    with torch.device("meta"):
        network = LGradNetwork()
    expected = {}
    for weights, listed in zip(files_of(SPEC.weights[0]), ("lgrad", "lgrad_d"), strict=True):
        assert weights.mapping is not None
        expected |= {weights.mapping(name): (shape, kind) for name, shape, kind in keys(listed)}
    own = keys_of(network.state_dict())
    assert {name: (shape, kind) for name, shape, kind in own} == expected
    assert sum(p.numel() for p in network.parameters()) == 46_562_434
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 23_510_081


def published(spec: DetectorSpec, folder: Path) -> dict[str, torch.Tensor]:
    """Writes files under the official names, of the networks' own random values; returns these."""
    detector = build()
    state = detector.network.classifier.state_dict()
    imagenet = {**state, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    torch.save(state, folder / spec.weights[0].filename)
    torch.save(imagenet, folder / spec.pretrained[0].filename)
    stylegan = detector.network.discriminator.state_dict()
    torch.save(stylegan, folder / spec.weights[0].also[0].filename)
    return dict(detector.state_dict())


def test_both_stages_are_loaded_and_training_starts_from_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    stored = published(SPEC, tmp_path)
    detector = build()
    load_into(detector, resolve(SPEC), SPEC)
    loaded = dict(detector.state_dict())
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name], stored[name]) for name in stored)

    assert SPEC.recipe is not None
    imagenet = tmp_path / SPEC.pretrained[0].filename
    spec = replace(SPEC, pretrained=(replace(SPEC.pretrained[0], sha256=sha256_of(imagenet)[:8]),))
    detector = build()
    first = dict(detector.state_dict())
    head = {name: first[name].clone() for name in ("classifier.fc.weight", "classifier.fc.bias")}
    detector.start_from(pretrained(spec, SPEC.recipe.start).state)
    started = dict(detector.state_dict())
    assert all(torch.equal(started[n], head.get(n, stored[n])) for n in stored)

    (tmp_path / SPEC.weights[0].also[0].filename).unlink()
    for missing in (lambda: resolve(SPEC), lambda: pretrained(spec, "imagenet")):
        with pytest.raises(WeightsError, match=r"lgrad:.*: karras2019stylegan.*absent") as caught:
            missing()
        assert "--accept-unverified" in caught.value.hint


def test_the_gradient_is_autograds(discriminator: StyleGANDiscriminator) -> None:
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images.requires_grad_()
    (expected,) = torch.autograd.grad(discriminator(images).sum(), images)
    with torch.no_grad():
        got = discriminator.input_gradient(images)
    assert (got - expected).norm() / expected.norm() < 1e-5


def test_first_stage_goldens(discriminator: StyleGANDiscriminator) -> None:
    gold = golden("lgrad_d")
    images = torch.from_numpy(gold["input"])
    with torch.inference_mode():
        np.testing.assert_allclose(
            discriminator(images[:1]).numpy(), gold["logits"][:1], rtol=1e-4, atol=1e-5
        )
        gradient = discriminator.input_gradient(images[:1])
    got, want = gradient[0, :, ::8, ::8].numpy().ravel(), gold["grad_sub8"][0].ravel()
    assert got @ want / np.linalg.norm(got) / np.linalg.norm(want) > 0.9999
    assert np.linalg.norm(got - want) / np.linalg.norm(want) < 0.01
    steps = np.abs(as_8_bit(gradient)[0].permute(1, 2, 0).numpy() - gold["grad_u8"][0])
    assert (steps != 0).mean() < 1e-3  # kinks of the leaky ReLU: the README has 2e-4


def test_images_of_a_batch_are_coupled_as_released(
    discriminator: StyleGANDiscriminator,
) -> None:
    gold = golden("lgrad_d")
    with torch.inference_mode():
        scores = discriminator(torch.from_numpy(gold["input"]))
    np.testing.assert_allclose(scores.numpy(), gold["logits_batch4"], rtol=1e-4, atol=1e-5)


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("lgrad_d", SPEC, "forensynths", atol=1e-6)


@pytest.mark.slow
def test_second_stage_and_whole_goldens() -> None:
    second, first = golden("lgrad"), golden("lgrad_d")
    detector = build()
    stylegan_rule(detector.network.discriminator)
    classifier = filled(detector.network.classifier)
    detector.module.eval()
    images = torch.stack([to_tensor(image) for image in first["images_u8"]])
    pictures = to_tensor(first["grad_u8"])
    gradients = detector.network.normalise(pictures)
    kept = {n: v[:1] if n.startswith("stat/") else v for n, v in second.items()}
    close(checked_stages(classifier, gradients, kept), second["logits"][:1])
    with torch.inference_mode():
        close(classifier(gradients[:, :, :128, :192]), second["logits_crop128x192"])
        scores = detector.score(images)
    # End to end the kinks of the first stage enter: steps of 1 / 255 at about 2 in 10,000 bytes.
    np.testing.assert_allclose(scores.numpy(), second["logits"][:, 0], rtol=5e-3, atol=5e-3)


def test_stretching_to_8_bits() -> None:
    gradient = torch.tensor([-1.0, 0.0, 0.5, 1.0]).view(1, 1, 2, 2).repeat(2, 3, 1, 1)
    gradient[1] = 7  # one value: no span to stretch
    pictures = as_8_bit(gradient)
    assert pictures[0, 0].flatten().tolist() == [0, 128, 191, 255]  # 127.5 to the even side
    assert not pictures[1].any()


def test_spread_is_the_mean_deviation_of_every_group() -> None:
    x = torch.randn(8, 5, 4, 4)
    got = spread(x)
    assert got.shape == (8, 1, 4, 4)
    for first in (0, 1):
        group = x[first::2]
        expected = (group.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(got[first::2], expected.expand(4, 1, 4, 4))
    torch.testing.assert_close(spread(x[:1]), torch.full((1, 1, 4, 4), 1e-4))


def test_other_sizes_and_stages_are_refused(discriminator: StyleGANDiscriminator) -> None:
    assert SPEC.input_rule.problem(256, 256) == ""
    assert "256x256 only" in SPEC.input_rule.problem(256, 512)
    state = dict(discriminator.state_dict())
    state["lod"] = torch.tensor(2.0)
    with pytest.raises(RuntimeError, match="lod is 2"):
        StyleGANDiscriminator().load_state_dict(state)


def test_training_reaches_the_classifier_only_and_crops_by_the_generator() -> None:
    torch.manual_seed(0)
    detector = build()
    seen: list[torch.Tensor] = []
    pictures = torch.rand(2, 3, 256, 256)
    detector.network.gradient_pictures = lambda x: pictures  # type: ignore[method-assign]
    detector.network.classifier.conv1.register_forward_pre_hook(
        lambda module, given: seen.append(given[0].detach())
    )
    images, labels = torch.rand(2, 3, 256, 256), torch.tensor([0.0, 1.0])
    detector.loss(images, labels, torch.Generator().manual_seed(1)).backward()
    for seed in (1, 2):
        with torch.no_grad():
            detector.loss(images, labels, torch.Generator().manual_seed(seed))
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert seen[0].shape == (2, 3, 224, 224)
    assert all(p.grad is None for p in detector.network.discriminator.parameters())
    assert all(p.grad is not None for p in detector.network.classifier.parameters())
