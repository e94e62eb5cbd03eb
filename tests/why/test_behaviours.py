"""What the detectors' deviations name: every behaviour is built, and scores otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.aide import AideSizes
from harness.api import DetectorSpec
from harness.diagnosis import network_family as family
from harness.diagnosis.condition import View
from harness.engine.seeding import seeded
from harness.registry import detectors as registry
from tests.baselines.small_clip import SMALL
from tests.baselines.small_dino import SMALL_DINO
from tests.why.small import about, absent, catalogue, pictures, scores, weights

WIDTHS = (32, 32, 32, 32)
TRUNK = {"embed_dim": 32, "depth": 1, "num_heads": 2, "mlp_ratio": 2.0}
SMALLER: dict[str, dict[str, Any]] = {
    "aeroblade": {"widths": WIDTHS},
    "aide": {"sizes": AideSizes(side=64, depths=(1, 1, 1, 1), widths=(8, 16, 24, 32))},
    "clipdet": {"sizes": SMALL},
    "cospy": {"widths": WIDTHS, "smaller": TRUNK},
    "d3": {"sizes": SMALL},
    "dda": {"sizes": SMALL_DINO},
    "rigid": {"sizes": SMALL_DINO},
    "rine": {"sizes": SMALL, "width": 16},
}
SIDES = {"lfm": 64, "npr": 64, "ladeda": 64, "tiny-ladeda": 64, "aide": 128, "aeroblade": 64}
SIDES |= {"clipdet": 224, "d3": 224, "rigid": 224, "rine": 224, "cospy": 384, "dda": 98}
SIDES |= {"patchcraft": 96, "patchfor": 75, "ferretnet": 64, "lgrad": 256, "gandetection": 136}
# New weights are so small that all votes are alike, and no value is cut off.
LARGER = {"patchfor": ("convout.weight",), "patchcraft": ("group1_b.1.weight",)}
SLOW = {"aide", "cospy", "gandetection", "lgrad"}

SPECS = {spec.name: spec for spec in registry.detectors().values() if spec.behaviours}


def cases() -> list[Any]:
    tried = ((name, b.name) for name, s in SPECS.items() for b in s.behaviours if not b.absent)
    return [pytest.param(*c, marks=pytest.mark.slow if c[0] in SLOW else ()) for c in tried]


def test_every_behaviour_is_of_a_deviation_and_has_its_own_name() -> None:
    assert set(SPECS) == set(SIDES)
    for spec in SPECS.values():
        names = [behaviour.name for behaviour in spec.behaviours]
        assert len(set(names)) == len(names)
        known = {deviation.what for deviation in spec.deviations}
        assert {behaviour.deviation for behaviour in spec.behaviours} <= known
        for behaviour in spec.behaviours:
            assert bool(behaviour.options) != bool(behaviour.absent)


def built(spec: DetectorSpec, options: dict[str, Any]) -> Any:
    with seeded(1):
        detector = spec.build(**{**options, **SMALLER.get(spec.name, {})})
    detector.module.eval()
    return detector


@pytest.mark.parametrize(("name", "behaviour"), cases())
def test_every_behaviour_scores_the_same_weights_otherwise(name: str, behaviour: str) -> None:
    spec = SPECS[name]
    variants = list(spec.variants) or [""]
    tried = 0
    for variant in variants[:2]:
        condition = catalogue(family, about(spec, variant=variant)).get(behaviour)
        if condition is None:  # that variant does it anyway
            continue
        tried += 1
        assert isinstance(condition.act, View)
        assert condition.act.options is not None
        plain = built(spec, dict(spec.variants.get(variant, {})))
        other = built(spec, dict(condition.act.options))
        with seeded(3):
            for weight in LARGER.get(name, ()):
                torch.nn.init.normal_(plain.network.get_parameter(weight), std=20)
        other.load_state_dict(plain.state_dict())
        side = SIDES[name]
        with torch.inference_mode():
            x = pictures(2, side, side)
            expected, given = plain.score(x), other.score(x)
        assert given.shape == expected.shape
        assert given.isfinite().all()
        assert not torch.equal(given, expected)
    assert tried


def test_npr_without_two_thirds_is_the_residual_as_it_is() -> None:
    spec = registry.detector("npr")
    loaded, x = weights(spec), pictures(2, 64, 64)
    given = scores(catalogue(family, about(spec))["without 2/3"], x, spec, loaded)
    detector = spec.build()
    detector.load_state_dict(loaded.state)
    detector.network.eval()
    detector.network.residual = lambda seen: (
        seen - seen[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    )
    expected = detector.score(x).detach().double().numpy()
    assert abs(given - expected).max() < 1e-4
    assert abs(given - scores(None, x, spec, loaded)).max() > 1e-3


def test_ladeda_without_two_thirds_is_its_other_variants_front_end() -> None:
    spec = registry.detector("ladeda")
    found = catalogue(family, about(spec, variant="forensynths"))
    condition = found["without NPR's 2/3"]
    assert isinstance(condition.act, View)
    assert condition.act.options == spec.variants["wildrf"]
    assert "issue 3" in condition.seen
    assert "with NPR's 2/3" not in found


def test_lfm_ascending_reverses_the_slots() -> None:
    spec = registry.detector("lfm")
    loaded, x = weights(spec, "released"), pictures(2, 64, 64)
    found = catalogue(family, about(spec, variant="released"))
    assert "pooled values descending" not in found
    given = scores(found["pooled values ascending"], x, spec, loaded)
    state = dict(loaded.state)
    state["fc1.weight"] = state["fc1.weight"].view(64, 16).flip(1).reshape(1, -1)
    detector = spec.build(**spec.variants["released"])
    detector.load_state_dict(state)
    detector.network.eval()
    assert abs(given - detector.score(x).detach().double().numpy()).max() < 1e-3


def test_what_cannot_be_tried_says_why() -> None:
    assert "auxiliary" in absent(family, about(SPECS["lfm"]))["random-K drawn in evaluation"]
    assert "--method dda:" in absent(family, about(SPECS["dda"]))["the deprecated file"]
