"""The colours and marks of every figure, in files and inside pages."""

from __future__ import annotations

# Okabe and Ito's palette: told apart by people with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# The same hues, light enough for a dark page; its black becomes the page's ink.
ON_DARK = ("#56B4E9", "#F08A3C", "#3CC6A0", "#E3A3C8", "#F0C24B", "#9BD3F5", "#E6EDF3")
MARKERS = "osD^vPX*"
REFERENCE = "#999999"  # trivial rows, controls, chance
REAL, FAKE = COLOURS[0], COLOURS[1]


def variables(colours: tuple[str, ...]) -> str:
    """CSS of one of the two palettes: ``--c0`` to ``--c6``."""
    return " ".join(f"--c{number}: {colour};" for number, colour in enumerate(colours))
