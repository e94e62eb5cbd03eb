"""A whole training: what its record says, and that it can be told from any other."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from harness.api import DetectorSpec, Recipe
from harness.checkpoints import run_weights
from harness.checkpoints.resolve import resolve as resolve_weights
from harness.data.sample import Manifest
from harness.errors import DetectorError, HarnessError
from harness.training import run_folder, session
from harness.training.recipe import Scaling, published_recipe, resolve
from harness.training.request import Numerics
from tests.training import tiny

MACHINE = session.Machine(device=torch.device("cpu"), progress="none")


def training(train: Manifest, val: Manifest, **overrides: object) -> session.Training:
    spec = replace(tiny.spec(), variants={"plain": {}, "other": {}})
    return session.Training(
        spec=spec,
        variant="plain",
        recipe=resolve(spec, overrides=overrides),
        seed=2,
        trained_on="a test",
        train=train,
        val=val,
    )


def test_the_record_says_what_was_done(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    session.run(training(train, val, epochs=2, lr=0.05), tmp_path, MACHINE)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["detector"], record["variant"], record["seed"]) == ("tiny", "plain", 2)
    assert record["trained_on"] == "a test"
    assert record["recipe"]["lr"] == 0.05
    assert record["published_recipe"]["lr"] == 0.02
    assert record["deviations"] == [
        {"field": "epochs", "published": 3, "used": 2, "by": "--epochs"},
        {"field": "lr", "published": 0.02, "used": 0.05, "by": "--lr"},
    ]
    assert record["train"]["digest"] == train.digest
    assert (record["val"]["n_real"], record["val"]["n_fake"]) == (8, 8)
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2]
    assert record["last"] == record["epochs"][1]
    assert record["best"] == record["epochs"][record["best_val_epoch"] - 1]
    assert 0 <= record["epochs"][1]["val_acc"] <= 1
    assert (record["weights_of"], record["weights_epoch"]) == ("last epoch", 2)
    assert (record["ended_early"], record["start"], record["started_from"]) == ("", "", None)
    assert set(record["recipe"]) == {field.name for field in fields(Recipe)} - {"source"}
    assert record["environment"]["torch"] == torch.__version__


def test_two_runs_are_equal_to_the_byte(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    for name in ("a", "b"):
        session.run(training(train, val), tmp_path / name, MACHINE)
    for name in ("weights.safetensors", "run.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_identity_tells_trainings_apart(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    one = training(train, val)
    session.run(one, tmp_path, MACHINE)
    found = run_folder.read(tmp_path)
    assert found is not None
    assert run_folder.differences(found, session.identity(one)) == []
    fewer = Manifest(train.name, train.samples[1:])
    others = {
        "seed": replace(one, seed=3),
        "variant": replace(one, variant="other"),
        "recipe.lr": training(train, val, lr=0.1),
        "train.digest": replace(one, train=fewer),
        "val.digest": replace(one, val=fewer),
        "version": replace(one, spec=replace(one.spec, version=2)),
    }
    for field, other in others.items():
        lines = run_folder.differences(found, session.identity(other))
        assert any(line.startswith(f"{field}: ") for line in lines), field


def test_every_value_is_shown_and_each_change_says_who_made_it(
    train: Manifest, val: Manifest
) -> None:
    def half(spec: DetectorSpec) -> Recipe:
        recipe = published_recipe(spec)
        return replace(recipe, lr=recipe.lr / 2)

    rule = Scaling(name="half", text="half the rate", apply=half)
    recipe = resolve(tiny.spec(), scaling=rule, overrides={"epochs": 5})
    lines = session.describe(replace(training(train, val), recipe=recipe))
    assert lines == [
        "train tiny (plain) seed 2 on a test: 20 real and 20 fake images",
        "  changed: epochs 3 -> 5 (--epochs), lr 0.02 -> 0.01 (half)",
        "  as published: batch_size 8, optimiser adam, betas [0.9, 0.999], eps 1e-08, "
        "weight_decay 0.0, decay_vectors True, schedule step, lr_gamma 0.5, lr_step 2, min_lr 0.0, "
        "warmup 0, patience 0, monitor val_ap, min_gain 0.0, keep last, balanced False, start "
        "none, train_preprocess random_crop(16)|hflip(0.5), val_preprocess native",
    ]
    narrow = replace(training(train, val), numerics=Numerics(precision="bf16"))
    assert session.describe(narrow)[-1] == (
        "  computed with: precision bf16, accumulate 1, processes 1, sync_bn False"
    )


def test_the_record_says_which_epoch_was_kept_and_why_training_ended(
    train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    # The classes are told apart from the first epoch on, so that none after it is better.
    kept = training(train, val, epochs=9, lr=0.05, keep="best", patience=2)
    record = session.run(kept, tmp_path, MACHINE)
    assert record["weights_of"] == "best epoch by val_ap"
    figures = [epoch["val_ap"] for epoch in record["epochs"]]
    assert record["weights_epoch"] == 1 + figures.index(max(figures))
    assert record["best_val_epoch"] == record["weights_epoch"]
    assert len(figures) == record["weights_epoch"] + 2
    assert record["ended_early"] == "no gain of val_ap in 2 epochs"


def test_a_failed_training_writes_nothing(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    broken = replace(training(train, val), spec=tiny.spec(tiny.BrokenDetector), variant="")
    with pytest.raises(HarnessError, match="nan"):
        session.run(broken, tmp_path / "run", MACHINE)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_trained_is_said(train: Manifest, val: Manifest, tmp_path: Path) -> None:
    hollow = replace(training(train, val), spec=replace(tiny.spec(), build=object), variant="")
    with pytest.raises(DetectorError, match=r"neither loss\(\) nor fit\(\)"):
        session.run(hollow, tmp_path, MACHINE)


def test_results_made_with_the_weights_know_what_they_were_trained_on(
    train: Manifest, val: Manifest, tmp_path: Path
) -> None:
    made = [replace(s, generator="progan" if s.label else "photo") for s in train.samples]
    one = training(Manifest(train.name, tuple(made)), val, epochs=1)
    session.run(one, tmp_path, MACHINE)
    recipe = resolve_weights(one.spec, str(tmp_path)).ref.recipe
    assert recipe["generators"] == ["photo", "progan"]
    assert recipe["train_manifest"] == one.train.digest
    assert (recipe["started_from"], recipe["weights_epoch"]) == (None, 1)
    assert run_weights.trained_on(tmp_path) == {sample.sha256 for sample in made}
