"""What of a test subset was in the training data."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checkpoints.resolve import LoadedWeights
from harness.checkpoints.run_weights import IMAGES
from harness.data.sample import Sample
from harness.data.source import FileSource
from harness.data.suite import Subset
from harness.evaluation.run_records import seen_in_training
from harness.registry.suites import all_suites
from harness.results.records import WeightsRef
from harness.training import datasets, session

SAMPLES = [
    Sample(id="a", label=0, source=FileSource("a.png"), sha256="aa", generator="photo"),
    Sample(id="b", label=1, source=FileSource("b.png"), sha256="bb", generator="progan"),
    Sample(id="c", label=1, source=FileSource("c.png"), sha256="cc", generator="biggan"),
]


SUBSET = Subset(name="mixed", generators=("stylegan",))


def loaded(folder: Path, generators: object, images: list[str]) -> LoadedWeights:
    lines = "".join(f"x{i}\t0\t{digest}\n" for i, digest in enumerate(images))
    (folder / IMAGES).write_text(lines)
    recipe = {} if generators is None else {"generators": generators}
    ref = WeightsRef(label="run/seed0", recipe=recipe)
    return LoadedWeights(state={}, ref=ref, path=folder / "weights.safetensors", run=folder)


@pytest.mark.parametrize(
    ("generators", "images", "expected"),
    [
        (["photo", "progan"], ["zz"], "generator progan"),  # reals are nobody's fakes
        (["stylegan"], ["aa", "cc"], "2 images"),  # the samples say what made them
        (["biggan", "progan"], ["aa"], "generator biggan, generator progan, 1 images"),
        (["stylegan"], [], ""),
        (None, ["aa"], ""),  # not trained here: nothing is known
    ],
)
def test_seen(tmp_path: Path, generators: object, images: list[str], expected: str) -> None:
    assert seen_in_training(loaded(tmp_path, generators, images), SAMPLES, SUBSET) == expected


def test_weights_of_nothing_have_seen_nothing() -> None:
    assert seen_in_training(LoadedWeights(state={}, ref=WeightsRef()), SAMPLES, SUBSET) == ""


OFFICIAL = [
    Sample(id="0_real/a.png", label=0, source=FileSource("a.png"), sha256="aa"),
    Sample(id="1_fake/b.png", label=1, source=FileSource("b.png"), sha256="bb"),
]


@pytest.mark.parametrize(
    ("place", "expected"),
    [("forensynths:progan", "generator progan"), ("forensynths:biggan", "")],
)
def test_official_files_do_not_say_what_made_them_but_their_subset_does(
    tmp_path: Path, place: str, expected: str
) -> None:
    suite, _, name = place.partition(":")
    subset = next(s for s in all_suites()[suite].subsets if s.name == name)
    weights = loaded(tmp_path, ["photo", "progan"], ["zz"])
    assert seen_in_training(weights, OFFICIAL, subset) == expected
    assert seen_in_training(weights, OFFICIAL[:1], subset) == ""  # no fake, nothing of progan


UNDOCUMENTED = {
    ("chameleon", "test"),
    *(("wildrf", name) for name in ("reddit", "twitter", "facebook")),
    *(("aigibench", name) for name in ("communityai", "socialrf")),
}
"""Collected from people's posts: nobody knows what made those."""


def test_the_papers_training_set_has_seen_progan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the training set's own manifest: its names are those of the test sets."""
    monkeypatch.setattr(datasets, "PROGAN_CLASSES", ("car",))
    for part in ("train", "val"):
        for name in ("0_real", "1_fake"):
            folder = tmp_path / "ForenSynths_train_val" / part / "car" / name
            folder.mkdir(parents=True)
            (folder / "1.png").write_bytes(f"{part} {name}".encode())
    data = datasets.declared("forensynths-train", data_root=tmp_path, cache=tmp_path / "runs")
    known = session._data(data.train)["generators"]
    for place, expected in (("progan", "generator progan"), ("stylegan", "")):
        subset = next(s for s in all_suites()["forensynths"].subsets if s.name == place)
        assert seen_in_training(loaded(tmp_path, known, ["zz"]), OFFICIAL, subset) == expected


def test_every_official_subset_says_what_made_its_fakes() -> None:
    """One generator has one name in all suites, or training and test could not be compared."""
    official = [suite for suite in all_suites().values() if not suite.embedded]
    named = {n for suite in official for subset in suite.subsets for n in subset.generators}
    silent = {
        (s.name, subset.name) for s in official for subset in s.subsets if not subset.generators
    }
    assert silent == UNDOCUMENTED
    assert not named & {"guided", "improved", "glide_100_10", "ldm_200"}  # adm, iddpm, glide, ldm


def test_weights_in_a_strange_run_folder_do_not_take_its_images_for_theirs(tmp_path: Path) -> None:
    strange = loaded(tmp_path, ["biggan"], ["aa"])
    away = LoadedWeights(state={}, ref=strange.ref, path=tmp_path / "mine.safetensors")
    assert seen_in_training(away, SAMPLES, SUBSET) == "generator biggan"
