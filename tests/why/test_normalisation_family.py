"""Each normalisation against a network that is handed the wanted input by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from harness.api import TorchDetector
from harness.diagnosis import normalisation_family as family
from harness.diagnosis.condition import View
from harness.registry import detectors as registry
from tests.why.small import (
    SPEC,
    Small,
    about,
    absent,
    catalogue,
    near,
    network,
    pictures,
    scorer,
    scores,
    under,
    weights,
)

OWN = (torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225]))
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def by_hand(x: Tensor, mean: object, std: object) -> Tensor:
    mean, std = (torch.as_tensor(value).reshape(-1, 1, 1) for value in (mean, std))
    return (x - mean) / std


EXPECTED: dict[str, Callable[[Tensor], Tensor]] = {
    "normalise(clip)": lambda x: by_hand(x, *CLIP),
    "normalise(half)": lambda x: 2 * x - 1,
    "normalise(none)": lambda x: x,
    "normalise(0 to 255)": lambda x: 255 * x,
    "normalise(twice)": lambda x: by_hand(by_hand(x, *OWN), *OWN),
}


def test_all_but_the_detectors_own() -> None:
    assert set(catalogue(family, about())) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_network_is_given_what_the_name_says(name: str) -> None:
    loaded, x = weights(), pictures()
    given = scores(catalogue(family, about())[name], x, loaded=loaded)
    near(given, network(loaded)(EXPECTED[name](x)))
    assert abs(given - scores(None, x, loaded=loaded)).max() > 1e-3


def test_a_changed_detector_still_takes_its_fast_form() -> None:
    function = scorer(catalogue(family, about())["normalise(clip)"]).function
    assert function is not None
    assert function.form == "fused"


def test_published_scores_are_bit_equal_before_and_after() -> None:
    loaded, x = weights(), pictures()
    before = scores(None, x, loaded=loaded)
    for condition in catalogue(family, about()).values():
        scores(condition, x, loaded=loaded)
    assert (scores(None, x, loaded=loaded) == before).all()


def test_lfm_as_published_elsewhere() -> None:
    spec = registry.detector("lfm")
    loaded, x = weights(spec, "released"), pictures(2, 64, 64)
    facts = about(spec, variant="released")
    given = scores(catalogue(family, facts)["normalise(clip)"], x, spec, loaded)
    detector = spec.build(**spec.variants["released"])
    detector.load_state_dict(loaded.state)
    near(given, detector.network.eval()(by_hand(x, *CLIP)).detach())


def test_plain_pixels_are_not_normalised_twice() -> None:
    plain = under(SPEC, build=lambda: TorchDetector(Small(), mean=0.0, std=1.0))
    names = set(catalogue(family, about(plain)))
    assert names == {f"normalise({n})" for n in ("imagenet", "clip", "half", "0 to 255")}
    channels = under(SPEC, build=lambda: TorchDetector(Small(), mean=(0.5,) * 3, std=(0.5,) * 3))
    assert "normalise(half)" not in catalogue(family, about(channels))


def test_what_has_none_says_so() -> None:
    assert "chance has no" in absent(family, about(registry.detector("chance")))["normalise(...)"]


def test_names_are_part_of_the_key() -> None:
    for name, condition in catalogue(family, about()).items():
        assert isinstance(condition.act, View)
        assert condition.act.variation == name
        assert condition.cost == "forward"
