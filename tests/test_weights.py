"""Finding, identifying and strictly loading checkpoints."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import pytest
import safetensors.torch
import torch
from torch import nn

from harness.api import DetectorSpec, Recipe, ScoreSpec, TorchDetector, Weights
from harness.checkpoints import resolve as module
from harness.checkpoints import run_weights
from harness.checkpoints.files import files_of, sha256_of
from harness.checkpoints.presence import Presence, presence, weights_dir
from harness.checkpoints.resolve import load_into, pretrained, resolve
from harness.errors import UsageError, WeightsError
from harness.registry import detectors as registry
from harness.results.records import WeightsRef
from harness.results.store import canonical_json
from harness.training import run_folder


class Net(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 1)
        self.fc = nn.Linear(width, 1)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def build(width=2):
    return TorchDetector(Net(width))


def state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator)
        for name, value in Net().state_dict().items()
    }


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def published(path, **changes):
    facts = {
        "name": "released",
        "filename": "model.pth",
        "url": "https://example.org/model.pth",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if path else "0" * 64,
        "size": path.stat().st_size if path else 7,
        "licence": "MIT",
        "trained_on": "ProGAN",
        "note": "picked on the test set",
        "variant": "wide",
    }
    return Weights(**{**facts, **changes})


def spec(*weights, **changes):
    facts = {
        "name": "net",
        "title": "Net",
        "family": "test",
        "build": build,
        "score": ScoreSpec(kind="logit", threshold=0.0),
        "geometry": {"*": "native"},
        "weights": weights,
        "recipe": Recipe(epochs=1, batch_size=1, lr=0.1),
        "variants": {"plain": {"width": 2}, "wide": {"width": 2}},
    }
    return DetectorSpec(**{**facts, **changes})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def same(given, expected):
    assert given.keys() == expected.keys()
    assert all(torch.equal(given[name], expected[name]) for name in expected)


def test_folder_from_the_environment_or_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path))
    assert weights_dir() == tmp_path
    monkeypatch.setenv("LFM_WEIGHTS", "")
    monkeypatch.chdir(tmp_path)
    assert weights_dir() == tmp_path / "weights"
    monkeypatch.setenv("LFM_WEIGHTS", "some")
    assert weights_dir() == tmp_path / "some"


def test_published_by_default_and_by_name(folder):
    first = published(save(folder / "model.pth", state(1)))
    second = published(
        save(folder / "second.pth", state(2)), name="second", filename="second.pth", variant=""
    )
    detector = spec(first, second)
    loaded = resolve(detector)
    assert loaded.ref == WeightsRef(
        label="released",
        sha256=first.sha256,
        trained_on="ProGAN",
        licence="MIT",
        note="picked on the test set",
        verified=True,
    )
    assert (loaded.variant, loaded.path) == ("wide", folder / "model.pth")
    same(loaded.state, state(1))
    assert resolve(detector, "released").ref == loaded.ref
    assert resolve(detector, "second").ref.label == "second"
    same(resolve(detector, "second").state, state(2))


def test_loading_gives_the_network_the_weights(folder):
    path = save(folder / "model.pth", state(3))
    detector = build()
    load_into(detector, resolve(spec(published(path))), spec())
    same(dict(detector.state_dict()), state(3))


def test_accepted_under_another_name_by_size_and_hash(folder):
    right = save(folder / "other name.pth", state(1))
    weights = published(right)
    (folder / "decoy.pth").write_bytes(b"x" * weights.size)
    assert presence(weights, folder).path == right
    assert presence(weights, folder).state == "as other name.pth"
    assert resolve(spec(weights)).path == right
    # A wrong file under the right name does not hide the right one.
    (folder / "model.pth").write_bytes(b"y" * weights.size)
    assert presence(weights, folder).path == right


def test_absent_says_how_to_get_it(folder):
    weights = published(None)
    assert presence(weights, folder) == Presence(paths=(), state="absent")
    with pytest.raises(WeightsError, match=r"net:released: model.pth: absent") as caught:
        resolve(spec(weights))
    assert caught.value.exit_code == 3
    assert "python -m harness weights --fetch net:released" in caught.value.hint
    for part in (weights.url, weights.sha256, str(folder / "model.pth"), "LFM_WEIGHTS"):
        assert part in caught.value.hint


def test_an_absent_folder_is_an_absent_checkpoint(tmp_path):
    assert presence(published(None), tmp_path / "nowhere").state == "absent"


def test_a_wrong_file_is_not_taken_for_the_published_one(folder):
    path = save(folder / "model.pth", state(1))
    with pytest.raises(WeightsError, match=f"another file has its name .sha256 {sha256_of(path)}"):
        resolve(spec(published(None)))


def test_unknown_sha256_is_loaded_and_said_so(folder):
    weights = published(None, sha256="", size=0)
    with pytest.raises(WeightsError, match="absent") as caught:
        resolve(spec(weights))
    assert "--fetch net:released --accept-unverified" in caught.value.hint
    assert f"by hand to {folder / 'model.pth'}" in caught.value.hint
    path = save(folder / "model.pth", state(1))
    ref = resolve(spec(weights)).ref
    assert ref.verified is False
    assert ref.sha256 == sha256_of(path)
    assert ref.note == f"picked on the test set; {module.UNVERIFIED}"


def test_no_published_checkpoint_tells_to_train(folder):
    with pytest.raises(WeightsError, match="net has no published checkpoint") as caught:
        resolve(spec())
    assert "harness train --method net" in caught.value.hint


def test_a_detector_without_weights(folder):
    chance = spec(recipe=None)
    loaded = resolve(chance)
    assert loaded.ref == WeightsRef()
    load_into(object(), loaded, chance)  # nothing to load, nothing asked of it
    with pytest.raises(WeightsError, match="net has no weights, got 'released'"):
        resolve(chance, "released")


def test_a_token_that_is_nothing(folder):
    with pytest.raises(WeightsError, match="no published checkpoint of net, no file") as caught:
        resolve(spec(published(None)), "relased")
    assert "published: released" in caught.value.hint


def test_a_local_file(folder, tmp_path):
    path = save(tmp_path / "own.pt", state(4))
    loaded = resolve(spec(published(None)), str(path))
    assert loaded.ref == WeightsRef(
        label=f"own.pt#{sha256_of(path)[:8]}", sha256=sha256_of(path), note=module.LOCAL
    )
    assert loaded.variant == ""
    same(loaded.state, state(4))


def test_a_local_file_that_is_the_published_one(folder, tmp_path):
    path = save(tmp_path / "copy.pth", state(4))
    ref = resolve(spec(published(path)), str(path)).ref
    assert (ref.label, ref.verified) == ("released", True)


def test_weights_that_cannot_give_the_papers_row_say_why(folder):
    path = save(folder / "model.pth", state(1))
    other = published(path, not_papers="trained on faces")
    assert resolve(spec(other)).ref.not_papers == "trained on faces"
    assert resolve(spec(published(path))).ref.not_papers == ""


def test_a_local_safetensors_file(folder, tmp_path):
    path = tmp_path / "own.safetensors"
    safetensors.torch.save_file(state(5), path)
    same(resolve(spec(), str(path)).state, state(5))


def test_names_are_mapped_for_published_layouts(folder, tmp_path):
    renamed = {f"net.{name}": value for name, value in state().items()}
    path = save(folder / "model.pth", renamed)
    weights = published(path, mapping=lambda name: name.removeprefix("net."))
    same(resolve(spec(weights)).state, state())
    # Somebody's own training in the same layout, known by the published file name.
    own = save(tmp_path / "model.pth", {**renamed, "net.fc.bias": torch.ones(1)})
    loaded = resolve(spec(weights), str(own))
    assert loaded.state["fc.bias"].item() == 1
    assert (loaded.ref.label, loaded.ref.trained_on) == (f"model.pth#{loaded.ref.sha256[:8]}", "")
    assert loaded.ref.verified is False
    assert loaded.ref.note == (
        "under the published name model.pth, its sha256 is not the published one"
    )
    unknown = replace(weights, sha256="", size=0)
    assert resolve(spec(unknown), str(own)).ref.note == module.UNVERIFIED
    with pytest.raises(WeightsError, match="two of its names map to 'x'"):
        resolve(spec(replace(weights, mapping=lambda name: "x")))


def in_parts(folder, *, main="head.pth", other="trunk.pth", **changes):
    """A checkpoint of two files, each with its own names, in ``folder``."""
    whole = state(8)
    save(folder / main, {name[3:]: v for name, v in whole.items() if name.startswith("fc.")})
    trunk = {f"trunk.{name}": v for name, v in whole.items() if name.startswith("conv.")}
    save(folder / other, {"net": {**trunk, "constant": torch.zeros(1)}})
    weights = published(
        folder / main,
        filename="head.pth",
        variant="",
        mapping=lambda name: f"fc.{name}",
        also=(
            published(
                folder / other,
                name="trunk",
                filename="trunk.pth",
                licence="CC BY-NC 4.0",
                note="big",
                inside="net",
                mapping=lambda name: name[6:] if name.startswith("trunk.") else None,
            ),
        ),
    )
    return replace(weights, **changes)


def test_a_checkpoint_of_several_files(folder):
    weights = in_parts(folder)
    detector, loaded = build(), resolve(spec(weights))
    load_into(detector, loaded, spec())
    same(dict(detector.state_dict()), state(8))
    digests = {name: sha256_of(folder / name) for name in ("head.pth", "trunk.pth")}
    assert loaded.ref == WeightsRef(
        label="released",
        sha256=hashlib.sha256("".join(digests.values()).encode()).hexdigest(),
        files=digests,
        trained_on="ProGAN",
        licence="MIT; CC BY-NC 4.0",
        note="picked on the test set",
        verified=True,
    )
    assert loaded.path == folder / "head.pth"
    assert presence(weights, folder).paths == (folder / "head.pth", folder / "trunk.pth")
    assert presence(weights, folder).state == "present"


def test_the_files_of_a_checkpoint_survive_a_record_and_older_records_have_none(folder):
    ref = resolve(spec(in_parts(folder))).ref
    raw = json.loads(json.dumps(asdict(ref)))
    assert WeightsRef(**raw) == ref
    del raw["files"]
    assert WeightsRef(**raw).files == {}


@pytest.mark.parametrize("name", ["head.pth", "trunk.pth"])
def test_another_digest_of_any_file_is_another_key(folder, name):
    unknown = {"sha256": "", "size": 0}
    weights = in_parts(folder, **unknown)
    weights = replace(weights, also=(replace(weights.also[0], **unknown),))
    before = resolve(spec(weights)).ref
    content = torch.load(folder / name, weights_only=True)
    save(folder / name, {**content, "bias" if name == "head.pth" else "more": torch.ones(1)})
    after = resolve(spec(weights)).ref
    assert before.sha256 != after.sha256
    assert [n for n in before.files if before.files[n] != after.files[n]] == [name]
    assert module.UNVERIFIED in after.note


def test_every_missing_file_is_named_with_a_way_to_it(folder):
    weights = in_parts(folder)
    (folder / "trunk.pth").unlink()
    assert presence(weights, folder).path is None
    assert presence(weights, folder).state == "head.pth: present, trunk.pth: absent"
    with pytest.raises(WeightsError, match=r"net:released: trunk.pth: absent") as caught:
        resolve(spec(weights))
    assert "head.pth" not in str(caught.value)
    assert "--fetch net:released, or download" in caught.value.hint

    (folder / "head.pth").unlink()
    by_hand = replace(weights, sha256="", url="https://example.org/by hand")
    assert presence(by_hand, folder).state == "absent"
    with pytest.raises(WeightsError, match=r"head.pth: absent; trunk.pth: abs") as caught:
        resolve(spec(by_hand))
    assert "--fetch net:released, or " in caught.value.hint  # gets what can be had
    named = f"download https://example.org/by hand by hand to {folder / 'head.pth'}"
    assert named in caught.value.hint
    assert f"to {folder / 'trunk.pth'}" in caught.value.hint


def test_a_name_in_two_files_is_an_error(folder):
    weights = in_parts(folder)
    twice = replace(weights.also[0], mapping=lambda name: f"fc.{name[-4:]}")
    with pytest.raises(WeightsError, match=r"trunk.pth: two of its names map"):
        resolve(spec(replace(weights, also=(replace(twice, mapping=lambda name: "x"),))))
    twice = replace(twice, mapping=lambda n: "fc.bias" if n.endswith("bias") else None)
    with pytest.raises(WeightsError, match=r"trunk.pth: 'fc.bias' is in another file of released"):
        resolve(spec(replace(weights, also=(twice,))))


def test_a_local_file_laid_out_like_a_published_one_is_completed(folder, tmp_path):
    weights = in_parts(folder)
    own = save(tmp_path / "own" / "head.pth", {"weight": torch.ones(1, 2), "bias": torch.ones(1)})
    loaded = resolve(spec(weights), str(own))
    assert loaded.state["fc.bias"].item() == 1
    assert torch.equal(loaded.state["conv.weight"], state(8)["conv.weight"])
    assert loaded.ref.label == f"head.pth#{loaded.ref.sha256[:8]}"
    assert loaded.ref.files == {"head.pth": sha256_of(own), "trunk.pth": weights.also[0].sha256}
    # The other file may lie beside it, and the published file be given by its path.
    (folder / "trunk.pth").rename(own.parent / "trunk.pth")
    assert resolve(spec(weights), str(own)).ref == loaded.ref
    (own.parent / "copy.pth").write_bytes((folder / "head.pth").read_bytes())
    assert resolve(spec(weights), str(own.parent / "copy.pth")).ref.label == "released"
    (own.parent / "trunk.pth").unlink()
    with pytest.raises(WeightsError, match=r"net:released: trunk.pth: absent"):
        resolve(spec(weights), str(own))


def test_the_first_digits_of_a_sha256_are_enough(folder):
    path = save(folder / "model.pth", state(1))
    digest = sha256_of(path)
    loaded = resolve(spec(published(path, sha256=digest[:8])))
    assert (loaded.ref.sha256, loaded.ref.note) == (digest, "picked on the test set")
    assert resolve(spec(published(path, sha256=digest[:8].upper()))).ref == loaded.ref
    for wrong in (digest[:7], "0" * 8, digest + "0"):
        with pytest.raises(WeightsError, match="another file has its name"):
            resolve(spec(published(path, sha256=wrong)))
    path.unlink()
    with pytest.raises(WeightsError) as caught:
        resolve(spec(published(None, sha256="0" * 8)))
    assert "sha256 00000000..." in caught.value.hint


def test_what_training_starts_from(folder):
    path = save(folder / "backbone.pth", {**state(9), "head": torch.ones(1)})
    start = published(
        path,
        name="imagenet",
        filename="backbone.pth",
        variant="",
        mapping=lambda name: None if name == "head" else name,
    )
    detector = spec(pretrained=(start,))
    loaded = pretrained(detector, "imagenet")
    same(loaded.state, state(9))
    assert (loaded.ref.label, loaded.ref.sha256) == ("imagenet", start.sha256)
    with pytest.raises(WeightsError, match="net has no published network 'image'") as caught:
        pretrained(detector, "image")
    assert "it has imagenet" in caught.value.hint
    with pytest.raises(WeightsError, match="net:imagenet is no checkpoint of net") as caught:
        resolve(detector, "imagenet")
    assert "harness train --method net" in caught.value.hint
    path.unlink()
    with pytest.raises(WeightsError, match=r"net:imagenet: backbone.pth: absent") as caught:
        pretrained(detector, "imagenet")
    assert "python -m harness weights --fetch net:imagenet, or download" in caught.value.hint


ENTRIES = [
    pytest.param(entry, id=f"{spec.name}-{entry.name}")
    for spec in registry.detectors().values()
    for entry in (*spec.weights, *spec.pretrained)
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_registered_entries_can_be_checked(entry):
    parts = files_of(entry)
    assert len({part.filename for part in parts}) == len(parts)
    for part in parts:
        assert part.url.startswith("https://") and part.licence and part.trained_on
        assert not part.sha256 or 8 <= len(part.sha256) <= 64
        assert set(part.sha256) <= set("0123456789abcdef")


def test_misfits_name_the_first_of_each_kind(tmp_path):
    given = state()
    given.pop("conv.bias")
    given["head.weight"] = torch.zeros(1)
    given["fc.weight"] = torch.zeros(1, 9)
    loaded = resolve(spec(), str(save(tmp_path / "own.pth", given)))
    with pytest.raises(WeightsError) as caught:
        load_into(build(), loaded, spec())
    assert str(tmp_path / "own.pth") in caught.value.message
    assert (
        "1 of 4 names missing, first 'conv.bias'; 1 unexpected, first 'head.weight'; 1 of another "
        "shape, first 'fc.weight' has shape (1, 9), expected (1, 2)" in caught.value.message
    )


def test_what_a_network_refuses_for_its_own_reason_is_passed_on(tmp_path):
    class Picky(TorchDetector):
        def load_state_dict(self, given):
            raise RuntimeError("the residual kernel is fixed")

    loaded = resolve(spec(), str(save(tmp_path / "own.pth", state())))
    with pytest.raises(WeightsError, match="does not fit net: the residual kernel is fixed"):
        load_into(Picky(Net()), loaded, spec())


def test_other_file_types(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"expected a file ending in \.pth, \.pt, \.safetensors"):
        resolve(spec(), str(path))


FACTS = {
    "detector": "net",
    "variant": "wide",
    "seed": 2,
    "trained_on": "mini-train",
    "recipe": {"epochs": 3, "lr": 0.001},
    "scaling": "a third",
    "train": {"digest": "t" * 64, "n_real": 1},
    "val": {"digest": "v" * 64},
    "epochs": [{"val_ap": 0.7}, {"val_ap": 0.9}],
}


def training(path, **changes):
    path.mkdir(parents=True)
    run_folder.write(path, state(6), {**FACTS, **changes})
    return path


def test_a_training_run(tmp_path):
    folder = training(tmp_path / "seed2")
    loaded = resolve(spec(published(None)), str(folder))
    file = folder / "weights.safetensors"
    assert loaded.ref == WeightsRef(
        label="mini-train/seed2",
        sha256=sha256_of(file),
        trained_on="mini-train",
        seed=2,
        recipe={
            "epochs": 3,
            "lr": 0.001,
            "scaling": "a third",
            "val_ap": 0.9,
            "train_manifest": "t" * 64,
            "val_manifest": "v" * 64,
        },
    )
    assert (loaded.variant, loaded.path) == ("wide", file)
    same(loaded.state, state(6))
    assert resolve(spec(), str(file)).ref == loaded.ref  # its file means the run


def random_start(**changes):
    recipe = Recipe(epochs=1, batch_size=1, lr=0.1, start="released")
    return spec(recipe=recipe, pretrained=(published(None),), **changes)


def test_a_missing_start_names_the_way_without_it_where_there_is_one(folder):
    with pytest.raises(WeightsError, match="absent") as caught:
        pretrained(random_start(), "released")
    assert "or train from random weights: --start none" in caught.value.hint
    with pytest.raises(WeightsError, match="absent") as caught:
        pretrained(random_start(needs_pretrained=True), "released")
    assert "--start none" not in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detector": "npr"}, "is a training of npr, not of net"),
        ({"variant": "deep"}, "net has no variant 'deep'; it has plain, wide"),
        ({"seed": "2"}, "seed is '2', expected int"),
    ],
)
def test_training_runs_that_do_not_belong(tmp_path, changes, message):
    with pytest.raises(WeightsError, match=message):
        resolve(spec(), str(training(tmp_path / "run", **changes)))


DIFFERENT = {"plain": {"width": 2}, "wide": {"width": 3}}


def taken_away(tmp_path, **changes):
    """A trained file, copied out of its run folder."""
    run = training(tmp_path / "run", **changes)
    path = tmp_path / "mine.safetensors"
    path.write_bytes((run / "weights.safetensors").read_bytes())
    return path


def test_trained_weights_say_what_they_are_wherever_they_are(tmp_path):
    path = taken_away(tmp_path, train={"digest": "t" * 64, "generators": ["photo", "progan"]})
    loaded = resolve(spec(variants=DIFFERENT), str(path))
    same(loaded.state, state(6))
    assert (loaded.variant, loaded.path, loaded.run) == ("wide", path, None)
    recipe = hashlib.sha256(canonical_json(FACTS["recipe"]).encode()).hexdigest()
    assert loaded.ref == WeightsRef(
        label=f"mine.safetensors#{sha256_of(path)[:8]}",
        sha256=sha256_of(path),
        note=run_weights.AWAY,
        seed=2,
        recipe={
            "sha256": recipe,
            "train_manifest": "t" * 64,
            "generators": ["photo", "progan"],
        },
    )


def test_trained_weights_of_another_detector_or_variant_are_refused(tmp_path):
    path = taken_away(tmp_path)
    with pytest.raises(WeightsError, match=r"mine\.safetensors is a training of net, not of npr"):
        resolve(spec(name="npr"), str(path))
    with pytest.raises(WeightsError, match="is of variant wide, got --variant plain"):
        resolve(spec(variants=DIFFERENT), str(path), "plain")
    with pytest.raises(WeightsError, match="net has no variant 'wide'; it has deep"):
        resolve(spec(variants={"deep": {}}), str(path))
    assert resolve(spec(variants=DIFFERENT), str(path), "wide").variant == "wide"
    assert resolve(spec(variants=DIFFERENT), str(path.parent / "run"), "wide").variant == "wide"
    with pytest.raises(WeightsError, match="is of variant wide, got --variant plain"):
        resolve(spec(variants=DIFFERENT), str(path.parent / "run"), "plain")


def unmarked(path):
    """A file as trainings left it before they marked it."""
    safetensors.torch.save_file(state(6), path)
    return path


def test_a_file_that_does_not_say_its_variant_needs_it_where_variants_differ(tmp_path):
    path = unmarked(tmp_path / "mine.safetensors")
    different = spec(variants=DIFFERENT)
    with pytest.raises(UsageError, match=r"does not say which variant.*: plain, wide") as caught:
        resolve(different, str(path))
    assert "--variant plain" in caught.value.hint
    assert resolve(different, str(path), "wide").variant == "wide"
    with pytest.raises(UsageError, match="unknown variant of net 'wid'"):
        resolve(different, str(path), "wid")
    with pytest.raises(UsageError, match="net has no variants, got --variant wide"):
        resolve(spec(variants={}), str(path), "wide")


def test_variants_that_differ_in_training_only_need_not_be_said(tmp_path):
    path = unmarked(tmp_path / "mine.safetensors")
    variants = {"plain": {"width": 2}, "dropped": {"width": 2, "drop": 0.5}}
    with pytest.raises(UsageError, match="does not say"):
        resolve(spec(variants=variants), str(path))
    alike = spec(variants=variants, training_only=frozenset({"drop"}))
    assert resolve(alike, str(path)).variant == ""


@pytest.mark.parametrize("name", ["lfm", "bihpf", "durall", "f3net"])
def test_which_detectors_need_it(name):
    assert not registry.detector(name).variants_score_alike


def test_a_run_folder_of_before_marks_still_knows_its_variant(tmp_path):
    run = training(tmp_path / "run")
    unmarked(run / "weights.safetensors")
    facts = json.loads((run / "run.json").read_text())
    facts["weights_sha256"] = sha256_of(run / "weights.safetensors")
    (run / "run.json").write_text(json.dumps(facts))
    loaded = resolve(spec(variants=DIFFERENT), str(run))
    assert (loaded.variant, loaded.ref.label, loaded.run) == ("wide", "mini-train/seed2", run)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('{"format": 2}', "its header is of format 2, this version reads 1"),
        ('{"format": 1, "detector": "net"}', "its header is damaged .KeyError: 'variant'"),
        ("no json", "its header is damaged"),
        ("[]", "its header is damaged"),
    ],
)
def test_marks_that_cannot_be_read_are_no_marks_of_anything(tmp_path, entry, message):
    path = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(state(6), path, metadata={run_weights.MARK_ENTRY: entry})
    with pytest.raises(WeightsError, match=message):
        resolve(spec(), str(path))


def test_other_peoples_headers_mean_nothing_here(tmp_path):
    path = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(state(6), path, metadata={"format": "pt"})
    assert resolve(spec(), str(path)).ref.note == module.LOCAL


@pytest.mark.parametrize("name", ["weights.safetensors", "run.json"])
def test_unfinished_and_damaged_training_runs(tmp_path, name):
    folder = training(tmp_path / "run")
    (folder / "run.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"run\.json is damaged .KeyError: 'detector'"):
        resolve(spec(), str(folder))
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"no finished training run: it has no {name}"):
        resolve(spec(), str(folder))


def test_weights_that_are_not_those_of_the_record(tmp_path):
    folder = training(tmp_path / "run")
    safetensors.torch.save_file(state(7), folder / "weights.safetensors")
    with pytest.raises(WeightsError, match=r"sha256 .*, run\.json says"):
        resolve(spec(), str(folder))


def test_the_published_lfm_checkpoint(released_weights, monkeypatch):
    monkeypatch.setenv("LFM_WEIGHTS", str(released_weights.parent))
    lfm = registry.detector("lfm")
    loaded = resolve(lfm)
    assert (loaded.ref.label, loaded.variant, len(loaded.state)) == ("released", "released", 33)
    assert loaded.ref.sha256.startswith("903036979adb186c")
    detector = lfm.build(**lfm.variants[loaded.variant])
    load_into(detector, loaded, lfm)
    same(dict(detector.state_dict()), dict(loaded.state))
