"""Recipes: overrides are recorded as changes; values that make no sense are refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.api import DetectorSpec, Recipe, ScoreSpec, Weights
from harness.errors import UsageError
from harness.registry import detectors as registry
from harness.training.mini_rule import MINI
from harness.training.recipe import (
    OVERRIDABLE,
    Change,
    check,
    flag,
    form,
    published_recipe,
    read,
    resolve,
)
from tests.training import tiny

LFM = registry.detector("lfm")
RECIPE = published_recipe(LFM)
FIT = replace(tiny.spec(), recipe=Recipe(epochs=1, batch_size=1, lr=0.0))
IMAGENET = Weights(
    name="imagenet",
    filename="tiny.pth",
    url="https://example.org/tiny.pth",
    sha256="12345678",
    size=0,
    licence="MIT",
    trained_on="ImageNet",
)


def starting(**changes: object) -> DetectorSpec:
    """A detector that is published as starting from a network."""
    recipe = replace(tiny.RECIPE, start="imagenet")
    return replace(tiny.spec(), recipe=recipe, pretrained=(IMAGENET,), **changes)


def test_nothing_given_is_exactly_the_published_recipe() -> None:
    resolved = resolve(LFM, overrides={})
    assert resolved.used == RECIPE
    assert resolved.changes == ()


def test_every_detector_has_a_recipe_without_contradictions() -> None:
    for spec in registry.detectors().values():
        if spec.recipe is not None:
            assert resolve(spec, overrides={}).used == spec.recipe, spec.name


def test_an_override_is_a_recorded_change() -> None:
    resolved = resolve(LFM, overrides={"lr": 3e-4, "epochs": 50})
    assert resolved.used == replace(RECIPE, lr=3e-4)
    # 50 epochs are what is published: given or not, that is no change.
    assert resolved.changes == (Change(field="lr", published=1e-4, used=3e-4, by="--lr"),)


def test_an_override_wins_over_the_scaling_and_each_change_says_who_made_it() -> None:
    resolved = resolve(LFM, scaling=MINI, overrides={"epochs": 2, "betas": (0.5, 0.9)})
    assert resolved.used.epochs == 2
    by = {change.field: change.by for change in resolved.changes}
    assert by["epochs"] == "--epochs"
    assert by["betas"] == "--betas"
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
        ("eps", -1e-8),
        ("weight_decay", -1.0),
        ("min_lr", -1.0),
        ("warmup", -1),
        ("patience", -1),
        ("min_gain", math.nan),
        ("betas", (0.9, 1.0)),
        ("optimiser", "sgd"),
        ("schedule", "linear"),
        ("monitor", "test_ap"),
        ("keep", "first"),
        ("train_preprocess", "rezise(3)"),
        ("val_preprocess", "random_crop(8)"),
        ("start", "imagenet"),
        ("source", "me"),
        ("rate", 1.0),
    ],
)
def test_values_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(UsageError):
        resolve(LFM, overrides={field: value})


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        ({"warmup": 9, "epochs": 8}, "warmup 9 is longer", "--warmup 8"),
        ({"schedule": "cosine", "min_lr": 1.0}, "min_lr 1 is above lr", "--min-lr"),
        ({"schedule": "plateau", "lr_gamma": 0.1}, "needs a patience", "--patience"),
        (
            {"schedule": "plateau", "patience": 2, "lr_gamma": 1.0},
            "lr_gamma below 1",
            "--lr-gamma",
        ),
        ({"balanced": True, "batch_size": 7}, "half real, half fake, got batch_size 7", "8"),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_what_to_type(
    overrides: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve(LFM, overrides=overrides)
    assert hint in caught.value.hint


def test_uncalibrated_scores_have_no_cross_entropy_to_decide_by() -> None:
    spec = replace(tiny.spec(), score=ScoreSpec(kind="uncalibrated", threshold=0.0))
    with pytest.raises(UsageError, match="uncalibrated") as caught:
        resolve(spec, overrides={"monitor": "val_loss", "keep": "best"})
    assert "--monitor val_ap" in caught.value.hint
    # Where nothing is decided by it, it may be named.
    assert resolve(spec, overrides={"monitor": "val_loss"}).used.monitor == "val_loss"


def test_a_start_is_one_of_the_published_networks_or_none() -> None:
    assert resolve(starting(), overrides={}).used.start == "imagenet"
    without = resolve(starting(), overrides={"start": ""})
    assert without.changes == (Change(field="start", published="imagenet", used="", by="--start"),)
    with pytest.raises(UsageError, match="starting network of tiny 'imagenett'") as caught:
        resolve(starting(), overrides={"start": "imagenett"})
    assert "did you mean 'imagenet'" in caught.value.hint


def test_a_method_around_a_published_network_does_not_start_without_it() -> None:
    with pytest.raises(UsageError, match="another method") as caught:
        resolve(starting(needs_pretrained=True), overrides={"start": ""})
    assert caught.value.hint == "--start imagenet"


def test_a_fit_takes_images_as_they_will_be_scored_and_ignores_epochs_and_rates() -> None:
    given_flags = {"epochs": 7, "lr": 0.1, "train_preprocess": "random_crop(8)"}
    assert resolve(FIT, scaling=MINI, overrides=given_flags).used == FIT.recipe
    moved = resolve(FIT, overrides={**given_flags, "val_preprocess": "resize(8,8)"}).used
    assert moved == replace(
        published_recipe(FIT), train_preprocess="resize(8,8)", val_preprocess="resize(8,8)"
    )


def test_what_is_not_trained_is_said() -> None:
    with pytest.raises(UsageError, match="no recipe"):
        resolve(replace(tiny.spec(), recipe=None), overrides={})


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("epochs", "7", 7),
        ("lr", "3e-4", 3e-4),
        ("betas", "0.5, 0.99", (0.5, 0.99)),
        ("balanced", "true", True),
        ("decay_vectors", "false", False),
        ("optimiser", "sam", "sam"),
        ("start", "none", ""),
        ("start", "", ""),
        ("start", "imagenet", "imagenet"),
        ("val_preprocess", "resize(8,8)", "resize(8,8)"),
    ],
)
def test_a_text_is_read_by_the_kind_of_its_field(field: str, text: str, value: object) -> None:
    got = read(field, text)
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("epochs", "1.5", "expected N, got '1.5'"),
        ("lr", "fast", "expected X"),
        ("balanced", "yes", "expected true|false"),
        ("betas", "0.9;0.99", "expected B1,B2"),
    ],
)
def test_another_text_is_refused_with_its_flag_and_form(
    field: str, text: str, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(field, text)
    assert caught.value.message.startswith(f"{flag(field)}: ")
    assert expected in caught.value.message


def test_every_field_but_the_source_can_be_given_and_its_default_is_accepted() -> None:
    recipe = Recipe(epochs=1, batch_size=2, lr=0.1)
    assert set(OVERRIDABLE) == set(vars(recipe)) - {"source"}
    for field in OVERRIDABLE:
        assert form(field)
        check(field, getattr(recipe, field))
    assert form("schedule") == "step|cosine|plateau"


def test_one_beta_is_not_enough() -> None:
    with pytest.raises(UsageError, match="two numbers"):
        check("betas", read("betas", "0.9"))
