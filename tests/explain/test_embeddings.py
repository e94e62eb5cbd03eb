"""Embeddings: each content once, and a plane that does not change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.api import FAKE, REAL
from harness.checkpoints.resolve import LoadedWeights
from harness.data.decode import decode
from harness.data.own import own_suite
from harness.data.preprocess import to_tensor
from harness.data.sample import Sample
from harness.data.suite import Selection
from harness.engine.scorer import Compute, Job
from harness.errors import BadImageError, InputSizeError, UsageError
from harness.evaluation.plan import Settings
from harness.explain.embeddings import Embedder, distinct, embedded, plane
from harness.registry import detectors as registry
from harness.results.records import WeightsRef
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


def samples(selection: Selection, out: Path, limit: int = 0) -> list[Sample]:
    return [sample for *_, sample in distinct([selection], None, out, limit)]


def test_shared_reals_are_there_once(selection: Selection, tmp_path: Path) -> None:
    found = list(distinct([selection], None, tmp_path, 0))
    assert [subset.name for _, subset, _ in found] == ["a"] * 7 + ["b"] * 3
    assert [sample.label for *_, sample in found] == [REAL] * 4 + [FAKE] * 6
    fewer = list(distinct([selection], None, tmp_path, 2))
    labels = [(subset.name, sample.label) for _, subset, sample in fewer]
    assert labels == [("a", REAL)] * 2 + [("a", FAKE)] * 2 + [("b", FAKE)] * 2


def test_vectors_are_those_of_the_network(selection: Selection, tmp_path: Path) -> None:
    ours = job()
    wanted = samples(selection, tmp_path)
    places, vectors = embedded(ours, "images", wanted, settings(tmp_path))
    assert places == list(range(10))
    detector = ours.spec.build()
    detector.load_state_dict(ours.loaded.state)
    detector.module.eval()
    for sample, vector in zip(wanted, vectors, strict=True):
        image = to_tensor(decode(sample.source.read(), "x"))[None]
        with torch.no_grad():
            expected = detector.embed(image)[0].numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_batches_and_workers_change_nothing(selection: Selection, tmp_path: Path) -> None:
    wanted = samples(selection, tmp_path)
    _, one = embedded(job(), "images", wanted, settings(tmp_path))
    batches = settings(tmp_path, compute=Compute(device=CPU, batch_size=3, workers=1))
    _, two = embedded(job(), "images", wanted, batches)
    np.testing.assert_allclose(two, one, atol=1e-5)


def test_unreadable_images_stop_or_are_left_out(selection: Selection, tmp_path: Path) -> None:
    for name in ("0_real/000.png", "1_fake/100.png"):
        (tmp_path / "data" / "a" / name).write_bytes(f"no image: {name}".encode())
    wanted = samples(selection, tmp_path)
    with pytest.raises(BadImageError, match=r"000\.png") as caught:
        embedded(job(), "images", wanted, settings(tmp_path))
    assert "--on-bad-image skip" in caught.value.hint
    places, vectors = embedded(job(), "images", wanted, settings(tmp_path, skip_bad=True))
    left = [wanted[place] for place in places]
    # The real is still readable in the other place.
    assert [sample.label for sample in left] == [REAL] * 3 + [FAKE] * 2 + [REAL] + [FAKE] * 3
    assert len(vectors) == len(left)


def test_no_readable_image_at_all_is_said(selection: Selection, tmp_path: Path) -> None:
    first = samples(selection, tmp_path)[0]
    Path(str(first.source)).write_bytes(b"no image")
    wanted = [dataclasses.replace(first, sha256="")]
    with pytest.raises(UsageError, match="none of the 1 images can be read"):
        embedded(job(), "images", wanted, settings(tmp_path, skip_bad=True))


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
