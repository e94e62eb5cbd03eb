"""Recipes: schedule, overrides recorded as changes, the rule for the embedded data."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import registry
from harness.api import InputRule, Recipe
from harness.errors import UsageError
from harness.training.recipe import MINI, Change, is_fit, learning_rate, resolve

LFM = registry.detector("lfm").recipe
assert LFM is not None
FIT = Recipe(epochs=1, batch_size=1, lr=0.0)


def test_published_schedule_multiplies_by_0_9_every_10_epochs() -> None:
    rates = [learning_rate(LFM, epoch) for epoch in range(50)]
    assert rates[:10] == [1e-4] * 10
    assert rates[10:20] == pytest.approx([0.9e-4] * 10, rel=1e-12)
    assert rates[49] == pytest.approx(1e-4 * 0.9**4, rel=1e-12)
    assert len(set(rates)) == 5


def test_nothing_given_is_exactly_the_published_recipe() -> None:
    resolved = resolve(LFM, overrides={})
    assert resolved.used == LFM
    assert resolved.changes == ()


def test_an_override_is_a_recorded_change() -> None:
    resolved = resolve(LFM, overrides={"lr": 3e-4, "epochs": 50})
    assert resolved.used == replace(LFM, lr=3e-4)
    # 50 epochs are what is published: given or not, that is no change.
    assert resolved.changes == (Change(field="lr", published=1e-4, used=3e-4, by="--lr"),)


def test_an_override_wins_over_the_scaling_and_each_change_says_who_made_it() -> None:
    resolved = resolve(LFM, scaling=MINI, overrides={"epochs": 2})
    assert resolved.used.epochs == 2
    by = {change.field: change.by for change in resolved.changes}
    assert by["epochs"] == "--epochs"
    assert by["lr"] == by["train_preprocess"] == "mini"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", math.nan),
        ("lr", math.inf),
        ("lr_gamma", 0.0),
        ("weight_decay", -1.0),
        ("train_preprocess", "rezise(3)"),
        ("val_preprocess", "random_crop(8)"),
        ("source", "me"),
        ("rate", 1.0),
    ],
)
def test_values_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(UsageError):
        resolve(LFM, overrides={field: value})


def test_mini_rule_is_one_rule_for_all_networks() -> None:
    recipes = {
        name: spec.recipe
        for name, spec in registry.detectors().items()
        if spec.recipe is not None and not is_fit(spec.recipe)
    }
    assert {"lfm", "npr", "gap", "gap-rgb"} <= set(recipes)
    scaled = {name: MINI.apply(recipe) for name, recipe in recipes.items()}
    assert len({recipe.epochs for recipe in scaled.values()}) == 1
    assert len({recipe.train_preprocess for recipe in scaled.values()}) == 1
    factors = {name: recipe.lr / recipes[name].lr for name, recipe in scaled.items()}
    assert list(factors.values()) == pytest.approx([factors["lfm"]] * len(factors))
    for name, recipe in scaled.items():
        published = recipes[name]
        same = ("batch_size", "betas", "weight_decay", "source")
        assert [getattr(recipe, field) for field in same] == [
            getattr(published, field) for field in same
        ]


@given(
    epochs=st.integers(1, 400),
    lr=st.floats(1e-6, 1e-2),
    lr_step=st.integers(1, 100),
    batch_size=st.integers(1, 512),
)
def test_mini_rule_in_numbers(epochs: int, lr: float, lr_step: int, batch_size: int) -> None:
    published = replace(LFM, epochs=epochs, lr=lr, lr_step=lr_step, batch_size=batch_size)
    scaled = MINI.apply(published)
    rates = [learning_rate(scaled, epoch) for epoch in range(scaled.epochs)]
    assert rates == pytest.approx([5 * lr] * 12 + [0.5 * lr] * 4, rel=1e-12)
    assert scaled.batch_size == batch_size
    assert (scaled.train_preprocess, scaled.val_preprocess) == (
        "random_crop(96)|hflip(0.5)",
        "native",
    )


def test_a_fit_takes_images_as_they_will_be_scored_and_ignores_epochs_and_rates() -> None:
    given_flags = {"epochs": 7, "lr": 0.1, "train_preprocess": "random_crop(8)"}
    assert resolve(FIT, scaling=MINI, overrides=given_flags).used == FIT
    moved = resolve(FIT, overrides={**given_flags, "val_preprocess": "resize(8,8)"}).used
    assert moved == replace(FIT, train_preprocess="resize(8,8)", val_preprocess="resize(8,8)")


def test_a_detector_of_one_size_keeps_its_published_geometry() -> None:
    published = replace(LFM, train_preprocess="resize(224,224)", val_preprocess="resize(224,224)")
    only_224 = InputRule(check=lambda h, w: "" if (h, w) == (224, 224) else "224x224 only")
    used = resolve(published, scaling=MINI, overrides={}, sizes=only_224).used
    assert (used.train_preprocess, used.val_preprocess) == ("resize(224,224)", "resize(224,224)")
    assert used.epochs == resolve(published, scaling=MINI, overrides={}).used.epochs
