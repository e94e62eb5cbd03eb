"""What a detector declares of its scores."""

from __future__ import annotations

import pytest

from harness.api import ScoreSpec
from harness.registry import detectors as registry


@pytest.mark.parametrize(
    ("kind", "rule"), [("logit", "ap_sigmoid32"), ("probability", "ap"), ("uncalibrated", "ap")]
)
def test_published_ap_follows_the_kind_unless_it_is_said(kind, rule):
    assert ScoreSpec(kind=kind, threshold=0.0).published_ap == rule
    assert ScoreSpec(kind=kind, threshold=0.0, published_ap="ap").published_ap == "ap"


@pytest.mark.parametrize("kind", ["probability", "uncalibrated"])
def test_only_logits_have_sigmoids_to_rank(kind):
    with pytest.raises(ValueError, match=f"the scores are {kind}"):
        ScoreSpec(kind=kind, threshold=0.0, published_ap="ap_sigmoid32")


def test_releases_that_rank_sigmoids_or_softmax_say_so():
    """As the cards tell of each release's evaluation; no release, no rule."""
    rules = {name: spec.score.published_ap for name, spec in registry.detectors().items()}
    sigmoid = {name for name, rule in rules.items() if rule == "ap_sigmoid32"}
    assert sigmoid >= {
        *("c2p_clip", "cnndetection", "fatformer", "fredect", "freqnet", "lfm", "lgrad", "npr"),
        *("ojha", "safe", "ferretnet", "rine", "ladeda", "tiny-ladeda", "patchcraft", "aide"),
    }
    assert not sigmoid & {
        *("bihpf", "durall", "frank", "frank-net", "frepgan", "gandetection", "patchfor"),
        *("aligned", "chance", "clipdet", "corvi2023", "metadata", "trivial"),
    }
