"""Imported scores of reals that several groups of fakes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import write_images
from tests.imported.files import FEW, PROBABILITY, Says, kept, record_of, save

HEAD = ("id", "label", "group", "score")
ROWS = [
    HEAD,
    *((f"r{n}", "real", "photos", 0.05 + 0.2 * n) for n in range(4)),
    *((f"a{n}", "fake", "flux", 0.4 + 0.2 * n) for n in range(3)),
    *((f"b{n}", "fake", "sd3", 0.1 + 0.1 * n) for n in range(5)),
]


def test_each_group_of_fakes_takes_the_reals(here: Path, says: Says) -> None:
    save(here / "scores.csv", ROWS)
    shown = says("import", "scores.csv", "--name", "mine", *PROBABILITY, "--reals", "photos", *FEW)
    found = record_of("mine")
    sizes = {result.subset: (result.n_real, result.n_fake) for result in found.subsets}
    assert sizes == {"photos": (4, 0), "flux": (4, 3), "sd3": (4, 5)}
    flux, sd3 = (kept(found, name) for name in ("flux", "sd3"))
    assert flux.ids[:4] == sd3.ids[:4] == tuple(f"photos/r{n}" for n in range(4))
    assert flux.units[:4] == sd3.units[:4] == ("r0", "r1", "r2", "r3")  # drawn together
    result = found.result("flux")
    assert result is not None
    assert result.metrics["acc"].value == pytest.approx(5 / 7)  # reals 3 of 4, fakes 2 of 3
    assert "flux" in shown


def test_paired_and_unpaired_are_two_suites(here: Path, says: Says) -> None:
    save(here / "scores.csv", ROWS)
    for flags in ((), ("--reals", "photos")):
        says("import", "scores.csv", "--name", "mine", *PROBABILITY, *flags, *FEW)
    assert len(list((here / "runs/results").iterdir())) == 2


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        (
            "flux",
            "--reals flux is no group of reals alone\n  next: the groups of reals alone: photos",
        ),
        ("nobody", "--reals nobody is no group of reals alone"),
    ],
)
def test_a_pool_that_is_none_is_refused(here: Path, says: Says, pool: str, said: str) -> None:
    save(here / "scores.csv", ROWS)
    flags = (*PROBABILITY, "--reals", pool)
    assert said in says("import", "scores.csv", "--name", "mine", *flags, code=2)


def test_a_known_suite_has_its_own_reals(here: Path, says: Says) -> None:
    save(here / "scores.csv", ROWS)
    flags = (*PROBABILITY, "--suite", "mini:gan", "--reals", "photos")
    assert "leave out --reals" in says("import", "scores.csv", "--name", "mine", *flags, code=2)


def test_with_images_at_hand(here: Path, says: Says) -> None:
    write_images(here / "pool/photos/0_real", range(4))
    write_images(here / "pool/flux/1_fake", range(4, 7))
    rows = [("id", "score"), *((f"photos/0_real/{n:03d}.png", 0.1) for n in range(4))]
    rows += [(f"flux/1_fake/{n:03d}.png", 0.9) for n in range(4, 7)]
    save(here / "scores.csv", rows)
    flags = (*PROBABILITY, "--images", "pool", "--reals", "photos", *FEW)
    says("import", "scores.csv", "--name", "mine", *flags)
    result = record_of("mine").result("flux")
    assert result is not None
    assert (result.n_real, result.n_fake, result.metrics["acc"].value) == (4, 3, 1.0)


def test_an_imported_name_cannot_score_images(here: Path, says: Says) -> None:
    save(here / "scores.csv", ROWS)
    says("import", "scores.csv", "--name", "mine", *PROBABILITY, *FEW)
    words = ("run", "--method", "mine", "--suite", "mini:gan")
    assert "mine: its scores were imported" in says(*words, code=2)
    assert "unknown detector 'min'" in says("run", "--method", "min", *words[3:], code=2)
