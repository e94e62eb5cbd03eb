"""Effort, both forms: parity with the authors' numbers, strictness, the split of the matrices."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines import _clip
from baselines._svd_clip import PARTS, SplitLinear, split
from baselines.c2p_clip import from_transformers
from baselines.effort import SPEC, UNIVFD_SPEC, build, build_univfd
from harness.checkpoints.files import read_state
from harness.data.preprocess import parse
from harness.engine import contracts
from tests.baselines.small_clip import SMALL, in_small, meta_state, on_cpu_normalisation, on_meta
from tests.goldens.stored import close, golden, keys, keys_of, preprocessing_is_exact, published

TEXT = ("model.text_model.", "model.logit_scale", "model.text_projection.")
UNUSED = (*TEXT, "model.visual_projection.")
LAYER = "backbone.encoder.layers.0.self_attn"


def test_names_and_shapes_are_the_published_files() -> None:
    detector = on_meta(build)
    names = [name for name, *_ in keys("effort")]
    assert sorted(keys_of(detector.state_dict())) == sorted(keys("effort"))
    assert len(names) == 681
    # The digest that a third party published of the GenImage file's names, in its order.
    text = "\n".join(f"module.{name}" for name in names)
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "1782f72f07007cebae76a0f315845f1c60456d9223d47c8ce2f35a8f43816da7"
    )
    parameters = list(detector.module.parameters())
    assert sum(p.numel() for p in parameters) == 303_378_530
    assert sum(p.numel() for p in parameters if p.requires_grad) == 198_754


def test_names_of_the_benchmarks_form_are_its_image_sides() -> None:
    expected = {n: shape for n, shape, _ in keys("effort_univfd") if not n.startswith(UNUSED)}
    detector = on_meta(build_univfd)
    assert {n: tuple(v.shape) for n, v in detector.state_dict().items()} == expected
    whole = meta_state("effort_univfd")
    assert len(whole) == 880
    detector.load_state_dict(whole)
    del whole["model.vision_model.encoder.layers.3.self_attn.q_proj.S_residual"]
    with pytest.raises(RuntimeError, match="S_residual"):
        detector.load_state_dict(whole)


def _lacks(state: dict[str, Tensor]) -> None:
    del state[f"{LAYER}.k_proj.U_residual"]


def _has_what_the_released_class_never_uses(state: dict[str, Tensor]) -> None:
    state[f"{LAYER}.k_proj.S_r"] = torch.zeros(1023)


def _names_the_main_part_weight(state: dict[str, Tensor]) -> None:
    state[f"{LAYER}.k_proj.weight"] = state.pop(f"{LAYER}.k_proj.weight_main")


@pytest.mark.parametrize(
    "change", [_lacks, _has_what_the_released_class_never_uses, _names_the_main_part_weight]
)
def test_what_the_release_skips_without_a_word_is_refused(change: Any) -> None:
    detector = build(sizes=SMALL)
    state = dict(detector.state_dict())
    change(state)
    with pytest.raises(RuntimeError, match=r"self_attn\.k_proj"):
        detector.load_state_dict(state)


def test_a_file_whose_names_begin_with_module_is_read(tmp_path: Path) -> None:
    detector, other = build(sizes=SMALL), build(sizes=SMALL)
    path = tmp_path / "effort.pth"
    torch.save({f"module.{n}": v for n, v in detector.state_dict().items()}, path)
    other.load_state_dict(read_state(path))
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        close(other.score(images), detector.score(images).numpy(), atol=0)
    with pytest.raises(RuntimeError, match=r"module\.head\.bias"):
        detector.load_state_dict(torch.load(path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make"), [("effort", build), ("effort_univfd", build_univfd)], ids=["two", "one"]
)
def test_goldens(name: str, make: Any) -> None:
    gold, detector = golden(name), make()
    detector.load_state_dict(published(name))
    with torch.no_grad():
        features = detector.network.features(torch.from_numpy(gold["input"]))
        close(features, gold["feat_chirp"])
        head = detector.network.head if name == "effort" else detector.network.fc
        close(head(features), gold["logits_chirp"])
        for extra in ("odd", "tiny"):
            logits = detector.network(torch.from_numpy(gold[f"{extra}_input"]))
            close(logits, gold[f"logits_{extra}_chirp"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    """OpenCV's resize; tiles and a centre crop. CLIP's statistics."""
    preprocessing_is_exact("effort", SPEC, "genimage", on_cpu_normalisation(SPEC), 1e-6)
    normalise = on_cpu_normalisation(UNIVFD_SPEC)
    preprocessing_is_exact("effort_univfd", UNIVFD_SPEC, "ufd", normalise, 1e-6)


def test_short_sides_are_tiled_up_to_256_and_not_to_224() -> None:
    """No golden has a side between: with 224, this one would not be tiled."""
    image = np.arange(240 * 300 * 3, dtype=np.uint32).astype(np.uint8).reshape(240, 300, 3)
    prepared = parse(UNIVFD_SPEC.preprocess_for("ufd"))(image)
    assert np.array_equal(prepared, np.tile(image, (2, 1, 1))[128:352, 38:262])


def test_a_split_matrix_is_the_matrix() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(16, 16), torch.randn(5, 16)
    parts = split(weight)
    assert parts["S_residual"].item() == pytest.approx(torch.linalg.svdvals(weight)[-1].item())
    assert torch.linalg.matrix_rank(parts["weight_main"], rtol=1e-4) == 15
    layer = SplitLinear(16)
    layer.load_state_dict({**parts, "bias": torch.arange(16.0)})
    close(layer(x), (x @ weight.T + torch.arange(16.0)).numpy())


def openai_tower() -> dict[str, Tensor]:
    """A small image tower as OpenAI's file names it, behind what its mapping puts in front."""
    torch.manual_seed(3)
    tower = _clip.image_tower(SMALL)
    return {f"model.visual.{name}": value for name, value in tower.state_dict().items()}


def test_started_from_openais_tower_it_is_that_tower() -> None:
    state = openai_tower()
    detector = build_univfd(sizes=SMALL)
    detector.start_from(state)
    tower: Any = _clip.image_tower(SMALL)
    tower.load_state_dict({n.removeprefix("model.visual."): v for n, v in state.items()})
    tower.proj = None
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        expected = tower.eval()(detector.module.normalise(images))
        close(detector.embed(images), expected.numpy(), atol=2e-5)
    with pytest.raises(RuntimeError, match="visual"):
        detector.start_from({"visual.proj": torch.zeros(1)})
    with pytest.raises(RuntimeError, match="other"):
        detector.start_from({"model.visual.other": torch.zeros(1)})


def test_merged_it_is_the_tower_under_transformers_names() -> None:
    """The main part and the direction, summed up, are a matrix of the c2p_clip kind."""
    detector = build(sizes=SMALL)
    state = detector.state_dict()
    merged = {}
    for name, value in state.items():
        front, _, last = name.rpartition(".")
        if last == "weight_main":
            u, s, v = (state[f"{front}.{part}_residual"] for part in "USV")
            merged[f"{front}.weight"] = value + s * (u @ v)
        elif not last.endswith("_residual") and not name.startswith("head."):
            merged[name] = value
    renamed = from_transformers(
        {f"model.vision_model.{n.removeprefix('backbone.')}": v for n, v in merged.items()}
    )
    tower: Any = _clip.image_tower(SMALL)
    tower.proj = None
    tower.load_state_dict({n.removeprefix("model.visual."): v for n, v in renamed.items()})
    images = contracts.pictures(2, 224, 224)
    with torch.no_grad():
        expected = tower.eval()(detector.module.normalise(images))
        close(detector.embed(images), expected.numpy(), atol=2e-5)


@pytest.mark.parametrize("spec", [SPEC, UNIVFD_SPEC], ids=lambda spec: spec.name)
def test_training_moves_the_directions_and_the_head_only(spec: Any) -> None:
    detector = in_small(spec, spec.build).build()
    before = {n: p.detach().clone() for n, p in detector.module.named_parameters()}
    learning = [p for p in detector.module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-3)
    for _ in range(2):  # a strength of 0 lets nothing through to its vectors in the first step
        loss = detector.loss(
            contracts.pictures(2, 224, 224), torch.tensor([0.0, 1.0]), torch.Generator()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    parameters = dict(detector.module.named_parameters())
    moved = {name for name, p in parameters.items() if not torch.equal(p, before[name])}
    heads = ("network.head.", "network.fc.")
    assert moved == {n for n in parameters if n.endswith("_residual") or n.startswith(heads)}
    assert len(moved) == 3 * len(PARTS) * SMALL.layers + 2


@pytest.mark.parametrize("check", contracts.CHECKS)
@pytest.mark.parametrize("spec", [SPEC, UNIVFD_SPEC], ids=lambda spec: spec.name)
def test_contract_in_small(spec: Any, check: contracts.Check) -> None:
    check(in_small(spec, spec.build))
