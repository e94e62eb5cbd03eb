"""Counts of small networks against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.api import DetectorSpec, InputRule, ScoreSpec, TorchDetector
from harness.cost.count import count, count_module
from harness.errors import InputSizeError


class Small(nn.Module):
    """conv 3->4 (3x3), batch norm, ReLU, max pool, functional mean, linear; frozen extra."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(4, 1)
        self.frozen = nn.Parameter(torch.zeros(7), requires_grad=False)

    def forward(self, x):
        x = self.relu(self.norm(self.conv(x)))
        return self.fc(self.pool(x).mean((2, 3)))


def spec(build, **changes):
    facts = {
        "name": "small",
        "title": "Small",
        "family": "test",
        "build": build,
        "score": ScoreSpec(kind="logit", threshold=0.0),
        "geometry": {"*": "native"},
        "evaluation_size": (8, 6),
    }
    return DetectorSpec(**{**facts, **changes})


def test_a_small_network_by_hand():
    counts = count_module(Small(), (1, 3, 8, 6))
    elements = 4 * 8 * 6
    conv = elements * 3 * 9
    assert counts.size == (8, 6)
    assert dict(counts.by_operator) == {"batch_norm": 2 * elements, "conv": conv, "linear": 4}
    assert counts.macs == conv + 2 * elements + 4
    assert dict(counts.not_counted) == {"max_pool2d": 1, "mean": 1}
    assert counts.thop_rule == conv + 4 * elements + 4
    assert counts.parameters == 3 * 4 * 9 + 8 + 5 + 7
    assert counts.trainable == counts.parameters - 7
    assert counts.thop_parameters == counts.parameters - 7
    assert counts.attention_products == 0


def test_training_mode_counts_a_batch_norm_five_times():
    elements = 4 * 8 * 6
    counts = count_module(Small(), (1, 3, 8, 6), training=True)
    assert counts.by_operator["batch_norm"] == 5 * elements
    assert counts.thop_rule == count_module(Small(), (1, 3, 8, 6)).thop_rule


def test_functions_count_like_layers_but_thop_sees_layers_only():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(5, 3, 3, 3))
            self.fc = nn.Linear(5, 2)

        def forward(self, x):
            x = nn.functional.conv2d(x, self.weight)
            x = nn.functional.conv_transpose2d(x, self.weight)
            x = nn.functional.conv2d(x, self.weight)
            return self.fc(x.mean((2, 3)))

    counts = count_module(Functional(), (1, 3, 6, 6))
    conv = 5 * 16 * 27
    assert dict(counts.by_operator) == {"conv": 3 * conv, "linear": 10}
    assert (counts.thop_rule, counts.thop_parameters) == (10, 12)


def test_attention_is_one_operator_and_counted_apart():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.norm = nn.LayerNorm(8)

        def forward(self, x):
            x = x.flatten(2).transpose(1, 2)
            queries = self.norm(x[:, :3])
            return self.attention(queries, x, x, need_weights=False)[0]

    counts = count_module(Attention(), (1, 8, 4, 5))
    # 3 queries, 20 keys and values, 2 heads of 4 channels.
    assert counts.attention_products == 2 * 3 * 20 * (4 + 4)
    assert counts.not_counted["scaled_dot_product_attention"] == 1
    assert counts.macs == sum(counts.by_operator.values())
    assert "scaled_dot_product_attention" not in counts.by_operator
    # Projections of queries, keys, values, and the output's: not layers that thop knows.
    assert counts.by_operator["linear"] == (3 + 20 + 20 + 3) * 8 * 8
    assert (counts.thop_rule, counts.thop_parameters) == (4 * 3 * 8, 16)


@pytest.mark.parametrize(
    ("layer", "shape", "thop", "fvcore"),
    [
        (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5), 6 * 9 * 2 * 9, 6 * 9 * 2 * 9),
        # thop counts a transposed convolution by its output, fvcore by its input.
        (nn.ConvTranspose2d(3, 5, 2, stride=2), (1, 3, 4, 4), 5 * 64 * 3 * 4, 3 * 16 * 5 * 4),
        (nn.AvgPool2d(2), (1, 8, 4, 6), 8 * 2 * 3, 0),
        (nn.AdaptiveAvgPool2d(1), (1, 8, 4, 6), 8 * 25, 8 * 24),
        (nn.AdaptiveAvgPool2d(2), (1, 8, 4, 6), 8 * 4 * 7, 8 * 24),
        (nn.BatchNorm2d(3, affine=False), (1, 3, 2, 2), 2 * 12, 12),
        (nn.LayerNorm(4, elementwise_affine=False), (1, 3, 4), 2 * 12, 4 * 12),
    ],
)
def test_layers_by_hand(layer, shape, thop, fvcore):
    counts = count_module(nn.Sequential(layer), shape)
    assert (counts.thop_rule, counts.macs) == (thop, fvcore)


def test_subclasses_count_nothing_by_the_rule():
    class Own(nn.Linear):
        pass

    assert count_module(nn.Sequential(Own(3, 2)), (5, 3)).thop_rule == 0
    assert count_module(nn.Sequential(nn.Linear(3, 2)), (5, 3)).thop_rule == 30


def test_counting_leaves_the_network_as_it_was():
    network = Small()
    count_module(network, (1, 3, 8, 6))
    assert not any(layer._forward_hooks for layer in network.modules())
    assert network.norm.num_batches_tracked == 0
    assert torch.equal(network.norm.running_mean, torch.zeros(4))


def test_nothing_is_printed(capfd):
    count_module(Small(), (1, 3, 8, 6))
    assert capfd.readouterr() == ("", "")


def test_a_detector_at_its_evaluation_size_or_another():
    detector = spec(lambda: TorchDetector(Small()))
    assert count(detector).size == (8, 6)
    conv = 4 * 4 * 4 * 27
    assert count(detector, (4, 4)).by_operator["conv"] == conv
    # The normalisation in front of the network is seen and listed.
    assert count(detector).not_counted == {"div": 1, "max_pool2d": 1, "mean": 1, "sub": 1}


def test_no_network_no_count():
    assert count(spec(lambda: object())) is None


def test_a_size_that_it_cannot_take():
    detector = spec(lambda: TorchDetector(Small()), input_rule=InputRule(multiple_of=2))
    with pytest.raises(
        InputSizeError, match="small cannot take 7x8: both sides must be a multiple"
    ):
        count(detector, (7, 8))
