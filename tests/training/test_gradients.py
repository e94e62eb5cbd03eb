"""A batch in parts, other precisions: the same training, as far as floats go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from harness.data.sample import Manifest
from harness.errors import UsageError
from harness.training import run_folder, session
from harness.training.gradients import Gradients, MicroBatch
from harness.training.outcome import Trained
from harness.training.processes import Stop
from harness.training.request import Numerics, Training, refuse_contradictions
from tests.training import tiny

# 37 images in batches of 8: the last one has 5, which no even number of parts divides.
UNEVEN = replace(tiny.RECIPE, batch_size=8, epochs=2, eps=1e-3)


def plain(train: Manifest, val: Manifest, **changes: Any) -> Training:
    few = Manifest("few", train.samples[:37])
    wanted = {"recipe": UNEVEN, "detector": tiny.PlainDetector, **changes}
    return tiny.training(few, val, **wanted)


def near(first: Trained, second: Trained, tolerance: float) -> None:
    for name, value in first.state.items():
        torch.testing.assert_close(second.state[name], value, rtol=0, atol=tolerance)


@pytest.mark.parametrize("optimiser", ["adam", "sam"])
@pytest.mark.parametrize("parts", [2, 3, 8])
def test_a_batch_in_parts_trains_like_the_whole(
    train: Manifest, val: Manifest, parts: int, optimiser: str
) -> None:
    # Of the last batch, 5 images in 8 parts, three parts are empty.
    recipe = replace(UNEVEN, optimiser=optimiser)
    whole = tiny.descend(plain(train, val, recipe=recipe))
    dealt = tiny.descend(plain(train, val, recipe=recipe, numerics=Numerics(accumulate=parts)))
    near(dealt, whole, 1e-5)
    for one, other in zip(dealt.epochs, whole.epochs, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-6)


def test_parts_weigh_what_their_images_do() -> None:
    detector = tiny.PlainDetector(tiny.PlainNetwork())
    images, labels = torch.rand(5, 3, 8, 8), torch.tensor([0.0, 1, 1, 0, 1])
    numerics = Numerics(accumulate=2)
    scaler = numerics.scaler(tiny.CPU.device)
    gradients = Gradients(detector, scaler, numerics, tiny.CPU, Stop())

    def gradient(cuts: list[slice], shares: list[float]) -> tuple[float, Tensor]:
        detector.module.zero_grad()
        parts = [
            MicroBatch(images=images[cut], labels=labels[cut], share=share, draws=0)
            for cut, share in zip(cuts, shares, strict=True)
        ]
        loss = gradients.add(parts)
        return loss, detector.module.network.fc.weight.grad.clone()

    loss, whole = gradient([slice(5)], [1.0])
    cuts = [slice(3), slice(3, 5)]
    loss_of_parts, dealt = gradient(cuts, [0.6, 0.4])
    torch.testing.assert_close(dealt, whole)
    assert loss_of_parts == pytest.approx(loss)
    _, unweighted = gradient(cuts, [0.5, 0.5])
    assert not torch.allclose(unweighted, whole)


class Notebook(tiny.TinyDetector):
    """Writes down the noise that every part draws."""

    drawn: ClassVar[list[Tensor]] = []

    def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        self.drawn.append(torch.rand(3, generator=generator))
        return super().loss(images, labels, generator)


def test_every_part_draws_its_own(train: Manifest, val: Manifest) -> None:
    def drawn(parts: int) -> list[tuple[float, ...]]:
        Notebook.drawn.clear()
        numerics = Numerics(accumulate=parts)
        tiny.descend(tiny.training(train, val, detector=Notebook, numerics=numerics))
        return [tuple(noise.tolist()) for noise in Notebook.drawn]

    one, two = drawn(1), drawn(2)
    assert len(set(two)) == 30
    assert two[::2] == one  # the first part draws as the whole batch does


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", "bfloat16"), ("fp16", "float16")])
def test_narrow_precision_reaches_the_network_and_trains(
    train: Manifest, val: Manifest, precision: Any, dtype: str
) -> None:
    seen = set()

    class Looking(tiny.PlainDetector):
        def score(self, images: Tensor) -> Tensor:
            logits = super().score(images)
            seen.add((self.module.training, str(logits.dtype)))
            return logits

    training = plain(train, val, detector=Looking, numerics=Numerics(precision=precision))
    narrow = tiny.descend(training)
    assert seen == {(True, f"torch.{dtype}"), (False, "torch.float32")}  # validation is fp32
    assert all(value.dtype == torch.float32 for value in narrow.state.values())
    whole = tiny.descend(plain(train, val))
    assert not tiny.equal(narrow, whole)
    near(narrow, whole, 0.02)


def test_fp16_leaves_out_a_step_that_overflows_and_goes_on(train: Manifest, val: Manifest) -> None:
    class Steep(tiny.PlainDetector):
        passes = 0

        def loss(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
            type(self).passes += 1
            value = super().loss(images, labels, generator)
            # The gradient, not the loss, is too large once.
            return value + (1e38 * (value - value.detach()) if self.passes == 2 else 0)

    training = plain(train, val, detector=Steep, numerics=Numerics(precision="fp16"))
    trained = tiny.descend(training)
    assert all(torch.isfinite(value).all() for value in trained.state.values())


def test_the_record_and_identity_say_how_gradients_were_computed(
    train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    one = plain(train, val)
    record = session.run(one, tmp_path, tiny.CPU)
    assert record["numerics"] == {
        "precision": "fp32",
        "accumulate": 1,
        "processes": 1,
        "sync_bn": False,
    }
    other = replace(one, numerics=Numerics(precision="bf16", accumulate=2))
    assert run_folder.differences(record, session.identity(other)) == [
        "numerics.accumulate: 1 there, 2 asked",
        "numerics.precision: fp32 there, bf16 asked",
    ]
    # A run of before there was a choice is one of the defaults.
    old = {k: v for k, v in record.items() if k not in ("numerics", "on_bad_image")}
    assert run_folder.differences(old, session.identity(one)) == []


@pytest.mark.parametrize(
    ("numerics", "recipe", "message"),
    [
        ({"precision": "fp16"}, {"optimiser": "sam"}, "--precision bf16"),
        ({"accumulate": 9}, {}, "--batch-size 9"),
        ({"processes": 2, "accumulate": 5}, {}, "2 processes x accumulate 5"),
        ({"sync_bn": True, "processes": 2}, {}, "on cpu"),
    ],
)
def test_what_does_not_go_together_is_refused(
    train: Manifest, val: Manifest, numerics: Any, recipe: Any, message: str
) -> None:
    training = plain(train, val, recipe=replace(UNEVEN, **recipe), numerics=Numerics(**numerics))
    with pytest.raises(UsageError) as caught:
        refuse_contradictions(training, tiny.CPU.device)
    assert message in str(caught.value)
