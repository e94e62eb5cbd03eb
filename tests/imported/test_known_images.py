"""Imported scores of images that are known: a suite's, or those at hand."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import write_images
from tests.imported.files import FEW, PROBABILITY, Says, kept, record_of, rows_of, save


def test_imported_scores_of_a_known_suite_pair_with_detectors_that_were_run(
    chance: Path, here: Path, says: Says, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    says("export", "--out", chance, "--method", "chance", "--to", "scores.csv")
    words = ("--name", "theirs", *PROBABILITY, *FEW)
    out = ("--out", chance)
    says("import", "scores.csv", *words, "--suite", "mini:gan", *out)
    # Another part of the same scores joins the record, nothing of the first is lost.
    says("import", "scores.csv", *words, "--suite", "mini:autoencoder", *out)
    assert "2900 rows are about subsets that were not asked for" in caplog.text
    statuses = [result.status for result in record_of("theirs", str(chance)).subsets]
    assert (statuses.count("ok"), statuses.count("missing")) == (7, 10)
    compared = says("compare", "chance", "theirs", "--suite", "mini", "--resamples", "50", *out)
    assert "Units drawn: photo" in compared and "0.0" in compared
    says("import", "scores.csv", *words, "--suite", "mini", *out)
    says("tables", "--table", "mini-all", *out)
    shown = (chance / "tables/mini-all.md").read_text(encoding="utf-8")
    assert "theirs (imported)" in shown and "imported: the scores were made elsewhere" in shown


SUITE = ("--suite", "mini:gan_tconv,mini:gan_nearest")


def bare(chance: Path, says: Says, change: Callable[[list[dict[str, str]]], None]) -> None:
    """``s.csv``: both sets as ids and scores, each image once, changed."""
    says("export", "--out", chance, "--method", "chance", *SUITE, "--to", "all.csv")
    rows = {row["id"]: row for row in rows_of(Path("all.csv"))}.values()
    kept_rows = [{k: row[k] for k in ("id", "score", "label")} for row in rows]
    change(kept_rows)
    with Path("s.csv").open("w", newline="") as text:
        writer = csv.DictWriter(text, ["id", "score", "label"])
        writer.writeheader()
        writer.writerows(kept_rows)


def test_an_id_stands_for_an_image_in_every_set_that_shares_it(
    chance: Path, here: Path, says: Says
) -> None:
    bare(chance, says, lambda rows: None)
    says("import", "s.csv", "--name", "x", *PROBABILITY, *SUITE, *FEW)
    for name in ("gan_tconv", "gan_nearest"):
        ours = kept(record_of("chance", str(chance)), name, str(chance))
        assert kept(record_of("x"), name).scores.tobytes() == ours.scores.tobytes()


def _unknown(rows: list[dict[str, str]]) -> None:
    rows[3]["id"] = "nobody.png"


def _relabelled(rows: list[dict[str, str]]) -> None:
    rows[3]["label"] = "fake" if rows[3]["label"] == "real" else "real"


def _twice(rows: list[dict[str, str]]) -> None:
    rows.append(dict(rows[0]))


def _shorter(rows: list[dict[str, str]]) -> None:
    del rows[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_unknown, "s.csv, line 5: nobody.png: no such image in mini"),
        (_relabelled, "the label is not that of the image in mini"),
        (_twice, "both are about gan_tconv/"),
        (_shorter, "1 of 250 images of mini:gan_tconv have no row"),
    ],
)
def test_rows_that_do_not_fit_the_suite_are_named(
    change: Callable[[list[dict[str, str]]], None],
    message: str,
    chance: Path,
    here: Path,
    says: Says,
) -> None:
    bare(chance, says, change)
    assert message in says("import", "s.csv", "--name", "x", *PROBABILITY, *SUITE, code=3)


def test_images_at_hand_are_found_by_their_path(here: Path, says: Says) -> None:
    for kind, seeds in (("0_real", range(4)), ("1_fake", range(4, 8))):
        write_images(here / "photos" / kind, seeds)
    files = sorted(Path("photos").rglob("*.png"))
    rows = [[str(file), n / 10] for n, file in enumerate(files)]
    save(here / "s.csv", [["path", "score"], *rows])
    says("import", "s.csv", "--name", "x", *PROBABILITY, "--images", "photos", *FEW)
    says("run", "--method", "chance", "--images", "photos", *FEW)
    assert record_of("x").suite == record_of("chance").suite
    compared = says("compare", "x", "chance", "--resamples", "50")
    assert "not compared" not in compared and "x against chance" in compared
    save(here / "less.csv", [["path", "score"], *rows[1:]])
    less = ("less.csv", "--name", "y", *PROBABILITY, "--images", "photos", *FEW)
    assert "1 of 8 images of" in says("import", *less, code=3)
    says("import", *less, "--missing", "skip")
    assert record_of("y").subsets[0].skipped == ("0_real/000.png",)
