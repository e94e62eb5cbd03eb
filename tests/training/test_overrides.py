"""A recipe's fields as text, as flags have them."""

from __future__ import annotations

import pytest

from harness.api import Recipe
from harness.errors import UsageError
from harness.training.recipe import OVERRIDABLE, check, flag, form, read


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
