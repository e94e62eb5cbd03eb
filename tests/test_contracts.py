"""Every registered detector keeps the contract; and the checks notice detectors that do not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.api import DetectorSpec, InputRule, Recipe, ScoreSpec, Weights
from harness.engine import contracts
from harness.errors import DetectorError
from harness.registry import detectors as registry

# (detector, check) -> why it is known to fail; a pass is then an error (strict).
KNOWN_FAILURES: dict[tuple[str, str], str] = {}

# The same, for checks that take minutes and are made in small elsewhere; "*" is every check.
IN_SMALL = {
    ("rine", "check_sizes"): "tests/baselines/test_rine.py",  # ten crops, three times
    ("aide", "*"): "tests/baselines/test_aide.py",  # 3.6 GB each time that it is built
}


# 80 million parameters and more; each keeps the contract in small in its own test.
LARGE = {"aeroblade", "bfree", "cospy", "dda", "drct", "effort", "effort-univfd", "rigid"}


def cases() -> list[Any]:
    found = []
    for spec in registry.detectors().values():
        for check in contracts.CHECKS:
            reason = KNOWN_FAILURES.get((spec.name, check.__name__))
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            places = [IN_SMALL.get((spec.name, name)) for name in ("*", check.__name__)]
            if spec.name in LARGE and check is not contracts.check_spec:
                places.append("its own test")
            if where := next(filter(None, places), None):
                marks.append(pytest.mark.skip(reason=f"{where} checks it"))
            if "clip" in spec.requires:  # 300 million parameters and more
                marks.append(pytest.mark.slow)
            found.append(pytest.param(spec, check, id=f"{spec.name}-{check.__name__}", marks=marks))
    return found


@pytest.mark.parametrize(("spec", "check"), cases())
def test_contract(spec: DetectorSpec, check: contracts.Check) -> None:
    check(spec)


def spec_of(score: Callable[[Tensor], Tensor], **changes: Any) -> DetectorSpec:
    spec = DetectorSpec(
        name="bad",
        title="Bad",
        family="test",
        build=lambda: SimpleNamespace(score=score),
        score=ScoreSpec(kind="uncalibrated", threshold=0.0),
        geometry={"*": "native"},
        citation="nobody",
    )
    return replace(spec, **changes)


def mean(images: Tensor) -> Tensor:
    return images.mean((1, 2, 3))


def in_place(images: Tensor) -> Tensor:
    return mean(images.mul_(2))


def wanting_more(images: Tensor) -> Tensor:
    return mean(images) if images.shape[-1] > 10 else torch.full((len(images),), float("nan"))


WEIGHTS = Weights(
    name="w", filename="w", url="", sha256="", size=0, licence="", trained_on="", variant="none"
)
BAD = [
    (contracts.check_spec, spec_of(mean, geometry={"ufd": "native"})),
    (contracts.check_spec, spec_of(mean, geometry={"*": "random_crop(4)"})),
    (contracts.check_spec, spec_of(mean, weights=(WEIGHTS,))),
    (contracts.check_spec, spec_of(mean, citation="")),
    (contracts.check_capabilities, spec_of(mean, build=SimpleNamespace)),
    (contracts.check_capabilities, spec_of(mean, weights=(WEIGHTS,))),
    (contracts.check_shape_and_finiteness, spec_of(lambda x: x.mean((2, 3)))),
    (contracts.check_shape_and_finiteness, spec_of(lambda x: mean(x).log())),
    (contracts.check_batch_and_order, spec_of(lambda x: mean(x) - mean(x).mean())),
    (contracts.check_batch_and_order, spec_of(lambda x: mean(x) + torch.arange(len(x)))),
    (contracts.check_determinism, spec_of(lambda x: mean(x) + torch.rand(len(x)))),
    (contracts.check_input_is_kept, spec_of(in_place)),
    (contracts.check_sizes, spec_of(wanting_more)),
    (contracts.check_sizes, spec_of(mean, input_rule=InputRule(smallest=(3, 3), multiple_of=2))),
    (contracts.check_smallest_is_smallest,
     spec_of(mean, input_rule=InputRule(smallest=(8, 8), check=lambda h, w: ""))),
    (contracts.check_gray_picture, spec_of(lambda x: 1 / x.std(1).mean((1, 2)))),
]  # fmt: skip


class Trained(SimpleNamespace):
    """Its loss draws from where ``draw`` draws."""

    module: nn.Module
    draw: Callable[[torch.Generator], float]

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        return self.module(images).mean() * self.draw(generator)


def trained(draw: Callable[[torch.Generator], float]) -> DetectorSpec:
    recipe = Recipe(epochs=1, batch_size=2, lr=0.1)
    return spec_of(
        mean, recipe=recipe, build=lambda: Trained(module=nn.Conv2d(3, 1, 1), draw=draw, score=mean)
    )


def scaled(by: float = 1.0, drop: float = 0.0) -> Any:
    return SimpleNamespace(score=lambda images: by * mean(images))


def varied(*training_only: str) -> DetectorSpec:
    variants = {"a": {"by": 1.0, "drop": 0.1}, "b": {"by": 2.0, "drop": 0.1}, "c": {"by": 1.0}}
    return spec_of(mean, build=scaled, variants=variants, training_only=frozenset(training_only))


@pytest.mark.parametrize(
    "draw",
    [
        lambda generator: torch.rand((), generator=generator).item(),
        lambda generator: nn.Dropout(0.5)(torch.ones(64)).mean().item(),
        lambda generator: random.random(),
    ],
)
def test_draws_of_training_may_come_from_its_generator_or_the_global_ones(
    draw: Callable[[torch.Generator], float],
) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate()
    contracts.check_training_follows_the_seed(trained(draw))
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]


def test_draws_from_elsewhere_are_noticed() -> None:
    elsewhere = random.Random(1)
    with pytest.raises(DetectorError, match="the same seed trains it differently"):
        contracts.check_training_follows_the_seed(trained(lambda generator: elsewhere.random()))


def test_variants_that_do_not_score_alike_are_noticed() -> None:
    contracts.check_variants(varied("drop"))
    contracts.check_variants(varied())  # says nothing of them
    with pytest.raises(DetectorError, match="variants a and b score differently"):
        contracts.check_variants(varied("by", "drop"))
    with pytest.raises(DetectorError, match=r"no option of a variant: \['dorp'\]"):
        contracts.check_variants(varied("dorp"))


@pytest.mark.parametrize(("check", "spec"), BAD)
def test_checks_notice(check: contracts.Check, spec: DetectorSpec) -> None:
    check(spec_of(mean))
    with pytest.raises(DetectorError, match="bad"):
        check(spec)


def test_two_detectors_of_one_name_name_both_files() -> None:
    spec = spec_of(mean)
    with pytest.raises(DetectorError, match="one_file and other_file"):
        registry.collect([("one_file", spec), ("other_file", spec)])
