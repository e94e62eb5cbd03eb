"""A small output folder that has a bit of everything that the report shows."""

from __future__ import annotations

import json
from pathlib import Path

from harness.__main__ import main
from harness.figures.svg import draw
from harness.report.render import Renderer
from harness.report.table import Cell, Column, Row, Table
from harness.results.paths import TABLES
from harness.results.records import WeightsRef
from harness.results.store import save_record
from tests.conftest import write_images

from ..evidence import keep, scores_of
from .synthetic import mini_record, paper_like

CNNDETECTION = {
    "detector": "cnndetection",
    "title": "CNNDetection",
    "variant": "",
    "weights": WeightsRef(label="blur_jpg_prob0.5", sha256="c" * 64),
}


def write_records(out: Path) -> None:
    """Official suites below and above the paper, seeds on mini, a control, kept scores of two."""
    save_record(out, paper_like("gangen", shift=-3))
    save_record(out, paper_like("gangen", "CNNDetection", shift=2, **CNNDETECTION))
    save_record(out, mini_record("lfm", 0, 0.80, 0.70))
    save_record(out, mini_record("lfm", 1, 0.84, 0.75))
    save_record(out, mini_record("gap", 0, 0.90, 0.65))
    save_record(out, mini_record("chance", None, 0.40, 0.50, label=""))
    sets = {"gan_tconv": scores_of(1, 1.0), "ctl_jpeg90": scores_of(3, 0.0)}
    for seed in (0, 1):
        keep(out, "npr", sets, label=f"mini-train/seed{seed}", suite="mini")
    keep(out, "lfm", {"mine": scores_of(4, 1.0)}, suite="own")


def write_costs(out: Path) -> None:
    """What ``cost --json`` prints, for three detectors, one of them without a network."""
    counts = {
        "lfm": {"macs": 1e9, "parameters": 5e5},
        "gap": {"macs": 2e9, "parameters": 1e6},
        "chance": None,
    }
    costs = [{"detector": name, "counts": found} for name, found in counts.items()]
    (out / "cost.json").write_text(json.dumps({"costs": costs}), encoding="utf-8")


def write_artefacts(out: Path) -> None:
    """Twins, robustness, an audit, maps and features as their commands leave them."""
    renderer = Renderer(TABLES / "templates")
    for name in ("twins", "robustness"):
        renderer.write([small_table(f"{name}-mini")], out / name)
    (out / "robustness" / "robustness-mini.svg").write_bytes(small_svg())
    _write_audit(out)
    _write_explained(out / "explain")
    _write_plane(out / "tsne")


def small_table(name: str) -> Table:
    """Two rows and a footnote."""
    rows = tuple(
        Row(
            key=key,
            title=key,
            detector=key,
            kind="method",
            cells=(Cell(value=value, status="measured"),),
            notes=("Read with care.",),
        )
        for key, value in (("lfm", 90.0), ("npr", 80.0))
    )
    column = Column(key="as-run", title="as run", metric="AP")
    return Table(
        name=name,
        title=f"Title of {name}",
        caption="c",
        by_metric=True,
        columns=(column,),
        rows=rows,
    )


def small_svg() -> bytes:
    return draw(lambda figure: figure.subplots().plot([0, 1]), (2, 2), "t")


def _write_audit(out: Path) -> None:
    images = out.parent / "images"
    write_images(images / "0_real", range(3))
    write_images(images / "1_fake", range(3, 7))
    assert main(["check", "--audit", "--images", str(images), "--out", str(out)]) == 0


def _write_explained(folder: Path) -> None:
    folder.mkdir()
    (folder / "a-0.svg").write_bytes(small_svg())
    mean = {
        "detector": "lfm",
        "weights": "released",
        "kind": "exact",
        "of": "fake",
        "called": "fake",
        "mean": 0.041,
        "low": 0.03,
        "high": 0.05,
        "pictures": 8,
        "out_of": 9,
    }
    gap = {**mean, "first": "lfm:released", "second": "npr", "low": None, "high": None}
    panel = {"file": "a-0.svg", "picture": "a", "label": "fake (gan)", "alt": "maps of a"}
    index = {"panels": [panel], "focus": [mean], "differences": [gap]}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def _write_plane(folder: Path) -> None:
    folder.mkdir()
    row = {
        "detector": "lfm",
        "weights": "mini-train/seed0",
        "images": 200,
        "dims": 640,
        "probe": 0.875,
        "probe_low": 0.84,
        "probe_high": 0.9,
    }
    facts = {"suite": "mini", "alt": "points", "caption": "A plane.", "rows": [row]}
    (folder / "tsne-mini.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "tsne-mini.svg").write_bytes(small_svg())
