from __future__ import annotations

import copy
import logging
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.engine import accelerate as module_under_test
from harness.engine import onnx_session
from harness.engine.accelerate import TOLERANCE, accelerate, same_scores
from harness.engine.folded import ScoreFunction, fold_batch_norms, trace
from harness.engine.onednn import FusedConv, fused
from harness.errors import UsageError
from harness.registry.detectors import detector

CPU = torch.device("cpu")
NETWORKS = ("lfm", "npr", "gap", "gap-rgb")
SIZES = ((64, 64), (66, 98), (130, 90), (224, 48))


def lively(name: str) -> Any:
    """A detector whose batch norms do something and whose scores are not all the same."""
    torch.manual_seed(7)
    built = detector(name).build()
    for layer in built.module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, 0, 0.1)
            nn.init.uniform_(layer.running_var, 0.1, 0.5)
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias, 0, 0.2)
    built.module.eval()
    return built


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def contrasts(height: int, width: int) -> Tensor:
    """Three pictures with rather different scores."""
    return pictures(3, 3, height, width) * torch.tensor([0.2, 0.5, 1.0])[:, None, None, None]


def eager_scores(built: Any, images: Tensor) -> Tensor:
    with torch.inference_mode():
        scores: Tensor = built.score(images)
    return scores


def assert_equal(fast: ScoreFunction, built: Any, images: Tensor) -> None:
    given, expected = fast(images), eager_scores(built, images).double()
    assert given.dtype == torch.float64
    assert given.shape == (len(images),)
    assert bool(((given - expected).abs() <= TOLERANCE * expected.abs().clamp(min=1)).all())


def fused_module(built: Any) -> nn.Module:
    score: Any = fused(built, [pictures(2, 3, 64, 96)])
    module: nn.Module = score.__self__.module
    return module


def kinds(module: nn.Module) -> list[type]:
    return [type(layer) for layer in module.modules()]


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_eager(name: str, caplog: pytest.LogCaptureFixture) -> None:
    built = lively(name)
    fast = accelerate(built, device=CPU)
    assert not caplog.records
    odd = ((65, 71),) if name == "gap-rgb" else ()
    for height, width in (*SIZES, *odd):
        images = contrasts(height, width)
        assert_equal(fast, built, images)
        assert_equal(fast, built, images[:1])
        assert eager_scores(built, images).std() > 100 * TOLERANCE


@pytest.mark.parametrize(("name", "convolutions"), [("lfm", 5), ("npr", 24), ("gap-rgb", 5)])
def test_every_convolution_is_fused(name: str, convolutions: int) -> None:
    built = lively(name)
    assert kinds(built.module).count(nn.BatchNorm2d) > 0
    found = kinds(fused_module(built))
    assert found.count(FusedConv) == convolutions
    assert not {nn.Conv2d, nn.BatchNorm2d, nn.ReLU} & set(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_public_form_equals_eager(name: str, caplog: pytest.LogCaptureFixture) -> None:
    built = lively(name)
    fast = accelerate(built, device=CPU, runtime="torch-public")
    assert fast.form == "folded"
    assert not caplog.records
    for height, width in SIZES:
        images = contrasts(height, width)
        assert_equal(fast, built, images)
        assert_equal(fast, built, images[:1])


def test_public_form_without_a_graph_is_channels_last() -> None:
    built = OwnDetector(nn.Sequential(nn.Conv2d(3, 4, 3), Branching()))
    fast = accelerate(built, device=CPU, runtime="torch-public")
    assert fast.form == "channels_last"
    assert "folded form cannot be made" in fast.refused[0]
    assert_equal(fast, built, pictures(2, 3, 40, 56))


def test_public_form_folds_every_batch_norm() -> None:
    built = lively("npr")
    graph = trace(built, "folded")
    fold_batch_norms(graph)
    assert kinds(graph).count(nn.Conv2d) == kinds(built.module).count(nn.Conv2d)
    assert nn.BatchNorm2d not in kinds(graph)
    assert nn.BatchNorm2d in kinds(built.module)


def test_original_is_untouched_and_later_changes_stay_out() -> None:
    built = lively("lfm")
    built.module.train()
    before = copy.deepcopy(dict(built.module.state_dict()))
    layers = kinds(built.module)
    fast = accelerate(built, device=CPU)
    images = pictures(2, 3, 64, 64)
    scores = fast(images)
    assert built.module.training
    assert kinds(built.module) == layers
    assert all(parameter.requires_grad for parameter in built.network.fc1.parameters())
    for name, value in built.module.state_dict().items():
        assert torch.equal(value, before[name])
    built.module.eval()
    assert_equal(fast, built, images)  # eval mode although it was given in train mode
    with torch.no_grad():
        built.network.fc1.bias += 5
    assert torch.equal(fast(images), scores)


@pytest.mark.parametrize("name", ["lfm", "npr"])
def test_threads_do_not_disturb_each_other(name: str) -> None:
    fast = accelerate(lively(name), device=CPU)
    images = [pictures(1, 3, 64 + 2 * (seed % 3), 64, seed=seed) for seed in range(12)]
    alone = [fast(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fast, images * 3))
    assert all(map(torch.equal, together, alone * 3))


class OwnDetector:
    """A detector around any module."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval()

    def score(self, images: Tensor) -> Tensor:
        scores: Tensor = self.module(images).flatten(1).mean(1)
        return scores


class Sums(nn.Module):
    """Additions and activations written in the ways that networks write them."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.offset = nn.Parameter(torch.randn(1, 8, 1, 1))
        nn.init.uniform_(self.norm.running_var, 0.1, 0.5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images).relu()
        y = self.norm(self.second(x))
        form: dict[str, Any] = {
            "plus": lambda: torch.relu(y + x),
            "plus, no relu": lambda: x + y,
            "in place": lambda: nn.functional.relu(y.add_(x)),
            "in place on the other": lambda: (x.add_(y), x)[1] * x,
            "broadcast": lambda: torch.relu(y + self.offset),
            "constant": lambda: torch.relu(y + 1),
            "alpha": lambda: torch.add(y, x, alpha=2),
            "itself": lambda: torch.relu(y + y),
            "used twice": lambda: torch.relu(y + x) - y,
            "called twice": lambda: torch.relu(self.second(y) + x),
        }
        result: Tensor = form[self.form]()
        return result


FORMS = (
    "plus",
    "plus, no relu",
    "in place",
    "in place on the other",
    "broadcast",
    "constant",
    "alpha",
    "itself",
    "used twice",
    "called twice",
)


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_addition(form: str, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(3)
    built = OwnDetector(Sums(form))
    assert_equal(accelerate(built, device=CPU), built, pictures(2, 3, 40, 56))
    assert not caplog.records  # by the fused form, not by falling back


def test_augmented_addition_writes_where_it_should() -> None:
    class Augmented(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, images: Tensor) -> Tensor:
            left, right = self.first(images), self.second(images)
            kept = left.abs()
            left += right
            return left.relu() * kept

    built = OwnDetector(Augmented())
    assert_equal(accelerate(built, device=CPU), built, pictures(2, 3, 40, 56))


@pytest.mark.parametrize("padding", ["same", "reflect"])
def test_unusual_padding_is_left_alone(padding: str) -> None:
    conv = (
        nn.Conv2d(3, 4, 3, padding="same")
        if padding == "same"
        else nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")
    )
    built = OwnDetector(nn.Sequential(conv, nn.ReLU()))
    assert nn.Conv2d in kinds(fused_module(built))
    assert_equal(accelerate(built, device=CPU), built, pictures(2, 3, 40, 56))


class Branching(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if images.mean() > 0.5 else -images


def test_what_cannot_be_traced_runs_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    built = OwnDetector(Branching())
    fast = accelerate(built, device=CPU)
    assert "OwnDetector" in caplog.text
    assert "cannot be made" in caplog.text
    assert len(caplog.records) == 1
    for images in (pictures(2, 3, 8, 8) / 4, 1 - pictures(2, 3, 8, 8) / 4):
        assert torch.equal(fast(images), eager_scores(built, images).double())


def test_other_scores_are_noticed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = FusedConv.forward
    monkeypatch.setattr(FusedConv, "forward", lambda *args: right(*args) * 1.01)
    built = lively("npr")
    fast = accelerate(built, device=CPU)
    assert "gives other scores" in caplog.text
    images = pictures(2, 3, 64, 64)
    assert torch.equal(fast(images), eager_scores(built, images).double())


class OneSize(nn.Module):
    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, images: Tensor) -> Tensor:
        torch._assert(images.shape[-1] == self.side, "takes one size")
        return self.conv(images).relu()


def test_a_network_of_one_size(caplog: pytest.LogCaptureFixture) -> None:
    built = OwnDetector(OneSize(224))
    assert_equal(accelerate(built, device=CPU), built, pictures(1, 3, 224, 224))
    assert not caplog.records
    built = OwnDetector(OneSize(30))
    assert_equal(accelerate(built, device=CPU), built, pictures(1, 3, 30, 30))
    assert "takes none of the sizes" in caplog.text


def test_without_a_module_score_is_called() -> None:
    chance = detector("chance").build()
    images = pictures(4, 3, 20, 31)
    for runtime_device in (CPU, torch.device("meta")):
        scores = accelerate(chance, device=runtime_device)(images)
        assert torch.equal(scores, chance.score(images))
        assert scores.dtype == torch.float64


def test_bf16_is_near_but_other() -> None:
    built = lively("npr")
    images = pictures(2, 3, 64, 64)
    exact = eager_scores(built, images).double()
    scores = accelerate(built, device=CPU, precision="bf16")(images)
    assert not same_scores(scores, exact)
    assert torch.allclose(scores, exact, rtol=0.1, atol=0.1)


def test_device_path_gives_the_same_scores() -> None:
    # The code that a GPU runs, on the only device that is everywhere.
    built = lively("lfm")
    fast = module_under_test._on_device(copy.deepcopy(built), CPU, "fp32")
    assert_equal(fast, built, pictures(2, 3, 64, 66))


def test_same_scores_is_relative_to_the_logit() -> None:
    slow = torch.tensor([0.0, 100.0])
    assert same_scores(slow + torch.tensor([0.9e-4, 0.9e-2]), slow)
    assert not same_scores(slow + torch.tensor([1.1e-4, 0.0]), slow)
    assert not same_scores(slow + torch.tensor([0.0, 1.1e-2]), slow)
    assert not same_scores(slow + float("nan"), slow)
    assert not same_scores(slow[:1], slow)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"precision": "fp8"}, "fp8"),
        ({"runtime": "openvino"}, "openvino"),
        ({"runtime": "onnxruntime", "precision": "bf16"}, "bf16"),
        ({"runtime": "onnxruntime", "device": torch.device("cuda")}, "cuda"),
    ],
)
def test_impossible_options(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        accelerate(detector("chance").build(), **{"device": CPU, **options})


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(onnx_session, "importlib", SimpleNamespace(import_module=absent))
    with pytest.raises(UsageError, match="onnx") as caught:
        accelerate(detector("lfm").build(), device=CPU, runtime="onnxruntime")
    assert ".[onnx]" in caught.value.hint


@pytest.fixture
def onnxruntime() -> None:
    if not onnx_session.installed():
        pytest.skip("the extra onnx is not installed")


@pytest.mark.parametrize("name", ["lfm", "npr", "gap-rgb"])
@pytest.mark.usefixtures("onnxruntime")
def test_onnxruntime_equals_eager(name: str, caplog: pytest.LogCaptureFixture) -> None:
    built = lively(name)
    caplog.set_level(logging.WARNING, "harness")
    fast = accelerate(built, device=CPU, runtime="onnxruntime")
    assert not [record for record in caplog.records if record.name.startswith("harness")]
    odd = ((65, 71),) if name == "gap-rgb" else ()
    for height, width in (*SIZES, *odd):
        images = contrasts(height, width)
        assert_equal(fast, built, images)
        assert_equal(fast, built, images[:1])
    with ThreadPoolExecutor(4) as pool:
        one = pictures(1, 3, 64, 64)
        assert len({float(score) for score in pool.map(fast, [one] * 12)}) == 1


@pytest.mark.usefixtures("onnxruntime")
def test_what_onnx_cannot_export_falls_back_to_torch(caplog: pytest.LogCaptureFixture) -> None:
    built = OwnDetector(Branching())
    fast = accelerate(built, device=CPU, runtime="onnxruntime")
    assert "session form cannot be made" in caplog.text
    images = pictures(2, 3, 8, 8) / 4
    assert torch.equal(fast(images), eager_scores(built, images).double())
