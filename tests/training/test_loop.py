"""The training loop: repeatable to the bit, learns, follows its schedule, stops at nonsense."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.api import Recipe, TorchDetector
from harness.data.sample import Manifest
from harness.errors import HarnessError
from harness.training.data import ImageSet
from harness.training.loop import Descent
from harness.training.outcome import Epoch, Trained, seeded_build
from harness.training.progress import SilentProgress
from tests.training import tiny

CPU = torch.device("cpu")


def train_tiny(
    train: Manifest,
    val: Manifest,
    *,
    seed: int = 0,
    recipe: Recipe = tiny.RECIPE,
    detector: type[TorchDetector] = tiny.TinyDetector,
) -> Trained:
    spec = tiny.spec(detector)
    built = seeded_build(spec, {}, seed)
    descent = Descent(spec, built, recipe, seed=seed, device=CPU)
    return descent.run(ImageSet(train), ImageSet(val), SilentProgress())


def equal(first: Trained, second: Trained) -> bool:
    return all(torch.equal(value, second.state[name]) for name, value in first.state.items())


def test_the_same_seed_gives_the_same_bits(train: Manifest, val: Manifest) -> None:
    first = train_tiny(train, val)
    torch.manual_seed(99)  # the global generator plays no part
    torch.rand(5)
    second = train_tiny(train, val)
    assert equal(first, second)
    assert first.epochs == second.epochs


def test_training_leaves_the_global_generator_alone(train: Manifest, val: Manifest) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train_tiny(train, val, recipe=replace(tiny.RECIPE, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_gives_other_weights(train: Manifest, val: Manifest) -> None:
    assert not equal(train_tiny(train, val), train_tiny(train, val, seed=1))


def test_the_loss_falls_and_the_classes_are_told_apart(train: Manifest, val: Manifest) -> None:
    recipe = replace(tiny.RECIPE, epochs=12, lr_gamma=1.0)
    trained = train_tiny(train, val, recipe=recipe)
    losses = [epoch.train_loss for epoch in trained.epochs]
    assert losses[-1] < 0.5 * losses[0]
    assert trained.epochs[-1].val_ap > 0.95
    assert trained.epochs[-1].val_acc > 0.8


def test_each_epoch_has_exactly_its_rate(
    train: Manifest, val: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    original = torch.optim.Adam.step

    def spying(self: torch.optim.Adam, *args: object) -> object:
        used.append(self.param_groups[0]["lr"])
        return original(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", spying)
    trained = train_tiny(train, val)
    assert used == [0.02] * 10 + [0.01] * 5  # 40 images, 8 a batch; halved after two epochs
    assert [epoch.lr for epoch in trained.epochs] == [0.02, 0.02, 0.01]


def test_the_first_step_is_adams(train: Manifest, val: Manifest) -> None:
    # Adam's first step moves every weight that has a gradient by the rate, whatever its size.
    recipe = replace(tiny.RECIPE, epochs=1, batch_size=40)
    start = seeded_build(tiny.spec(), {}, 0).state_dict()
    moved = train_tiny(train, val, recipe=recipe).state["fc.weight"] - start["fc.weight"]
    assert moved.abs() == pytest.approx(torch.full((1, 8), 0.02).numpy(), rel=1e-3)


def test_validation_is_in_eval_mode_on_plain_images(train: Manifest, val: Manifest) -> None:
    trained = train_tiny(train, val)
    detector = seeded_build(tiny.spec(), {}, 5)
    detector.load_state_dict(trained.state)
    detector.module.eval()
    images = ImageSet(val)
    with torch.inference_mode():
        scores = [
            float(detector.score(torch.from_numpy(images.image(i)).movedim(-1, 0)[None] / 255)[0])
            for i in range(len(val.samples))
        ]
    right = sum(
        (score > 0) == sample.label for score, sample in zip(scores, val.samples, strict=True)
    )
    assert trained.epochs[-1].val_acc == right / len(scores)


def test_a_loss_that_is_no_number_stops_with_a_message(train: Manifest, val: Manifest) -> None:
    with pytest.raises(HarnessError, match=r"tiny, seed 0: the loss is nan in epoch 1, step 3"):
        train_tiny(train, val, detector=tiny.BrokenDetector)


def test_the_best_epoch_is_noted_and_the_last_one_kept() -> None:
    epochs = tuple(
        Epoch(epoch=i, lr=0.1, train_loss=1.0, val_acc=0.5, val_ap=ap)
        for i, ap in enumerate((0.5, 0.9, 0.9, 0.7), start=1)
    )
    assert Trained(state={}, epochs=epochs).best_val_epoch == 2
    assert Trained(state={}, epochs=(replace(epochs[0], val_ap=None),)).best_val_epoch is None
