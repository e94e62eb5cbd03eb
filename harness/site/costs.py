"""Cost against accuracy: ours on the embedded suite, and the paper's as it prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.figures.cost import CostPanel, CostPoint
from harness.report.tables.mini import UNLEARNED
from harness.site.board import Leaderboard, Material
from harness.site.grid import Entry, Grid, said


def cost_panels(board: Leaderboard, material: Material) -> list[CostPanel]:
    """Ours and the paper's, in this order; a panel of which nothing is known has no points."""
    ours = sorted(_ours(board, material), key=lambda point: (point.macs, point.label))
    paper = sorted(_paper(material), key=lambda point: (point.macs, point.label))
    column = board.columns[board.start]
    over = column.group if column.title == "ours" else f"{column.group}, {column.title}"
    return [
        CostPanel(title=f"Ours: AP on {over}", points=tuple(ours)),
        CostPanel(title="The paper's: AP, mean of its 38 sets", points=tuple(paper)),
    ]


def cost_grid(panel: CostPanel) -> Grid:
    """A panel's numbers."""
    return Grid(
        caption=panel.title,
        header=("Detector", "Family", "MACs (G)", "Parameters (M)", "AP (%)"),
        rows=[
            (
                said(point.label),
                said(point.family),
                _number(point.macs / 1e9),
                _number(point.params / 1e6),
                Entry(text=f"{point.ap:.1f}", value=point.ap),
            )
            for point in panel.points
        ],
    )


def _number(value: float) -> Entry:
    return Entry(text=f"{value:,.2f}", value=value)


def _ours(board: Leaderboard, material: Material) -> Iterator[CostPoint]:
    shown = []
    for row in board.rows:
        cost = material.sources.costs.get(row.detector)
        ap = row.entries[board.start].value
        if cost is None or not cost.macs or not cost.params or ap is None:
            continue
        if UNLEARNED not in row.notes:
            shown.append((row, cost.macs, cost.params, ap))
    names = Counter(row.title for row, *_ in shown)
    for row, macs, params, ap in shown:
        label = f"{row.title} ({row.weights})" if names[row.title] > 1 else row.title
        yield CostPoint(label=label, family=row.family, macs=macs, params=params, ap=ap)


def _paper(material: Material) -> Iterator[CostPoint]:
    paper = material.sources.paper
    families = {facts["name"]: facts["family"] for facts in material.detectors}
    (spec,) = [spec for spec in material.specs if spec.kind == "summary"]
    (mean,) = [column.paper for column in spec.columns if column.over == "all-subsets"]
    for row in spec.rows:
        places = (("cost", "flops"), ("cost", "params"), (mean, "AP"))
        macs, params, ap = (paper.get(spec.paper, row.paper, *place) for place in places)
        if macs is not None and params is not None and ap is not None:
            yield CostPoint(
                label=row.paper,
                family=families.get(row.detector, ""),
                macs=1e9 * macs.value,
                params=1e6 * params.value,
                ap=ap.value,
            )
