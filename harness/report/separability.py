"""Figures of separation in words and tables: what ``tsne`` prints and writes beside its picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

FIGURES = {
    "silhouette": "silhouette real/fake",
    "silhouette_generators": "silhouette generators",
    "probe": "probe (%)",
    "unseen": "probe, unseen generator (%)",
}
PROBES = ("probe", "unseen")
"""Those of them that are printed in percent, and by which detectors are compared."""

READING = (
    "Silhouettes and probes are taken in the space of all features, standardised, not in the "
    "plane; every class counts the same. A silhouette is 1 for tight classes far apart and 0 for "
    "one cloud; it also depends on how many features there are and how they depend on each other, "
    "so compare detectors by their probes. A probe is a logistic regression, balanced accuracy "
    "over 5 folds that never split a photograph, 50 % = chance; its penalty is chosen inside the "
    "training folds. Unseen: fitted on all generators but one and judged on that one and reals, "
    "mean over generators. Brackets: 95 % interval over resampled photographs."
)


def name_of(detector: str, weights: str) -> str:
    """As typed after ``--method``."""
    return f"{detector}:{weights}" if weights else detector


def markdown(facts: Mapping[str, Any]) -> str:
    """The page beside the picture, from what the JSON file holds."""
    lines = [f"# Features of {facts['suite']} in a plane", ""]
    lines += [f"![{facts['alt']}](tsne-{slug(facts['suite'])}.svg)", "", facts["caption"], ""]
    head, *body = cells(facts["rows"])
    lines += [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body)]
    lines += ["", *(f"- {line}" for line in statements(facts)), "", READING]
    return "\n".join(lines) + "\n"


def slug(suite: str) -> str:
    """A part of a file name: ``mini:gan`` -> ``mini-gan``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", suite)


def cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The head, then a line a row."""
    lines = [["detector", "images", "features", *FIGURES.values(), "silhouette in the plane"]]
    for row in rows:
        in_plane = row["silhouette_plane"]
        lines.append(
            [
                name_of(row["detector"], row["weights"]),
                str(row["images"]),
                str(row["dims"]),
                *(shown(name, row) for name in FIGURES),
                "-" if in_plane is None else _number("silhouette", in_plane),
            ]
        )
    return lines


def _number(figure: str, value: float) -> str:
    return f"{100 * value:.1f}" if figure in PROBES else f"{value:.2f}"


def shown(name: str, line: Mapping[str, Any]) -> str:
    """A figure of a line with its interval, in the unit of its head; a dash where there is none."""
    value, low, high = (line.get(f"{name}{edge}") for edge in ("", "_low", "_high"))
    if value is None:
        return "-"
    if low is None or high is None:
        return _number(name, value)
    return f"{_number(name, value)} [{_number(name, low)}, {_number(name, high)}]"


def statements(facts: Mapping[str, Any]) -> list[str]:
    """Means over seeds and differences in words, and why a figure is missing."""
    lines = []
    for mean in facts["means"]:
        parts = [
            f"{head} {_number(name, mean[name]['mean'])} (sd {_number(name, mean[name]['sd'])})"
            for name, head in FIGURES.items()
            if name in mean
        ]
        who = name_of(mean["detector"], mean["weights"])
        lines.append(f"{who}, mean of {mean['seeds']} seeds: {', '.join(parts)}")
    for gap in facts["differences"]:
        parts = [f"{FIGURES[name]} {shown(name, gap)}" for name in PROBES]
        lines.append(f"{gap['first']} minus {gap['second']}, paired: {', '.join(parts)}")
    notes = {note for each in facts["details"] for note in each["notes"].values()}
    return lines + [f"not defined: {note}" for note in sorted(notes)]
