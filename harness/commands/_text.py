"""Plain-text tables for terminals, and facts in words."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import Recipe
from harness.data.suite import Release
from harness.report import layout
from harness.report.layout import signed


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Columns padded to width, the first ``left`` flush left and the others flush right."""
    head, *lines = columns([header, *rows], "<" * left + ">" * (len(header) - left))
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join([head, "  ".join("-" * width for width in widths), *lines])


def columns(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Lines of cells padded to the width of their column, ``<`` or ``>`` says to which side."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    places = list(zip(sides, widths, strict=True))
    return [
        "  ".join(
            f"{text:{side}{width}s}" for text, (side, width) in zip(row, places, strict=True)
        ).rstrip()
        for row in rows
    ]


def recipe(recipe: Recipe) -> str:
    """A published recipe in words, without its source."""
    if recipe.lr == 0:  # fitted in one go
        return f"one fit, `{recipe.train_preprocess}`"
    decay = f", weight decay {recipe.weight_decay:g}" if recipe.weight_decay else ""
    if recipe.weight_decay and not recipe.decay_vectors:
        decay += " (not of biases and normalisation)"
    parts = [
        f"{_OPTIMISERS[recipe.optimiser]}{decay}",
        f"rate {recipe.lr:g}{_schedule(recipe)}",
        f"batch {recipe.batch_size}{', half real and half fake' if recipe.balanced else ''}",
        f"{recipe.epochs} epochs" + (" at most" if recipe.patience else ""),
        f"the {recipe.keep} epoch's weights"
        + (f" by {recipe.monitor}" if recipe.keep == "best" else ""),
        f"from `{recipe.start}` weights" if recipe.start else "from random weights",
        f"`{recipe.train_preprocess}`",
    ]
    return "; ".join(parts)


_OPTIMISERS = {"adam": "Adam", "adamw": "AdamW", "sam": "SAM over SGD"}


def _schedule(recipe: Recipe) -> str:
    warmup = f", warmed up over {recipe.warmup} epochs" if recipe.warmup else ""
    without_gain = f"{recipe.patience} epochs without gain of {recipe.monitor}"
    if recipe.schedule == "plateau":
        end = f" until below {recipe.min_lr:g}" if recipe.min_lr else ""
        return f"{warmup}, times {recipe.lr_gamma:g} after {without_gain}{end}"
    stop = f", ended after {without_gain}" if recipe.patience else ""
    if recipe.schedule == "cosine":
        return f"{warmup}, by half a cosine to {recipe.min_lr:g}{stop}"
    if recipe.lr_gamma == 1:
        return f"{warmup}, constant{stop}"
    return f"{warmup}, times {recipe.lr_gamma:g} every {recipe.lr_step} epochs{stop}"


def percent(value: float | None) -> str:
    """A fraction as percent with one decimal, or a dash where it is not defined."""
    return "-" if value is None else f"{100 * value:.1f}"


def between(low: float | None, high: float | None, *, sign: bool = False) -> str:
    """An interval of fractions as ``[82.1, 89.0]`` percent, "" where there is none."""
    if low is None or high is None:
        return ""
    return layout.between(100 * low, 100 * high, sign=sign)


def points(value: float | None) -> str:
    """A difference of fractions as ``+2.1`` points, or a dash."""
    return "-" if value is None else signed(100 * value, 1)


def release_facts(release: Release) -> dict[str, str]:
    """What is known of a source, in words; what is not known is left out, but for the size."""
    files = [file.name for file in release.files]
    digest = ", ".join(file.sha256 for file in release.files if file.sha256)
    facts = {
        "by": f"{release.publisher} ({release.certainty})",
        "files": ", ".join(files),
        "size": release.size or "not known",
        "sha256": digest,
        "commit": release.revision,
        "licence": release.licence,
        "by hand": release.by_hand,
    }
    return {name: text for name, text in facts.items() if text}
