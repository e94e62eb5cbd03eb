"""What detectors saw of an image: a panel with a column a detector, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.explain.maps import Explanation, Map
from harness.explain.observer import Observation, Subject
from harness.figures.panels import Heat, PanelColumn, panel
from harness.metrics.focus import focus

NAMES = {"grad-cam": "Grad-CAM", "exact": "exact map"}


TITLE = 24  # characters


def drawn(subject: Subject, looks: Sequence[Observation], form: str) -> bytes:
    """The panel of an image, as a file of :data:`harness.figures.svg.FORMS`."""
    alike = all(look.pixels.shape == looks[0].pixels.shape for look in looks)
    pixels = looks[0].pixels if alike else subject.pixels
    height, width = pixels.shape[:2]
    name = Path(subject.name).name
    name = name if len(name) <= TITLE else f"{name[: TITLE - 1]}…"
    title = "\n".join(filter(None, (name, subject.label, f"{width} x {height} pixels")))
    return panel(title, pixels, [_column(look) for look in looks], form)


def _column(look: Observation) -> PanelColumn:
    """A detector's column: name, score and decision above its maps."""
    spec, weights = look.job.spec, look.job.weights.label
    row = next(look.rows())
    sign = ">" if row.decision == "fake" else "≤"
    verdict = f"score {row.score:.2f} {sign} {row.threshold:g}: {row.decision}"
    heats = {
        NAMES[found.kind]: Heat(values=found.map, selected=found.selected, caption=_caption(found))
        for found in look.explanations
    }
    return PanelColumn(title=f"{spec.title}\n{weights}\n{verdict}", pixels=look.pixels, heats=heats)


def in_words(look: Observation) -> str:
    """The column for those who do not see it."""
    row = next(look.rows())
    maps = "; ".join(
        f"{NAMES[found.kind]}: {_focus(found.map)}"
        + (f", {strongest(found.map)}" if found.map.max() > 0 else "")
        for found in look.explanations
    )
    return f"{look.job.label} says {row.decision} ({row.score:.2f}); {maps}"


def _caption(found: Explanation) -> str:
    lines = [_focus(found.map)]
    if found.kind == "exact":
        lines.append(f"{found.map.min():+.2g} to {found.map.max():+.2g} a cell")
    return "\n".join(lines)


def _focus(values: Map) -> str:
    share = focus(values).value
    return "nothing for fake" if share is None else f"focus {100 * share:.1f} %"


def strongest(values: Map) -> str:
    """Where the largest value lies, by thirds of the sides: ``strongest at the upper left``."""
    place = np.unravel_index(int(values.argmax()), values.shape)
    down, across = (3 * int(at) // side for at, side in zip(place, values.shape, strict=True))
    rows, columns = ("upper", "middle", "lower"), ("left", "centre", "right")
    return f"strongest at the {rows[down]} {columns[across]}"
