"""The paper's printed cost is recomputed from our networks, to the last digit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness import paper_cost, registry
from harness.paper_cost import PRINTED, explain, reconcile

# Counted by thop and fvcore on the authors' own networks at 1x3x256x256 (fact cards).
THOP = {"lfm": 1_608_859_648, "npr": 2_286_945_280, "safe": 2_286_945_792}
FVCORE = {"lfm": 1_591_812_992, "npr": 2_265_432_576, "safe": 2_265_187_328}
PARAMETERS = {"lfm": 725_641, "npr": 1_437_761, "safe": 1_438_274}
RELU = {"lfm": 0, "npr": 9_306_112, "safe": 9_306_112}


@pytest.fixture(scope="module", params=sorted(PRINTED))
def found(request):
    return request.param, reconcile(registry.detector(request.param))


def test_the_released_networks_are_counted_exactly(found):
    name, cost = found
    assert cost.figure == THOP[name] + RELU[name]
    assert cost.fvcore == FVCORE[name]
    assert cost.ours.parameters == PARAMETERS[name]


def test_the_printed_numbers_follow(found):
    _, cost = found
    assert cost.flops_explained
    assert cost.parameters_explained


def test_the_text_adds_up(found):
    _, cost = found
    text = explain(cost)
    assert text[0].startswith(f"{cost.flops} = {cost.figure:,} by {cost.counter} at 256x256: ")
    terms = [
        int(part.split()[0].replace(",", "")) for part in text[0].split(": ", 1)[1].split(" + ")
    ]
    assert sum(terms) == cost.figure
    terms = [
        int(part.split()[0].replace(",", "")) for part in text[1].split(": ", 1)[1].split(" + ")
    ]
    assert sum(terms) == cost.fvcore


def test_truncated_or_rounded():
    by_name = {name: explain(reconcile(registry.detector(name)))[2] for name in PRINTED}
    assert by_name["lfm"] == "0.72M = 725,641 parameters, truncated"
    assert by_name["npr"] == "1.44M = 1,437,761 parameters, rounded"


def test_what_does_not_follow_is_said(monkeypatch):
    other = replace(PRINTED["lfm"], flops="1.70B", truncated=False)
    monkeypatch.setitem(paper_cost.PRINTED, "lfm", other)
    cost = reconcile(registry.detector("lfm"))
    assert not cost.flops_explained and not cost.parameters_explained
    text = explain(cost)
    assert text[0].startswith("1.70B is not explained: 1,608,859,648 by the rule of thop")
    assert text[2] == "0.72M is not explained: 725,641 parameters, rounded"


def test_detectors_that_the_paper_has_no_cost_of():
    assert reconcile(registry.detector("gap")) is None
    assert reconcile(registry.detector("chance")) is None
