"""Times and memory of detectors whose cost is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import DetectorSpec, InputRule, ScoreSpec, TorchDetector
from harness.cost.latency import measure
from harness.errors import InputSizeError

MIB = 2**20
CPU = torch.device("cpu")


class Sleeper:
    """10 ms a call and 100 MiB of memory while it lasts."""

    def score(self, images):
        block = torch.ones(25 * MIB)
        time.sleep(0.01)
        return images.sum((1, 2, 3)) * block[0]


class HeadersOnly:
    def score_headers(self, headers):
        return np.zeros(len(headers))


class Mode(nn.Module):
    def forward(self, x):
        assert not self.training and torch.is_inference_mode_enabled()
        return x.mean((1, 2, 3))


def build_mode():
    return TorchDetector(Mode())


def spec(build, **changes):
    facts = {
        "name": "fake",
        "title": "Fake",
        "family": "test",
        "build": build,
        "score": ScoreSpec(kind="logit", threshold=0.0),
        "geometry": {"*": "native"},
    }
    return DetectorSpec(**{**facts, **changes})


def test_time_and_memory_of_a_known_detector():
    parents_own = np.ones(40 * MIB)  # 320 MiB: a new process's getrusage would begin with these
    speed = measure(spec(Sleeper), (16, 8), CPU, batch_size=4, repeats=3)
    assert parents_own[-1] == 1
    assert 10 <= speed.latency_ms <= speed.latency_p90_ms
    assert 0 < speed.images_per_s <= 4 / 0.010
    assert 100 * MIB <= speed.peak_bytes < 200 * MIB
    assert speed.memory == "growth of a fresh process's peak resident memory"
    assert (speed.size, speed.batch_size, speed.repeats) == ((16, 8), 4, 3)
    assert (speed.device, speed.threads) == ("cpu", torch.get_num_threads())


def test_networks_are_timed_in_evaluation_and_memory_is_none_where_it_cannot_be_sent():
    speed = measure(spec(lambda: build_mode()), (8, 8), CPU, batch_size=1, repeats=1)
    assert speed.peak_bytes is None
    assert "cannot be sent to a process" in speed.memory


def test_no_pixels_no_time():
    assert measure(spec(HeadersOnly), (8, 8), CPU, batch_size=1, repeats=1) is None


def test_a_size_that_it_cannot_take():
    with pytest.raises(InputSizeError, match="smallest size is 32x32"):
        measure(
            spec(build_mode, input_rule=InputRule(smallest=(32, 32))),
            (8, 8),
            CPU,
            batch_size=1,
            repeats=1,
        )
