"""Features in words and tables: what ``tsne`` prints and writes beside its picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.results.records import row_name

READING = (
    "A plane by t-SNE shows no distances: read the number beside it. The probe is a logistic "
    "regression on all features. It is fitted on four fifths of the photographs and judged on the "
    "rest, five times. 50 % is chance, and both classes count the same. Brackets: 95 % interval "
    "over resampled photographs."
)


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
    return [
        ["detector", "images", "features", "probe (%)"],
        *(
            [
                row_name(row["detector"], row["weights"]),
                str(row["images"]),
                str(row["dims"]),
                shown(row),
            ]
            for row in rows
        ),
    ]


def shown(line: Mapping[str, Any]) -> str:
    """The probe of a line with its interval, in percent; a dash where there is none."""
    value, low, high = (line.get(f"probe{edge}") for edge in ("", "_low", "_high"))
    if value is None:
        return "-"
    edges = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value:.1f}{edges}"


def statements(facts: Mapping[str, Any]) -> list[str]:
    """Means over seeds and differences in words, and why a probe is missing."""
    lines = []
    for mean in facts["means"]:
        who = row_name(mean["detector"], mean["weights"])
        probe = f"{100 * mean['probe']['mean']:.1f} (sd {100 * mean['probe']['sd']:.1f})"
        lines.append(f"{who}, mean of {mean['seeds']} seeds: probe (%) {probe}")
    for gap in facts["differences"]:
        lines.append(f"{gap['first']} minus {gap['second']}, paired: probe (%) {shown(gap)}")
    notes = {each["note"] for each in facts["rows"] if each["note"]}
    return lines + [f"no probe: {note}" for note in sorted(notes)]
