"""``python -m harness cost`` on the registered detectors, counted and (one of them) timed."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import pytest

from harness.__main__ import command_line
from harness.commands import _cost
from harness.commands import cost as command
from harness.cost.count import count
from harness.cost.latency import Speed
from harness.errors import UsageError
from harness.registry import detectors as registry


def run(*arguments):
    return command.run(command_line("cost").read(arguments))


def test_counts_as_text(capsys):
    assert run("--method", "lfm,chance", "--repeats", "0", "--device", "cpu") == 0
    text = capsys.readouterr().out
    assert "lfm (LFM), 1 image of 256x256" in text
    assert "MAC + BN as fvcore counts" in text
    assert "topk x1" in text
    assert "725,641, trainable 725,569" in text
    assert "rule of thop               1,605,910,528 (of layers with 725,569 of the" in text
    assert "the paper prints 1.61B FLOPs, 0.72M parameters" in text
    assert "1.61B = 1,608,859,648 (1,605,910,528 here + 2,949,120 for" in text
    assert "attention" not in text
    assert "n/a (no network)" in text
    assert "latency" not in text


def test_json_with_times(capsys):
    arguments = "--method chance,metadata --repeats 2 --batch-size 3 --size 20x30 --device cpu"
    assert run(*arguments.split(), "--json") == 0
    content = json.loads(capsys.readouterr().out)
    chance, metadata = content["costs"]
    assert content["environment"]["device"] == "cpu"
    assert chance["counts"] is None and metadata["speed"] is None
    assert chance["size"] == [20, 30]
    assert chance["speed"]["batch_size"] == 3
    assert chance["speed"]["latency_ms"] > 0 and chance["speed"]["peak_bytes"] > 0


def test_json_holds_what_the_text_says(capsys):
    assert run("--method", "npr", "--repeats", "0", "--size", "64x32", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    (npr,) = content["costs"]
    assert content["macs_unit"] == "MAC + BN as fvcore counts"
    assert npr["size"] == npr["counts"]["size"] == [64, 32]
    assert npr["counts"]["not_counted"]["max_pool2d"] == 1
    assert npr["counts"]["macs"] < npr["paper"]["ours"]["macs"]
    assert npr["paper"]["ours"]["size"] == [256, 256]
    flops = npr["paper"]["flops"]
    assert flops["explained"] and flops["printed"] == "2.30B" and "training mode" in flops["rule"]
    assert sum(term["value"] for term in flops["terms"]) == flops["value"] == 2_298_069_504


def test_attention_is_said_apart():
    counts = replace(count(registry.detector("lfm")), attention_products=1_000_000)
    text = "\n".join(_cost._count_lines(counts))
    assert "with attention's products  1,591,633,344 (1,000,000 more, in scaled_dot" in text


def test_times_as_text():
    speed = Speed(
        size=(8, 8),
        latency_ms=1.234,
        latency_p90_ms=2.345,
        batch_size=4,
        images_per_s=987.65,
        peak_bytes=3 * 2**20,
        memory="measured so",
        repeats=5,
        device="cpu",
        threads=2,
    )
    text = "\n".join(_cost._speed_lines(speed))
    for part in (
        "median 1.23 ms, p90 2.35 ms (batch 1, 5 calls)",
        "987.6 images/s (batch 4)",
        "3 MiB at batch 4 (measured so)",
        "cpu, 2 threads, eager, fp32",
    ):
        assert part in text
    text = "\n".join(_cost._speed_lines(replace(speed, peak_bytes=None, memory="not measured")))
    assert "peak memory                not measured" in text
    assert "n/a (sees no pixels)" in _cost._speed_lines(None)[0]


def test_a_size_that_one_cannot_take_does_not_stop_the_others(capsys):
    assert run("--method", "lfm,gap-rgb", "--size", "65x65", "--repeats", "0") == 4
    captured = capsys.readouterr()
    assert "lfm cannot take 65x65" in captured.err
    assert "gap-rgb (GAP on RGB), 1 image of 65x65" in captured.out


@pytest.mark.parametrize("text", ["256", "0x4", "axb", "-1x5", "8x8x8"])
def test_sizes_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected HEIGHTxWIDTH"):
        command.image_size(text)


def test_unknown_detector():
    with pytest.raises(UsageError, match="unknown detector 'lmf'"):
        run("--method", "lmf")
