"""The committed goldens: every detector has one, they are small, and made of the authors'."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.registry import detectors as registry
from tests.conftest import CHECKOUT
from tests.goldens import stored
from tests.goldens.frozen import FROZEN, declared, scores, text
from tests.goldens.make import committed

# Detector -> the goldens of its authors' code (or of the re-implementation its card names).
AUTHORS = {
    "lfm": ("lfm",),
    "npr": ("npr",),
    "cnndetection": ("cnndetection",),
    "safe": ("safe",),
    "freqnet": ("freqnet",),
    "lgrad": ("lgrad", "lgrad_d"),
    "ojha": ("ojha",),
    "c2p_clip": ("c2p_clip",),
    "fatformer": ("fatformer",),
    "patchfor": ("patchfor",),
    "f3net": ("f3net", "f3net_both"),
    "f3net-dfb": ("f3net_dfb",),
    "selfblended": ("sbi",),
    "frank": ("frank",),
    "frank-net": ("frank",),
    "fredect": ("fredect",),
    "durall": ("durall",),
    "gandetection": ("gandetection",),
    "rine": ("rine_1class", "rine_2class", "rine_4class"),
    "corvi2023": ("corvi2023",),
    "aligned": ("corvi2023",),
    "ladeda": ("ladeda", "ladeda_two_thirds"),
    "tiny-ladeda": ("tiny_ladeda", "tiny_ladeda_right_diag"),
    "clipdet": ("clipdet",),
    "patchcraft": ("patchcraft",),
    "aide": ("aide",),
    "ferretnet": ("ferretnet_s", "ferretnet_b"),
    "effort": ("effort",),
    "effort-univfd": ("effort_univfd",),
    "dda": ("dda",),
    "bfree": ("bfree",),
    "d3": ("d3",),
    "rigid": ("rigid",),
    "aeroblade": ("aeroblade",),
    "cospy": ("cospy",),
    "drct": ("drct_convb",),
    "drct-clip": ("drct_clip",),
}
BYTES = 2_000_000


def test_every_detector_has_a_golden_that_a_test_reads() -> None:
    names = set(registry.detectors())
    assert names == set(AUTHORS) | {name for name, _ in FROZEN}
    tests = [
        *(CHECKOUT / "tests/baselines").glob("test_*.py"),
        *(CHECKOUT / "tests/lfm").glob("test_*.py"),
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in tests)
    for detector, goldens in AUTHORS.items():
        for name in goldens:
            assert (stored.FOLDER / f"{name}.npz").is_file(), detector
            assert f'"{name}"' in code, f"no test reads the golden {name} of {detector}"


def test_they_are_small() -> None:
    data = [path for path in stored.FOLDER.iterdir() if path.suffix in (".npz", ".gz")]
    assert sum(path.stat().st_size for path in data) < BYTES


@pytest.mark.parametrize(("name", "variant"), FROZEN)
def test_detectors_without_authors_code_score_as_before(name: str, variant: str) -> None:
    want = stored.golden("frozen")[f"{name} {variant}".strip()]
    np.testing.assert_allclose(scores(name, variant), want, rtol=1e-4, atol=1e-5)


def test_what_detectors_declare_is_as_before() -> None:
    """Meant? ``python -m tests.goldens.frozen`` writes it anew; its diff is the review."""
    kept = (stored.FOLDER / "specs.json").read_text(encoding="utf-8")
    assert json.loads(text(declared())) == json.loads(kept)


def test_other_pictures_than_the_authors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stored.INPUTS["npr"]
    for field, value, message in (
        ("pictures", lambda: 255 - made.pictures(), "npr: other pictures"),
        ("prepare", lambda image: made.prepare(image[::-1]), "npr: pictures prepared otherwise"),
        ("normal", stored.HALF, "npr"),
    ):
        changed = replace(made, **{field: value})
        monkeypatch.setitem(stored.INPUTS, "npr", changed)
        with pytest.raises(AssertionError, match=message):
            stored.golden.__wrapped__("npr")


@pytest.mark.slow
def test_they_are_made_from_the_authors_whole_ones(shared: Path) -> None:
    made, listed = committed(shared / "methods")
    assert {name: stored.keys(name) for name in listed} == {
        name: [(entry, tuple(shape), kind) for entry, shape, kind in entries]
        for name, entries in listed.items()
    }
    for name, arrays in made.items():
        with np.load(stored.FOLDER / f"{name}.npz") as kept:
            assert set(kept.files) == set(arrays), name
            for field, values in arrays.items():
                assert np.array_equal(kept[field], values), (name, field)
