"""Backbones that detectors of one run share: kept once, asked once, and the same scores."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.api import DetectorSpec, InputRule, ScoreSpec, TorchDetector, Weights
from harness.api.torchvision import ensure_torchvision
from harness.checkpoints.files import LoadedWeights, read_files
from harness.engine import towers
from harness.engine.scorer import CPU, Compute, Scorer
from harness.engine.towers import Towers
from harness.results.records import WeightsRef
from tests.conftest import write_images

CALLS: list[str] = []


class Tower(nn.Module):
    """A backbone that cannot be rewritten, as vision transformers cannot."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.inner = nn.Linear(12, 40)

    def forward(self, x: Tensor) -> Tensor:
        CALLS.append("tower")
        if float(x.mean()) > 9:  # fx cannot trace it
            return x
        found: Tensor = self.inner(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))
        return found


class Head(nn.Module):
    def __init__(self, seed: int, scale: float) -> None:
        super().__init__()
        self.tower, self.scale = Tower(seed), scale

    def forward(self, x: Tensor) -> Tensor:
        return self.tower(x).sum(1, keepdim=True) * self.scale


def spec(name: str, seed: int, scale: float) -> DetectorSpec:
    return DetectorSpec(
        name=name,
        title=name,
        family="control",
        build=lambda: TorchDetector(Head(seed, scale)),
        score=ScoreSpec(kind="logit", threshold=0.0),
        geometry={"*": "native"},
        input_rule=InputRule(smallest=(2, 2)),
        citation="nobody",
    )


def scorer(of: DetectorSpec, shared: Towers | None) -> Scorer:
    loaded = LoadedWeights(state={}, ref=WeightsRef())
    return Scorer(of, loaded, Compute(device=CPU), shared)


def images(seed: int) -> Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_equal_backbones_are_kept_once_and_asked_once(caplog: pytest.LogCaptureFixture) -> None:
    shared = Towers(smallest=400)
    specs = [spec("one", 1, 1.0), spec("two", 1, -2.0)]
    with caplog.at_level(logging.INFO):
        together = [scorer(each, shared) for each in specs]
    assert shared.shared == [("two", "Tower", 520, "one")]
    assert "one and two share one Tower of 520 parameters" in caplog.text
    alone = [scorer(each, None) for each in specs]
    for seed in (3, 4, 3):
        expected = [each.pixels(images(seed), "image")[0] for each in alone]
        CALLS.clear()
        assert [each.pixels(images(seed), "image")[0] for each in together] == expected
        assert CALLS == ["tower"]  # the second head took what the first had asked for


def test_other_numbers_or_another_form_are_not_shared() -> None:
    shared = Towers(smallest=400)
    scorer(spec("one", 1, 1.0), shared)
    keep = scorer(spec("two", 2, 1.0), shared)
    assert shared.shared == []
    assert keep.pixels(images(1), "image").shape == (1,)


@pytest.mark.parametrize("what", ["option", "hidden buffer", "hook"])
def test_equal_weights_that_are_used_otherwise_are_not_shared(what: str) -> None:
    shared = Towers(smallest=400)
    one, two = (TorchDetector(Head(1, 1.0)) for _ in range(2))
    for number, each in enumerate((one, two)):
        tower = each.network.tower.inner
        if what == "option":
            tower.mode = number
        elif what == "hidden buffer":
            tower.register_buffer("shift", torch.tensor(float(number)), persistent=False)
        elif number:
            tower.register_forward_hook(lambda *_: None)
    shared.adopt(one, "one")
    shared.adopt(two, "two")
    assert shared.shared == []


def test_what_is_small_is_not_looked_at() -> None:
    shared = Towers(smallest=1000)
    kept = [scorer(spec(name, 1, 1.0), shared) for name in ("one", "two")]
    assert (shared.shared, shared.modules, len(kept)) == ([], [], 2)


def test_a_network_that_nobody_uses_is_let_go() -> None:
    shared = Towers(smallest=400)
    detector = spec("one", 1, 1.0).build()
    shared.adopt(detector, "one")
    assert [type(each).__name__ for each in shared.modules] == ["Head", "Tower", "Linear"]
    del detector
    gc.collect()
    assert shared.modules == []


def test_a_run_shares_and_scores_as_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import harness

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(towers, "SMALLEST", 400)
    monkeypatch.setattr(Towers.__init__, "__defaults__", (400,))
    code = (
        "from tests.test_towers import spec\n"
        "ONE, TWO = spec('tower-one', 1, 1.0), spec('tower-two', 1, -2.0)\n"
    )
    (tmp_path / "heads.py").write_text(code)
    write_images(tmp_path / "photos/0_real", range(3))
    write_images(tmp_path / "photos/1_fake", range(3, 6))
    with caplog.at_level(logging.INFO):
        both = harness.evaluate("heads.py:ONE,heads.py:TWO", images="photos", out="both")
    assert "share one Tower" in caplog.text
    found: Any = both.frame("images").set_index(["detector", "id"])["score"]
    for name, place in (("tower-one", "ONE"), ("tower-two", "TWO")):
        alone = harness.evaluate(f"heads.py:{place}", images="photos", out=place)
        expected = alone.frame("images").set_index("id")["score"]
        assert found[name].to_dict() == expected.to_dict()


def test_clip_is_one_for_heads_on_it() -> None:
    """UniversalFakeDetect and D3 read one layer of one crop: the tower is asked once for it."""
    ensure_torchvision()
    pytest.importorskip("open_clip")
    from baselines import d3, ojha
    from tests.baselines.test_ojha import SMALL

    one, two = ojha.build(sizes=SMALL), d3.build(sizes=SMALL)
    two.network.model.visual.load_state_dict(one.network.model.visual.state_dict())
    for each in (one, two):
        each.module.eval()
    crop = torch.rand(1, 3, SMALL.side, SMALL.side)
    with torch.inference_mode():
        expected = [one.score(crop), two.score(crop)]
        shared = Towers(smallest=10_000)
        shared.adopt(one, "ojha")
        shared.adopt(two, "d3")
        assert [(new, old) for new, _, _, old in shared.shared] == [("d3", "ojha")]
        assert two.network.model.visual is one.network.model.visual
        asked: list[Tensor] = []
        inner = one.network.model.visual.transformer.forward
        plain = inner.forward
        inner.forward = lambda x: (asked.append(x), plain(x))[1]
        found = [two.score(crop), one.score(crop)]
    assert torch.equal(found[0], expected[1]) and torch.equal(found[1], expected[0])
    assert len(asked) == 2  # D3's two pictures; the plain one served the other head as well


def test_cost_says_what_is_shared() -> None:
    from harness.commands._cost import shared_files
    from harness.registry import detectors as registry

    known = registry.detectors()
    assert shared_files([known["ojha"], known["d3"], known["npr"]]) == {
        "ViT-L-14.pt": ["ojha", "d3"]
    }


def test_a_file_is_read_once_for_all_that_hold_it(tmp_path: Path) -> None:
    file = tmp_path / "tower.pth"
    torch.save({"a": torch.zeros(3)}, file)
    entries = [
        Weights(name=name, filename=file.name, url="", sha256="", licence="", trained_on="",
                mapping=lambda key, to=name: f"{to}.{key}")
        for name in ("one", "two")
    ]  # fmt: skip
    first, second = (read_files(each, [file]) for each in entries)
    assert first["one.a"].data_ptr() == second["two.a"].data_ptr()
    torch.save({"a": torch.ones(3)}, file)
    assert read_files(entries[0], [file])["one.a"].tolist() == [1, 1, 1]  # of what is there now
