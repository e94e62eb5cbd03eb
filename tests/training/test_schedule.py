"""Rates by the formulas, and what validation decides, as traces written out by hand."""

from __future__ import annotations

import math

import pytest

from harness.api import Recipe
from harness.registry import detectors as registry
from harness.training.outcome import Epoch
from harness.training.schedule import Course, learning_rate

PLATEAU = Recipe(
    epochs=100,
    batch_size=2,
    lr=1e-4,
    schedule="plateau",
    lr_gamma=0.1,
    min_lr=1e-6,
    patience=2,
    monitor="val_acc",
)


def epoch(number: int, **figures: float | None) -> Epoch:
    known = {"val_loss": None, "val_acc": None, "val_ap": None, **figures}
    return Epoch(epoch=number, lr=0.1, train_loss=1.0, **known)


def trace(recipe: Recipe, figures: list[float | None], name: str) -> tuple[Course, list[str]]:
    course = Course(recipe=recipe)
    said = [course.note(epoch(i, **{name: figure})) for i, figure in enumerate(figures, start=1)]
    return course, said


def test_published_step_multiplies_by_0_9_every_10_epochs() -> None:
    recipe = registry.detector("lfm").recipe
    assert recipe is not None
    rates = [learning_rate(recipe, epoch) for epoch in range(50)]
    assert rates[:10] == [1e-4] * 10
    assert rates[10:20] == pytest.approx([0.9e-4] * 10, rel=1e-12)
    assert rates[49] == pytest.approx(1e-4 * 0.9**4, rel=1e-12)
    assert len(set(rates)) == 5
    assert learning_rate(recipe, 9.99) == 1e-4


def test_cosine_with_warmup_at_single_steps() -> None:
    recipe = Recipe(
        epochs=9, batch_size=2, lr=0.5, schedule="cosine", warmup=1, min_lr=0.1, lr_gamma=0.5
    )
    steps = {  # epochs passed: rate
        0.0: 0.0,
        0.25: 0.125,
        0.75: 0.375,
        1.0: 0.5,  # the top
        3.0: 0.1 + 0.4 * (1 + math.sqrt(0.5)) / 2,  # a quarter of the way: cos(pi / 4)
        5.0: 0.3,  # half-way
        7.0: 0.1 + 0.4 * (1 - math.sqrt(0.5)) / 2,
        9.0: 0.1,
    }
    for passed, rate in steps.items():
        assert learning_rate(recipe, passed) == pytest.approx(rate, rel=1e-12, abs=1e-15), passed


def test_a_warmup_as_long_as_the_training_never_ends() -> None:
    recipe = Recipe(epochs=1, batch_size=2, lr=0.5, schedule="cosine", warmup=1)
    assert learning_rate(recipe, 0.5) == 0.25


def test_warmup_goes_before_the_other_schedules_too() -> None:
    recipe = Recipe(epochs=9, batch_size=2, lr=0.4, warmup=2, lr_step=3, lr_gamma=0.5)
    rates = [learning_rate(recipe, passed) for passed in (0, 0.5, 1, 2, 3, 6)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.4, 0.2, 0.1])


def test_plateau_lowers_after_patience_and_ends_below_the_lowest_rate() -> None:
    course = Course(recipe=PLATEAU)
    accuracies = [0.5, 0.6, 0.6, 0.55, 0.7, 0.6, 0.6, 0.7, 0.7]
    # Gain at 1, 2 and 5; two epochs without one end at 4, 7 and 9.
    rates, said = [], []
    for number, accuracy in enumerate(accuracies, start=1):
        rates.append(learning_rate(PLATEAU, number - 1, course.drops))
        said.append(course.note(epoch(number, val_acc=accuracy)))
    expected = [1e-4] * 4 + [1e-5] * 3 + [1e-6] * 2
    assert rates == pytest.approx(expected, rel=1e-12)
    assert said[:-1] == [""] * 8
    assert said[-1].startswith("no gain of val_acc in 2 epochs, and the next rate 1e-07 is below")
    assert course.best_epoch == 5


def test_other_schedules_end_when_patience_does() -> None:
    recipe = Recipe(epochs=100, batch_size=2, lr=0.1, patience=3)
    course, said = trace(recipe, [0.5, 0.4, 0.6, 0.6, 0.5, 0.6], "val_ap")
    assert said == [""] * 5 + ["no gain of val_ap in 3 epochs"]
    assert course.best_epoch == 3


def test_without_patience_training_goes_on() -> None:
    recipe = Recipe(epochs=100, batch_size=2, lr=0.1)
    course, said = trace(recipe, [0.5] + [0.4] * 50, "val_ap")
    assert set(said) == {""}
    assert course.best_epoch == 1


def test_a_small_step_up_is_better_but_no_gain_and_small_steps_add_up() -> None:
    recipe = Recipe(epochs=100, batch_size=2, lr=0.1, patience=3, min_gain=0.25)
    course, said = trace(recipe, [0.0, 0.125, 0.25, 0.375, 0.4375], "val_ap")
    # Gain at 1 and, 0.25 above it, at 3.
    assert (said, course.mark, course.waited) == ([""] * 5, 0.25, 2)
    assert (course.best, course.best_epoch) == (0.4375, 5)
    assert course.note(epoch(6, val_ap=0.46)) == "no gain of val_ap in 3 epochs"
    assert course.best_epoch == 6


def test_a_loss_is_better_when_it_is_smaller() -> None:
    recipe = Recipe(epochs=100, batch_size=2, lr=0.1, patience=2, monitor="val_loss")
    course, said = trace(recipe, [0.7, 0.5, 0.6, 0.5], "val_loss")
    assert course.best_epoch == 2
    assert said[-1] == "no gain of val_loss in 2 epochs"


def test_an_undefined_figure_decides_nothing() -> None:
    recipe = Recipe(epochs=100, batch_size=2, lr=0.1)
    course, said = trace(recipe, [None, None], "val_ap")
    assert (course.best_epoch, said) == (None, ["", ""])
