"""The paper's printed cost is recomputed from our networks, to the last digit."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from harness.api.torchvision import ensure_torchvision
from harness.cost.count import count
from harness.cost.printed import PRINTED, Term, _cell, explain, reconcile
from harness.registry import detectors as registry

COST_CSV = Path(__file__).resolve().parents[1] / "tables" / "references" / "paper" / "cost.csv"

# Counted on the authors' own networks (fact cards): by thop or, where training mode was counted,
# by fvcore in evaluation mode, where a batch norm's share is 2/5.
THOP = {"lfm": 1_608_859_648, "npr": 2_286_945_280, "safe": 2_286_945_792}
FVCORE = {"npr": 2_265_432_576, "safe": 2_265_187_328}
OURS = {
    "fatformer": 492_591_044,
    "lfm": 725_641,
    "lgrad": 46_562_434,
    "npr": 1_437_761,
    "ojha": 303_966_977,
    "safe": 1_438_274,
}
# Channels and side of what LGrad's discriminator blurs.
BLURRED = ((64, 256), (128, 128), (256, 64), (512, 32), (512, 16), (512, 8))
POOLING = 524_800  # thop's window + 1 for each of 512 channels of 32x32


def printed_rows():
    with COST_CSV.open(newline="", encoding="utf-8") as file:
        return {row["method"]: row for row in csv.DictReader(file)}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in ("fatformer", "ojha") else ())
        for name in sorted(PRINTED)
    ],
)
def found(request):
    spec = registry.detector(request.param)
    if "clip" in spec.requires:
        ensure_torchvision()
        pytest.importorskip("open_clip")
    return spec, reconcile(spec)


def test_every_printed_cost_has_a_detector():
    names = {registry.detector(name).paper_name for name in PRINTED}
    assert names == set(printed_rows())


def test_the_printed_numbers_follow(found):
    spec, cost = found
    row = printed_rows()[spec.paper_name]
    assert (cost.flops.printed, cost.parameters.printed) == (row["flops"], row["params"])
    assert cost.flops.explained and cost.parameters.explained
    for cell in (cost.flops, cost.parameters):
        assert cell.shown == cell.printed
        assert cell.value == sum(term.value for term in cell.terms)
        assert all(term.value > 0 for term in cell.terms)


def test_ours_is_the_network_as_it_is(found):
    spec, cost = found
    assert cost.ours.size == PRINTED[spec.name].size == spec.evaluation_size
    assert cost.ours.parameters == OURS[spec.name]


def test_the_released_networks_are_counted_exactly(found):
    spec, cost = found
    name, ours = spec.name, cost.ours
    if name in FVCORE:
        norms = ours.by_operator["batch_norm"]
        assert cost.flops.value - norms * 3 // 2 == FVCORE[name]
        assert ours.thop_rule + POOLING == THOP[name]
    elif name == "lfm":
        assert cost.flops.value == THOP[name]
    elif name == "lgrad":
        # The release's discriminator, and ResNet-50 of 1000 outputs with batch norms at 5, not 2.
        assert [term.value for term in cost.flops.terms] == [
            22_770_950_656,
            22_770_950_656,
            5_369_511_936 + 29_032_448 * 3 // 2,
        ]
        assert [term.value for term in cost.parameters.terms] == [23_052_353, 25_557_032]
    elif name == "ojha":
        # conv1, 24 blocks' two linear layers on 257 tokens, the head.
        assert cost.flops.value == 256 * 588 * 1024 + 24 * 2 * 257 * 4 * 1024**2 + 768
        assert ours.macs + ours.attention_products == 81_078_561_536
    else:
        assert cost.flops.value == cost.parameters.value == 577_245_449
        assert "127,665,204,736" in cost.note


def test_the_text_adds_up(found):
    _, cost = found
    flops, parameters, ours, note = explain(cost)
    assert f"{cost.ours.macs:,} by fvcore" in ours and note == cost.note
    for text, cell in ((flops, cost.flops), (parameters, cost.parameters)):
        assert text.startswith(f"{cell.printed} = {cell.value:,} ")
        assert text.endswith(f", {cell.rule}")
        for term in cell.terms:
            assert f"{term.value:,} {term.what}" in text


def test_lgrad_counts_the_functions_of_its_first_stage():
    spec = registry.detector("lgrad")
    stages = spec.build().network
    counts = count(spec)
    # Forward and gradient are the same convolutions, the blurs (9 a value) among them.
    blurs = sum(9 * channels * side**2 for channels, side in BLURRED)
    forward = 22_770_950_656 + blurs - 8192 * 512 - 512
    assert counts.by_operator["conv"] == 2 * forward + 5_338_300_416
    assert counts.thop_parameters == sum(p.numel() for p in stages.classifier.parameters())


def test_truncated_or_rounded():
    assert (
        explain(reconcile(registry.detector("lfm")))[1] == "0.72M = 725,641 here, cut, not rounded"
    )
    assert explain(reconcile(registry.detector("npr")))[1] == "1.44M = 1,437,761 here, rounded"


def test_what_does_not_follow_is_said_and_by_how_much():
    cost = reconcile(registry.detector("lfm"))
    flops = _cell("1.70B", "as thop counts", *cost.flops.terms)
    parameters = _cell("0.72M", "rounded", Term(what="here", value=725_641))
    assert not flops.explained and not parameters.explained
    text = explain(replace(cost, flops=flops, parameters=parameters))
    assert text[0].startswith("1.70B is not explained, 5.7% more than 1,608,859,648 (1,605,910,528")
    assert text[1] == "0.72M is not explained, 0.8% fewer than 725,641 here, rounded"


def test_a_count_at_hand_is_used_where_its_size_fits():
    spec = registry.detector("lfm")
    fitting, other = count(spec), count(spec, (64, 64))
    assert reconcile(spec, fitting).ours is fitting
    assert reconcile(spec, other).ours == fitting


def test_detectors_that_the_paper_has_no_cost_of():
    assert reconcile(registry.detector("gap")) is None
    assert reconcile(registry.detector("chance")) is None
