"""The training loop: repeatable to the bit, learns, follows its schedule, stops at nonsense."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from harness.api import InputRule, Recipe, TorchDetector
from harness.data.sample import Manifest
from harness.errors import DataError, HarnessError, InputSizeError
from harness.training.data import ImageSet
from harness.training.outcome import Epoch, Trained, seeded_build
from tests.training import tiny


def train_tiny(
    train: Manifest,
    val: Manifest,
    *,
    seed: int = 0,
    recipe: Recipe = tiny.RECIPE,
    detector: type[TorchDetector] = tiny.TinyDetector,
) -> Trained:
    return tiny.descend(tiny.training(train, val, seed=seed, recipe=recipe, detector=detector))


def test_the_same_seed_gives_the_same_bits(train: Manifest, val: Manifest) -> None:
    first = train_tiny(train, val)
    torch.manual_seed(99)  # the global generator plays no part
    torch.rand(5)
    second = train_tiny(train, val)
    assert tiny.equal(first, second)
    assert first.epochs == second.epochs


def test_training_leaves_the_global_generator_alone(train: Manifest, val: Manifest) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train_tiny(train, val, recipe=replace(tiny.RECIPE, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_gives_other_weights(train: Manifest, val: Manifest) -> None:
    assert not tiny.equal(train_tiny(train, val), train_tiny(train, val, seed=1))


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


class Notebook(tiny.TinyDetector):
    """Writes down the labels, the noise and the weights of every pass of its loss."""

    passes: ClassVar[list[tuple[Tensor, Tensor, Tensor]]] = []

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        weight = self.network.fc.weight.detach().clone()
        noise = torch.rand(4, generator=generator)
        self.passes.append((labels, noise, weight))
        return super().loss(images, labels, generator)


def test_both_passes_of_sam_make_the_same_draws(train: Manifest, val: Manifest) -> None:
    Notebook.passes.clear()
    recipe = replace(tiny.RECIPE, epochs=1, optimiser="sam")
    train_tiny(train, val, recipe=recipe, detector=Notebook)
    first, second = Notebook.passes[::2], Notebook.passes[1::2]
    assert len(first) == len(second) == 5
    for (labels, noise, weight), (again, same_noise, moved) in zip(first, second, strict=True):
        assert torch.equal(labels, again) and torch.equal(noise, same_noise)
        assert not torch.equal(weight, moved)
    assert len({tuple(noise.tolist()) for _, noise, _ in first}) == 5


@pytest.mark.parametrize("optimiser", ["adamw", "sam"])
def test_the_other_optimisers_learn_too(train: Manifest, val: Manifest, optimiser: str) -> None:
    recipe = replace(tiny.RECIPE, epochs=12, lr=0.05, lr_gamma=1.0, optimiser=optimiser)
    trained = train_tiny(train, val, recipe=recipe)
    assert trained.epochs[-1].train_loss < 0.5 * trained.epochs[0].train_loss
    assert trained.epochs[-1].val_ap > 0.95


def test_cosine_moves_the_rate_at_every_step(
    train: Manifest, val: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    original = torch.optim.AdamW.step

    def spying(self: torch.optim.AdamW, *args: object) -> object:
        used.append(self.param_groups[0]["lr"])
        return original(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", spying)
    recipe = replace(
        tiny.RECIPE, optimiser="adamw", schedule="cosine", warmup=1, lr=0.02, min_lr=0.002
    )
    trained = train_tiny(train, val, recipe=recipe)
    waves = [0.002 + 0.009 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    assert used == pytest.approx([0.0, 0.004, 0.008, 0.012, 0.016, *waves])
    assert [epoch.lr for epoch in trained.epochs] == [used[4], used[9], used[14]]


def state_after(train: Manifest, val: Manifest, epochs: int, **changes: object) -> Trained:
    return train_tiny(train, val, recipe=replace(tiny.RECIPE, epochs=epochs, **changes))


@pytest.fixture
def accuracies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation that says 0.5, 0.9, 0.9, 0.7, 0.8 and then 0.6 for good."""

    def scripted(*args: object, epoch: int, **facts: float) -> Epoch:
        accuracy = (0.5, 0.9, 0.9, 0.7, 0.8, *[0.6] * 20)[epoch - 1]
        return Epoch(epoch=epoch, val_loss=None, val_acc=accuracy, val_ap=None, **facts)

    monkeypatch.setattr("harness.training.loop.measure", scripted)


@pytest.mark.usefixtures("accuracies")
def test_the_best_epochs_weights_are_kept_or_the_last_ones(train: Manifest, val: Manifest) -> None:
    best = state_after(train, val, 4, keep="best", monitor="val_acc")
    assert (best.kept, best.best_val_epoch, len(best.epochs), best.ended) == (2, 2, 4, "")
    assert tiny.equal(best, state_after(train, val, 2))
    last = state_after(train, val, 4, monitor="val_acc")
    assert (last.kept, last.best_val_epoch) == (4, 2)
    assert not tiny.equal(last, best)


@pytest.mark.usefixtures("accuracies")
def test_training_ends_when_patience_does(train: Manifest, val: Manifest) -> None:
    ended = state_after(train, val, 50, monitor="val_acc", patience=3)
    assert (len(ended.epochs), ended.kept) == (5, 5)
    assert ended.ended == "no gain of val_acc in 3 epochs"
    assert tiny.equal(ended, state_after(train, val, 5))


@pytest.mark.usefixtures("accuracies")
def test_plateau_lowers_the_rate_of_the_epochs_that_follow(train: Manifest, val: Manifest) -> None:
    ended = state_after(
        train, val, 50, schedule="plateau", monitor="val_acc", patience=2, lr_gamma=0.5, min_lr=0.01
    )
    # Last gain in epoch 2: lowered after 4, and below 0.01 after 6.
    assert [epoch.lr for epoch in ended.epochs] == [0.02] * 4 + [0.01] * 2
    assert "below min_lr 0.01" in ended.ended


def test_balanced_batches_reach_the_loss(train: Manifest, val: Manifest) -> None:
    Notebook.passes.clear()
    few_fakes = Manifest("few", train.samples[:25])
    assert (few_fakes.n_real, few_fakes.n_fake) == (20, 5)
    recipe = replace(tiny.RECIPE, epochs=1, balanced=True)
    train_tiny(few_fakes, val, recipe=recipe, detector=Notebook)
    assert [labels.tolist() for labels, *_ in Notebook.passes] == [[0, 1] * 4] * 5


def test_what_would_end_the_first_epoch_is_refused_before_it(
    train: Manifest, val: Manifest
) -> None:
    Notebook.passes.clear()
    reals = Manifest("reals", val.samples[:8])
    recipe = replace(tiny.RECIPE, keep="best")
    with pytest.raises(DataError, match=r"reals: 8 real and 0 fake.*val_ap") as caught:
        train_tiny(train, reals, recipe=recipe, detector=Notebook)
    assert "--monitor val_acc" in caught.value.hint
    spec = replace(tiny.spec(), input_rule=InputRule(multiple_of=8))
    with pytest.raises(InputSizeError, match=r"\.png is 20x20 .* after native: tiny") as caught:
        tiny.descend(tiny.training(train, val, spec=spec))  # crops 16, validates 20
    assert "--val-preprocess" in caught.value.hint
    assert Notebook.passes == []
