"""Each condition on the network against the same thing written out with torch."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.api import InputRule, TorchDetector
from harness.diagnosis import changes
from harness.diagnosis import network_family as family
from harness.diagnosis.condition import View
from harness.engine.plain import Plain
from harness.engine.seeding import seeded
from harness.errors import DetectorError, InputSizeError
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

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def normal(x: Tensor) -> Tensor:
    return (x - MEAN) / STD


FOUND = catalogue(family, about())


def test_the_catalogue_of_a_network_with_batch_norm_and_dropout() -> None:
    assert set(FOUND) == {
        *(f"batch_norm({n})" for n in (1, 8, 16, 32, 64, 128)),
        *(f"eval() not called({n})" for n in (1, 16, 32, 64)),
        *("dropout", "autocast(bf16)", "autocast(fp16)"),
        *("weights(bf16)", "weights(fp16)", "weights(fp64)"),
        *("flipped", "mean of both flips", "mean of flips and quarter turns"),
        *(f"mean of {of} of {n} crops(224)" for of in ("logits", "probabilities") for n in (5, 10)),
        *("at random(all)", "at random(head)", "at random(all but the head)"),
    }
    for name, condition in FOUND.items():
        assert isinstance(condition.act, View)
        assert condition.act.variation == ("" if name == "autocast(bf16)" else name)
        drawn = name.startswith(("eval()", "dropout", "at random"))
        assert condition.random == drawn
        batch = int(name.split("(")[-1][:-1]) if name.startswith(("batch", "eval")) else 0
        assert condition.act.batch == batch


def with_batch_statistics(net: Small, x: Tensor) -> Tensor:
    seen = net.conv(x)
    mean = seen.mean((0, 2, 3), keepdim=True)
    variance = ((seen - mean) ** 2).mean((0, 2, 3), keepdim=True)
    shaped = (1, -1, 1, 1)
    scaled = (seen - mean) / (variance + 1e-5).sqrt() * net.norm.weight.view(shaped)
    logits: Tensor = net.fc(torch.relu(scaled + net.norm.bias.view(shaped)).mean((2, 3)))
    return logits


def test_batch_norm_takes_the_batchs_own_statistics_and_none_of_the_batches_before() -> None:
    loaded, x = weights(), pictures()
    made = scorer(FOUND["batch_norm(8)"], loaded=loaded)
    first = made.pixels(x, "a")
    near(first, with_batch_statistics(network(loaded), normal(x)))
    made.pixels(x * 0.1, "a")
    assert (made.pixels(x, "a") == first).all()
    assert abs(first - made.pixels(x[:3], "a").repeat(2)).max() > 1e-3
    assert abs(first - scores(None, x, loaded=loaded)).max() > 1e-3


def test_batch_norm_of_single_pictures() -> None:
    loaded, x = weights(), pictures()
    made = scorer(FOUND["batch_norm(1)"], loaded=loaded)
    for image in torch.split(x, 1):
        near(made.pixels(image, "a"), with_batch_statistics(network(loaded), normal(image)))


class Flat(nn.Module):
    """Its batch norm sees maps of one place, which torch refuses of a single picture."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.norm(x.mean((2, 3), keepdim=True)).flatten(1))
        return logits


def test_what_torch_refuses_is_an_error_with_the_conditions_name() -> None:
    spec = under(SPEC, build=lambda: TorchDetector(Flat()))
    found = catalogue(family, about(spec))
    with pytest.raises(DetectorError, match=r"small cannot be run under batch_norm\(1\)"):
        scorer(found["batch_norm(1)"], spec)
    made = scorer(found["batch_norm(8)"], spec)
    with pytest.raises(DetectorError, match=r"under batch_norm\(8\): the last one"):
        made.pixels(pictures(1), "the last one")


def test_eval_not_called_is_batch_norm_and_dropout() -> None:
    loaded, x = weights(), pictures()
    made = scorer(FOUND["eval() not called(16)"], loaded=loaded)
    given = made.pixels(x, "a")
    net = network(loaded).train()
    with seeded(zlib.crc32(x.numpy().tobytes())):
        near(given, net(normal(x)))
    assert abs(given - scores(FOUND["batch_norm(16)"], x, loaded=loaded)).max() > 1e-3


def test_dropout_draws_anew_for_other_pictures_and_alike_for_equal_ones() -> None:
    loaded, x = weights(), pictures()
    made = scorer(FOUND["dropout"], loaded=loaded)
    state = torch.get_rng_state()
    first = [made.pixels(image, "a")[0] for image in torch.split(x, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    assert [made.pixels(image, "a")[0] for image in reversed(torch.split(x, 1))] == first[::-1]
    net, expected = network(loaded), []
    net.drop.train()
    for image in torch.split(x, 1):
        with seeded(zlib.crc32(image.numpy().tobytes())):
            expected.append(net(normal(image)))
    near(first, torch.cat(expected))


def test_dropout_reaches_lfms_own() -> None:
    spec = registry.detector("lfm")
    loaded, x = weights(spec, "released"), pictures(2, 64, 64)
    found = catalogue(family, about(spec, variant="released"))
    assert "eval() not called(1)" in found
    dropped = scores(found["dropout"], x, spec, loaded)
    assert abs(dropped - scores(None, x, spec, loaded)).max() > 1e-4


def half(net: Small, x: Tensor, dtype: torch.dtype) -> Tensor:
    logits: Tensor = net.to(dtype)((x.to(dtype) - MEAN.to(dtype)) / STD.to(dtype))
    return logits


def auto(net: Small, x: Tensor, dtype: torch.dtype) -> Tensor:
    with torch.autocast("cpu", dtype=dtype):
        logits: Tensor = net(normal(x))
    return logits


PRECISIONS: dict[str, tuple[Callable[[Small, Tensor, torch.dtype], Tensor], torch.dtype]] = {
    "autocast(bf16)": (auto, torch.bfloat16),
    "autocast(fp16)": (auto, torch.float16),
    "weights(bf16)": (half, torch.bfloat16),
    "weights(fp16)": (half, torch.float16),
    "weights(fp64)": (half, torch.float64),
}


@pytest.mark.parametrize("name", PRECISIONS)
def test_precision(name: str) -> None:
    loaded, x = weights(), pictures()
    of, dtype = PRECISIONS[name]
    given = scores(FOUND[name], x, loaded=loaded)
    near(given, of(network(loaded), x, dtype), atol=1e-6)
    assert not (given == scores(None, x, loaded=loaded)).all()


class Spectral(nn.Module):
    """No processor's torch has this transform for halves."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.fft.rfft2(x).abs().mean((2, 3)))
        return logits


def test_a_precision_that_cannot_be_run_says_so_when_it_is_built() -> None:
    spec = under(SPEC, build=lambda: TorchDetector(Spectral()))
    condition = catalogue(family, about(spec))["weights(bf16)"]
    with pytest.raises(DetectorError, match=r"cannot be run under weights\(bf16\)"):
        scorer(condition, spec)


def test_flips_and_turns() -> None:
    loaded, x = weights(), pictures()
    net = network(loaded)
    near(scores(FOUND["flipped"], x, loaded=loaded), net(normal(x.flip(3))))
    both = torch.stack([net(normal(view)) for view in (x, x.flip(3))]).mean(0)
    near(scores(FOUND["mean of both flips"], x, loaded=loaded), both)
    turned = [v.rot90(k, (2, 3)) for v in (x, x.transpose(2, 3)) for k in range(4)]
    all_eight = torch.stack([net(normal(view)) for view in turned]).mean(0)
    near(scores(FOUND["mean of flips and quarter turns"], x, loaded=loaded), all_eight)


def five(x: Tensor, side: int) -> list[Tensor]:
    height, width = x.shape[2:]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return [
        x[:, :, :side, :side],
        x[:, :, :side, -side:],
        x[:, :, -side:, :side],
        x[:, :, -side:, -side:],
        x[:, :, top : top + side, left : left + side],
    ]


def test_means_over_crops() -> None:
    loaded, x = weights(), pictures(2, 250, 231)
    net = network(loaded)
    logits = torch.cat([net(normal(view)) for view in five(x, 224)], 1)
    mirrored = torch.cat([net(normal(view)) for view in five(x.flip(3), 224)], 1)
    ten = torch.cat([logits, mirrored], 1)
    for count, of in ((5, logits), (10, ten)):
        near(scores(FOUND[f"mean of logits of {count} crops(224)"], x, loaded=loaded), of.mean(1))
        mean = torch.logit(of.double().sigmoid().mean(1))
        name = f"mean of probabilities of {count} crops(224)"
        near(scores(FOUND[name], x, loaded=loaded), mean, atol=1e-5)
    small = pictures(2, 224, 100)
    whole = scores(FOUND["mean of logits of 5 crops(224)"], small, loaded=loaded)
    near(whole, net(normal(small)))


def test_the_mean_of_probabilities_that_round_to_one_is_a_number() -> None:
    far = torch.tensor([[90.0, 80.0], [-900.0, -800.0]])
    given = changes.mean_of_probabilities(far)
    near(given, torch.tensor([80 + np.log(2), -800 - np.log(2)]))


def test_crops_in_place_of_a_last_centre_crop() -> None:
    only = under(SPEC, input_rule=InputRule.only(32, "32x32 only"))
    found = catalogue(family, about(only, geometry="resize(40,40)|center_crop(32)"))
    condition = found["mean of logits of 5 crops(32)"]
    assert isinstance(condition.act, View)
    assert condition.act.preprocess == "resize(40,40)"
    loaded, x = weights(), pictures(2, 40, 21)
    given = scores(condition, x, only, loaded)
    padded = nn.functional.pad(x, (5, 6))
    net = network(loaded)
    near(given, torch.cat([net(normal(view)) for view in five(padded, 32)], 1).mean(1))
    with pytest.raises(InputSizeError):
        scores(None, x, only, loaded)
    alone = catalogue(family, about(only, geometry="center_crop(32)"))
    assert alone[condition.name].act.preprocess == "native"  # type: ignore[union-attr]
    assert "five and ten crops" in absent(family, about(only, geometry="resize(32,32)"))


def test_weights_at_random() -> None:
    loaded, x = weights(), pictures()
    with seeded(0):
        new = SPEC.build().state_dict()
    for part, of in (
        ("all", lambda name: True),
        ("head", lambda name: name.startswith("fc.")),
        ("all but the head", lambda name: not name.startswith("fc.")),
    ):
        net = network(loaded)
        net.load_state_dict({n: new[n] if of(n) else loaded.state[n] for n in new})
        near(scores(FOUND[f"at random({part})"], x, loaded=loaded), net(normal(x)))


class QuickGELU(nn.Module):
    """OpenAI's."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def test_exact_gelu() -> None:
    assert "exact GELU" not in FOUND

    def build(gelu: type[nn.Module] = QuickGELU) -> TorchDetector:
        return TorchDetector(nn.Sequential(nn.Conv2d(3, 1, 5, stride=9), gelu(), nn.Flatten()))

    spec = under(SPEC, build=build)
    loaded = weights(spec)
    condition = catalogue(family, about(spec))["exact GELU"]
    x = pictures(4, 5, 5)
    assert not absent(family, about(spec)).get("exact GELU")
    exact = build(nn.GELU)
    exact.load_state_dict(loaded.state)
    near(scores(condition, x, spec, loaded), exact.score(x).detach(), atol=1e-6)
    assert not np.allclose(scores(None, x, spec, loaded), exact.score(x).detach(), atol=1e-6)


def test_published_scores_are_bit_equal_before_and_after() -> None:
    loaded, x = weights(), pictures()
    before = scores(None, x, loaded=loaded)
    for condition in FOUND.values():
        scores(condition, x, loaded=loaded)
    assert (scores(None, x, loaded=loaded) == before).all()


def test_what_has_no_network_says_so() -> None:
    chance = about(registry.detector("chance"))
    assert not catalogue(family, chance)
    assert "no torch network" in absent(family, chance)["network"]
    with pytest.raises(DetectorError, match="no torch network"):
        Plain(object(), "dropout")


def test_a_network_without_batch_norm_or_dropout_says_so() -> None:
    spec = under(SPEC, build=lambda: TorchDetector(Spectral()))
    assert {"batch_norm(...)", "dropout"} <= set(absent(family, about(spec)))
    assert not any("norm" in name or "eval" in name for name in catalogue(family, about(spec)))
