"""What other commands wrote, as sections of the report: read from disk, put into the page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from harness.errors import SchemaError
from harness.report import separability
from harness.site.renderer import data_uri

PANELS = 8
"""Pictures with maps that the page shows at most."""
_MAPS = {"grad-cam": "Grad-CAM", "exact": "exact map"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of the page.

    Args:
        source: a ``data:`` URI.
        alt: what it shows, in words.
        caption: below it, "" for none.
    """

    source: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A cell of a plain table; ``number`` is what it is sorted by, None for its text."""

    text: str
    number: float | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A plain table: the first column names its rows."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Value]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section.

    Args:
        key: its anchor.
        title, lead: heading, and what stands below it.
        command: what makes it.
        pictures, grids: what it shows.
        fragments: (name, HTML) of tables and pages that were written elsewhere.
    """

    key: str
    title: str
    lead: str
    command: str
    pictures: Sequence[Picture] = ()
    grids: Sequence[Grid] = ()
    fragments: Sequence[tuple[str, Markup]] = ()

    @property
    def empty(self) -> bool:
        """Whether the command has not been run."""
        return not (self.pictures or self.grids or self.fragments)


def parts(out: Path, rendered: Path) -> list[Part]:
    """The sections, in the page's order; one whose command was not run says so.

    Args:
        out: output folder.
        rendered: folder of the committed tables, with the ablations.

    Raises:
        SchemaError: a file is damaged.
    """
    return [
        _twins(out / "twins"),
        _robustness(out / "robustness"),
        _audit(out / "audit"),
        _explained(out / "explain"),
        _plane(out / "tsne"),
        _ablation(rendered),
    ]


def _twins(folder: Path) -> Part:
    return Part(
        key="twins",
        title="The same images through one path",
        lead="What a number owes to file format and geometry: both classes as they are, then put "
        "through the same codec or the same resize.",
        command="python -m harness run --method lfm --suite mini --twin jpeg96,resize",
        fragments=_fragments(folder, "twins-*.html"),
    )


def _robustness(folder: Path) -> Part:
    pictures = [
        Picture(
            source=data_uri(path.read_bytes(), "svg"),
            alt=f"Curves of what detectors reach on {_suite(path)} under each perturbation, with "
            "95 % intervals; the table below holds the numbers.",
        )
        for path in sorted(folder.glob("robustness-*.svg"))
    ]
    return Part(
        key="robustness",
        title="Robustness",
        lead="Every picture, real or fake, perturbed after decoding and before the detector's own "
        "geometry.",
        command="python -m harness robustness --method lfm,npr --suite mini --limit 20",
        pictures=pictures,
        fragments=_fragments(folder, "robustness-*.html"),
    )


def _audit(folder: Path) -> Part:
    return Part(
        key="audit",
        title="Audit of the data",
        lead="What the files give away without their pictures, traces of former JPEGs, duplicates, "
        "and reals that several sets share.",
        command="python -m harness check --audit --suite mini",
        fragments=_fragments(folder, "audit-*.html"),
    )


def _ablation(folder: Path) -> Part:
    return Part(
        key="ablation",
        title="LFM taken apart",
        lead="Its parts switched on and off, trained on the embedded suite over seeds. The outcome "
        "stands as it came out.",
        command="python -m harness ablation tables/specs/ablation/core.toml",
        fragments=_fragments(folder, "ablation-*.html"),
    )


def _explained(folder: Path) -> Part:
    grids: list[Grid] = []
    pictures: list[Picture] = []
    path = folder / "index.json"
    if path.is_file():
        with _Reading(path, "python -m harness explain"):
            index = json.loads(path.read_text(encoding="utf-8"))
            for panel in index["panels"][:PANELS]:
                drawn = (folder / panel["file"]).read_bytes()
                caption = " ".join(filter(None, (panel["picture"], panel["label"])))
                pictures.append(
                    Picture(source=data_uri(drawn, "svg"), alt=panel["alt"], caption=caption)
                )
            grids = [_focus(index["focus"]), _focus_differences(index["differences"])]
    return Part(
        key="explain",
        title="Where detectors look",
        lead="Grad-CAM, and where a score is a sum over places, the exact map: what every place "
        "adds to the score. Focus is the share of places that hold half of what speaks for fake: "
        "small for a detector that looks at few places. In exact maps of LFM squares mark the "
        "places from which top-K took values.",
        command="python -m harness explain --method lfm,npr --suite mini",
        pictures=pictures,
        grids=[grid for grid in grids if grid.rows],
    )


def _focus(means: Sequence[Mapping[str, Any]]) -> Grid:
    rows = [
        _focus_row(
            separability.name_of(mean["detector"], mean["weights"]),
            mean,
            f"{mean['pictures']} of {mean['out_of']}",
        )
        for mean in means
    ]
    header = ("Detector", "Map", "Pictures", "With a map", "Mean focus (%)", "95 % interval")
    return Grid(caption="Focus of the maps, percent of the places", header=header, rows=rows)


def _focus_differences(differences: Sequence[Mapping[str, Any]]) -> Grid:
    rows = [
        _focus_row(f"{each['first']} minus {each['second']}", each, str(each["pictures"]))
        for each in differences
    ]
    header = ("Difference", "Map", "Pictures", "Number", "Mean (points)", "95 % interval")
    return Grid(caption="Differences of focus on the same pictures", header=header, rows=rows)


def _focus_row(name: str, found: Mapping[str, Any], count: str) -> list[Value]:
    return [
        Value(text=name),
        Value(text=_MAPS[found["kind"]]),
        Value(text=f"{found['of']} called {found['called']}".strip()),
        Value(text=count, number=found["pictures"]),
        *_estimate(found),
    ]


def _estimate(found: Mapping[str, Any]) -> tuple[Value, Value]:
    """A mean and its interval, in percent; dashes where there is none."""
    mean, low, high = (found[name] for name in ("mean", "low", "high"))
    edges = "-" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    if mean is None:
        return Value(text="-"), Value(text=edges)
    return Value(text=f"{100 * mean:.1f}", number=mean), Value(text=edges)


def _plane(folder: Path) -> Part:
    pictures, grids = [], []
    for path in sorted(folder.glob("tsne-*.json")):
        with _Reading(path, "python -m harness tsne"):
            facts = json.loads(path.read_text(encoding="utf-8"))
            drawn = path.with_suffix(".svg").read_bytes()
            pictures.append(
                Picture(source=data_uri(drawn, "svg"), alt=facts["alt"], caption=facts["caption"])
            )
            head, *lines = separability.cells(facts["rows"])
            rows = [[Value(text=text, number=_leading(text)) for text in line] for line in lines]
            grids.append(Grid(caption=f"Features on {facts['suite']}", header=head, rows=rows))
    return Part(
        key="features",
        title="Features in a plane",
        lead=separability.READING,
        command="python -m harness tsne --method lfm,gap --suite mini",
        pictures=pictures,
        grids=grids,
    )


def _leading(text: str) -> float | None:
    """The number at a text's begin: ``0.31 [0.28, 0.35]`` -> 0.31."""
    match = re.match(r"-?\d+(\.\d+)?(?=$| )", text)
    return float(match[0]) if match else None


def _suite(path: Path) -> str:
    """``robustness-mini.svg`` -> ``mini``."""
    return path.stem.partition("-")[2]


def _fragments(folder: Path, pattern: str) -> list[tuple[str, Markup]]:
    return [_fragment(path) for path in sorted(folder.glob(pattern))]


def _fragment(path: Path) -> tuple[str, Markup]:
    """Title and body of a page that this project wrote, to stand inside another page.

    Its anchors and the names of its regions become unique by the file's name, its headings go
    below those of the report.
    """
    text = path.read_text(encoding="utf-8")
    body = re.search(r"<main>\s*(<h1>(.*?)</h1>)?(.*)</main>", text, re.DOTALL)
    if body is None or body[2] is None:
        raise SchemaError(f"{path}: not a page of this project", hint=f"rm {path}, then once more")
    title, content = body[2], body[3]
    subs = (
        (r'(?<=\bid=")(?=note-)', f"{path.stem}-"),
        (r'(?<=\bhref="#)(?=note-)', f"{path.stem}-"),
        (r'(?<=role="region" aria-label=")', f"{path.stem}: "),
        (r"(?<=<h)2\b|(?<=</h)2\b", "3"),
    )
    for pattern, replacement in subs:
        content = re.sub(pattern, replacement, content)
    return Markup(title).unescape(), Markup(content)


class _Reading:
    """Turns what a damaged file raises into a message that names it.

    Args:
        path: the file.
        command: what writes it.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self.command = command

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (ValueError, TypeError, KeyError, OSError)):
            raise SchemaError(
                f"{self.path}: not what {self.command} writes ({type(error).__name__}: {error})",
                hint=f"{self.command} writes it anew",
            ) from error
