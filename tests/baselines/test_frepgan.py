"""FrePGAN: there is no official code, so what is tested is what its description promises."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor, nn

from baselines.frepgan import (
    MAGNITUDE_WEIGHT,
    FrePGANDetector,
    FrePGANNetwork,
    build,
    from_channels,
    to_channels,
)
from harness.registry import detectors as registry

bce = nn.functional.binary_cross_entropy_with_logits


@pytest.fixture(scope="module")
def detector() -> FrePGANDetector:
    torch.manual_seed(0)
    made = build()
    # As after some training: the generator's last layer is no longer 0.
    nn.init.normal_(made.network.generator.last.weight, std=0.05)  # type: ignore[arg-type, union-attr]
    return made


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def with_generator(generator: nn.Module) -> FrePGANNetwork:
    torch.manual_seed(0)
    network = build().network.eval()
    network.generator = generator
    return network


@pytest.mark.parametrize("size", [(32, 32), (33, 48)])
def test_transform_round_trip(size: tuple[int, int]) -> None:
    images = noise(2, 3, *size)
    channels = to_channels(images)
    assert channels.shape == (2, 6, *size)
    assert (from_channels(channels) - images).abs().max() < 1e-6
    assert channels.pow(2).sum().item() == pytest.approx(images.pow(2).sum().item(), rel=1e-5)


def test_identity_doubles_and_zero_leaves() -> None:
    x = noise(2, 3, 40, 33) * 2 - 1
    doubled = with_generator(nn.Identity()).perturbed(x)
    assert (doubled - 2 * x).abs().max() < 1e-5
    network = with_generator(Zero())
    with torch.no_grad():
        assert torch.equal(network.perturbed(x), x)
        assert torch.equal(network(x), network.classifier(x))


def test_training_starts_from_the_untouched_picture() -> None:
    torch.manual_seed(0)
    x = noise(1, 3, 32, 32)
    assert torch.equal(build().network.eval().perturbed(x), x)


@pytest.mark.parametrize("size", [(32, 32), (37, 50), (64, 33)])
def test_perturbation_is_real_and_fits(detector: FrePGANDetector, size: tuple[int, int]) -> None:
    detector.module.eval()
    with torch.no_grad():
        change = detector.network.perturbation(noise(2, 3, *size))
    assert change.dtype == torch.float32
    assert change.shape == (2, 3, *size)
    assert change.abs().max() > 1e-3


def moved(parameters: Iterable[nn.Parameter]) -> float:
    return sum(float(p.grad.abs().sum()) for p in parameters if p.grad is not None)


def test_each_loss_reaches_its_own_network_only(detector: FrePGANDetector) -> None:
    detector.module.eval()
    network = detector.network
    x = detector.module.normalise(noise(2, 3, 32, 32))
    labels = torch.tensor([0.0, 1.0])
    parts = (network.generator, network.discriminator, network.classifier)

    def reached(loss: Tensor) -> list[bool]:
        network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return [moved(part.parameters()) > 0 for part in parts]

    discriminator = detector._discriminator_loss(x, network.perturbed(x), labels)
    assert reached(discriminator) == [False, True, False]
    whole = detector.loss(noise(2, 3, 32, 32), labels, torch.Generator())
    assert reached(whole) == [True, True, True]

    # The generator's gradient is that of the disguise alone, the classifier's of its own loss.
    wanted = network.discriminator(network.perturbed(x))
    disguise = bce(wanted, torch.ones(2))
    disguise = disguise + MAGNITUDE_WEIGHT * network.perturbation(x).pow(2).mean()
    found = [p.grad.clone() for p in network.generator.parameters() if p.grad is not None]
    alone = torch.autograd.grad(disguise, list(network.generator.parameters()))
    for one, two in zip(found, alone, strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-7)


def test_loss_is_the_sum_of_its_three_parts(detector: FrePGANDetector) -> None:
    detector.module.eval()
    network = detector.network
    images, labels = noise(3, 3, 32, 32), torch.tensor([0.0, 1.0, 1.0])
    with torch.no_grad():
        x = detector.module.normalise(images)
        seen = network.perturbed(x)
        judged = network.discriminator(seen)
        expected = (
            bce(network.classifier(seen).flatten(), labels)
            + bce(judged, torch.zeros(3))
            + bce(network.discriminator(x[:1]), torch.ones(1))
            + bce(judged, torch.ones(3))
            + MAGNITUDE_WEIGHT * (seen - x).pow(2).mean()
        )
        loss = detector.loss(images, labels, torch.Generator())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_batch_without_reals_has_a_loss(detector: FrePGANDetector) -> None:
    detector.module.eval()
    with torch.no_grad():
        loss = detector.loss(noise(2, 3, 32, 32), torch.ones(2), torch.Generator())
    assert loss.isfinite()


def test_discriminator_judges_each_picture_alone(detector: FrePGANDetector) -> None:
    detector.module.train()
    x = noise(3, 3, 32, 32)
    with torch.no_grad():
        together = detector.network.discriminator(x)
        alone = torch.cat([detector.network.discriminator(one[None]) for one in x])
    assert torch.allclose(together, alone, atol=1e-6)


def test_some_steps_of_training_teach_all_three() -> None:
    torch.manual_seed(0)
    detector = build()
    detector.module.train()
    images = noise(4, 3, 32, 32)
    labels = torch.tensor([0.0, 1.0, 0.0, 1.0])
    before = [p.detach().clone() for p in detector.module.parameters()]
    optimiser = torch.optim.Adam(detector.module.parameters(), lr=1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        detector.loss(images, labels, torch.Generator()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    after = list(detector.module.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_row_says_what_it_is() -> None:
    spec = registry.detector("frepgan")
    assert "re-implementation, no official code" in spec.title
    assert "not a reproduction" in spec.notes
    assert not spec.weights
