"""Embeddings: each content once, kept by content, and a plane that does not change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.api import REAL
from harness.checkpoints.resolve import LoadedWeights
from harness.data.decode import decode
from harness.data.own import own_suite
from harness.data.preprocess import to_tensor
from harness.data.suite import Selection
from harness.engine.scorer import Compute, Job
from harness.errors import BadImageError, InputSizeError, SchemaError, UsageError
from harness.evaluate.plan import Settings
from harness.explain.embeddings import Embedder, EmbeddingStore, pictures, plane, read
from harness.registry import detectors as registry
from harness.registry.suites import parse_selection
from harness.results.records import WeightsRef
from harness.suites import mini
from tests.conftest import write_images

CPU = torch.device("cpu")


def settings(out: Path, **more: object) -> Settings:
    compute = Compute(device=CPU, workers=2)
    return dataclasses.replace(Settings(out=out, compute=compute), **more)  # type: ignore[arg-type]


def job(name: str = "gap", seed: int = 0) -> Job:
    spec = registry.detector(name)
    torch.manual_seed(seed)
    state = {key: value.clone() for key, value in spec.build().state_dict().items()}
    ref = WeightsRef(label=f"seeded{seed}", sha256=f"seeded{seed}")
    loaded = LoadedWeights(state=state, ref=ref)
    return Job(spec=spec, loaded=loaded, geometry={"*": "native"})


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    """Two places whose reals are the same files' contents, each with three fakes of its own."""
    root = tmp_path / "data"
    for place, first in (("a", 100), ("b", 200)):
        write_images(root / place / "0_real", range(4))
        write_images(root / place / "1_fake", range(first, first + 3), 64, 80)
    suite = own_suite(root)
    return Selection(suite=suite, subsets=suite.subsets)


def test_shared_reals_are_there_once(selection: Selection, tmp_path: Path) -> None:
    found = pictures(selection, settings(tmp_path))
    assert [p.subset for p in found] == ["a"] * 7 + ["b"] * 3
    assert [p.generator for p in found] == [""] * 4 + ["a"] * 3 + ["b"] * 3
    # Nothing says which photograph a file shows: each is its own.
    assert len({p.photograph for p in found}) == 10
    fewer = pictures(selection, settings(tmp_path, limit=2))
    assert [p.generator for p in fewer] == ["", "", "a", "a", "b", "b"]


@pytest.mark.skipif(not (mini.DATA / "test_real.parquet").exists(), reason="no embedded data")
def test_mini_tells_photographs_and_its_controls_are_left_out(tmp_path: Path) -> None:
    (selection,) = parse_selection("mini:gan,mini:controls")
    found = pictures(selection, settings(tmp_path))
    assert {p.subset for p in found} == {"gan_tconv", "gan_nearest", "cyclegan_vintage",
                                         "realesrgan_x4plus"}  # fmt: skip
    assert sum(p.sample.label == REAL for p in found) == 150
    for picture in found:
        assert picture.sample.id.rsplit("/", 1)[1].startswith(f"{picture.photograph}-")
    # What a fake was made from is in the same group as the fake.
    reals = {p.photograph for p in found if not p.generator}
    assert {p.photograph for p in found} == reals
    (controls,) = parse_selection("mini:controls")
    with pytest.raises(UsageError, match="controls"):
        pictures(controls, settings(tmp_path))


def test_vectors_are_those_of_the_network(selection: Selection, tmp_path: Path) -> None:
    ours = job()
    wanted = pictures(selection, settings(tmp_path))
    known = EmbeddingStore(ours, "images", settings(tmp_path)).vectors(wanted)
    detector = ours.spec.build()
    detector.load_state_dict(ours.loaded.state)
    detector.module.eval()
    for picture in wanted:
        image = to_tensor(decode(picture.sample.path.read_bytes(), "x"))[None]
        with torch.no_grad():
            expected = detector.embed(image)[0].numpy()
        np.testing.assert_allclose(known[picture.sample.sha256], expected, atol=1e-5)


def test_batches_and_workers_change_nothing(selection: Selection, tmp_path: Path) -> None:
    wanted = pictures(selection, settings(tmp_path))
    one = EmbeddingStore(job(), "images", settings(tmp_path / "one")).vectors(wanted)
    batches = settings(tmp_path / "two", compute=Compute(device=CPU, batch_size=3, workers=1))
    two = EmbeddingStore(job(), "images", batches).vectors(wanted)
    assert one.keys() == two.keys()
    for name, vector in one.items():
        np.testing.assert_allclose(two[name], vector, atol=1e-5)


def test_what_is_kept_is_not_computed_again(selection: Selection, tmp_path: Path) -> None:
    def computed(chosen: Selection, which: Job, **more: object) -> int:
        options = settings(tmp_path, **more)
        store = EmbeddingStore(which, "images", options)
        store.vectors(pictures(chosen, options))
        return store.computed

    second = Selection(suite=selection.suite, subsets=selection.subsets[1:])
    assert computed(selection, job(), limit=1) == 3
    assert computed(selection, job()) == 10 - 3
    assert computed(selection, job()) == 0
    # The reals are kept with the first subset; the second is asked for alone.
    assert computed(second, job()) == 4
    assert computed(second, job()) == 0
    assert computed(selection, job()) == 0
    # Other weights, another geometry: other vectors.
    assert computed(selection, job(seed=1)) == 10
    other = dataclasses.replace(job(), geometry={"*": "center_crop(48)"})
    assert computed(selection, other) == 10
    assert computed(selection, job(), overwrite="always") == 10


def test_a_subset_that_was_finished_survives_an_interruption(
    selection: Selection, tmp_path: Path
) -> None:
    wanted = pictures(selection, settings(tmp_path))
    broken = tmp_path / "data" / "b" / "1_fake" / "202.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:50])
    with pytest.raises(BadImageError):
        EmbeddingStore(job(), "images", settings(tmp_path)).vectors(wanted)
    broken.write_bytes(content)
    store = EmbeddingStore(job(), "images", settings(tmp_path))
    assert len(store.vectors(wanted)) == 10
    assert store.computed == 3


def test_unreadable_images_stop_or_are_left_out(selection: Selection, tmp_path: Path) -> None:
    for name in ("0_real/000.png", "1_fake/100.png"):
        (tmp_path / "data" / "a" / name).write_bytes(f"no image: {name}".encode())
    wanted = pictures(selection, settings(tmp_path))
    with pytest.raises(BadImageError, match=r"000\.png") as caught:
        EmbeddingStore(job(), "images", settings(tmp_path)).vectors(wanted)
    assert "--on-bad-image skip" in caught.value.hint
    known = EmbeddingStore(job(), "images", settings(tmp_path, skip_bad=True)).vectors(wanted)
    left = [p for p in wanted if p.sample.sha256 in known]
    # The real is still readable in the other place.
    assert [p.generator for p in left] == ["", "", "", "a", "a", "", "b", "b", "b"]


def test_a_damaged_file_is_named(selection: Selection, tmp_path: Path) -> None:
    store = EmbeddingStore(job(), "images", settings(tmp_path))
    wanted = pictures(selection, settings(tmp_path))
    store.vectors(wanted)
    path = store.path("a")
    assert len(read(path)) == 7
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SchemaError, match=path.name):
        store.vectors(wanted)


def test_who_offers_no_vector_is_told_so() -> None:
    with pytest.raises(UsageError, match="chance offers no embedding") as caught:
        Embedder(Job(spec=registry.detector("chance"), loaded=LoadedWeights(
            state={}, ref=WeightsRef())), CPU)  # fmt: skip
    assert "embed(images)" in caught.value.hint


def test_a_size_that_the_detector_cannot_take_is_refused() -> None:
    with pytest.raises(InputSizeError, match=r"x\.png is 17x64"):
        Embedder(job(), CPU)(torch.rand(1, 3, 64, 17), "x.png")


def test_the_plane_is_seeded_and_keeps_clusters_apart() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 60)).astype(np.float32)
    features[45:, :20] += 6
    first, again = (plane(features, perplexity=15, seed=1) for _ in range(2))
    assert first.shape == (90, 2)
    assert first.tobytes() == again.tobytes()
    middle = (first[:45].mean(axis=0) + first[45:].mean(axis=0)) / 2
    axis = first[45:].mean(axis=0) - first[:45].mean(axis=0)
    side = (first - middle) @ axis > 0
    assert side.tolist() == [False] * 45 + [True] * 45
    with pytest.raises(UsageError, match="90"):
        plane(features, perplexity=90, seed=1)
