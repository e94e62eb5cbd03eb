"""What other commands wrote, as sections of the page: read from their data."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import SchemaError
from harness.report import separability
from harness.report.layout import HOLE, between, signed
from harness.results.records import row_name
from harness.site.grid import Entry, Grid, counted, said
from harness.site.renderer import data_uri

PANELS = 8
"""Images with maps that the page shows at most."""
_MAPS = {"grad-cam": "Grad-CAM", "exact": "exact map"}
_HEADS = {"first": "as run"}  # of columns whose key in files is not what a reader expects


@dataclass(frozen=True, kw_only=True)
class Illustration:
    """A picture of the page.

    Args:
        source: a ``data:`` URI.
        alt: what it shows, in words.
        caption: below it, "" for none.
        photograph: it holds photographs, so dark mode leaves its colours alone.
    """

    source: str
    alt: str
    caption: str = ""
    photograph: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page.

    Args:
        key: its anchor.
        title, lead: heading, and what stands below it.
        command: what makes it.
        images, grids: what it shows.
    """

    key: str
    title: str
    lead: str
    command: str
    images: Sequence[Illustration] = ()
    grids: Sequence[Grid] = ()

    @property
    def empty(self) -> bool:
        """Whether the command has not been run."""
        return not (self.images or self.grids)


def sections(out: Path, rendered: Path) -> list[Section]:
    """The sections, in the page's order; one whose command was not run says so.

    Args:
        out: output folder.
        rendered: folder of the committed tables, with the ablations.

    Raises:
        SchemaError: a file is damaged.
    """
    return [
        Section(
            key="twins",
            title="The same images through one path",
            lead="What a number owes to file format and geometry: both classes as they are, then "
            "put through the same codec or the same resize.",
            command="python -m harness run --method lfm --suite mini --twin jpeg96,resize",
            grids=_tables(out / "twins", "twins-*.csv"),
        ),
        Section(
            key="robustness",
            title="Robustness",
            lead="Every image, real or fake, is perturbed after decoding and before the detector's "
            "own geometry.",
            command="python -m harness robustness --method lfm,npr --suite mini --limit 20",
            images=[_curves(path) for path in sorted((out / "robustness").glob("*.svg"))],
            grids=_tables(out / "robustness", "robustness-*.csv"),
        ),
        Section(
            key="audit",
            title="Audit of the data",
            lead="Balanced accuracy of a forest that sees file facts alone (format, size, JPEG "
            "tables, metadata) and no pixel. Chance is 50. A set is marked ! where the interval "
            "begins far above chance: there a detector may have learned the files.",
            command="python -m harness check --audit --suite mini",
            grids=[_audit(path) for path in sorted((out / "audit").glob("audit-*.json"))],
        ),
        _explained(out / "explain"),
        _plane(out / "tsne"),
        Section(
            key="ablation",
            title="LFM taken apart",
            lead="Its parts switched on and off, trained on the embedded suite over seeds (RBLD: "
            "rank-based linear dropout; RKS: random-K sampling with an auxiliary loss; TKP: top-K "
            "pooling). The outcome stands as it came out. Tests of the differences stand in the "
            "files ablation-*-tests beside these.",
            command="python -m harness ablation tables/specs/ablation/core.toml",
            grids=_tables(rendered, "ablation-*.csv"),
        ),
    ]


def _tables(folder: Path, pattern: str) -> list[Grid]:
    """The tables that a command left as CSV, a grid for each of their metrics."""
    found = []
    for path in sorted(folder.glob(pattern)):
        if not path.stem.endswith("-tests"):
            with _reading(path, "the command of this section"), path.open(encoding="utf-8") as file:
                found += list(_blocks(path, list(csv.DictReader(file))))
    return found


def _blocks(path: Path, cells: Sequence[Mapping[str, str]]) -> Iterator[Grid]:
    told = {cell["row"]: cell["notes"] for cell in cells if cell["notes"]}
    notes = [text if text.startswith(row) else f"{row}: {text}" for row, text in told.items()]
    notes.append(
        f"The whole table, with what must be said of it: {path.parent.name}/{path.stem}.md"
    )
    for metric in dict.fromkeys(cell["metric"] for cell in cells):
        members = [c for c in cells if c["metric"] == metric and c["status"] != "undefined"]
        keys = list(dict.fromkeys(cell["column"] for cell in members))
        lines: dict[str, dict[str, Mapping[str, str]]] = {}
        for cell in members:
            lines.setdefault(cell["row"], {})[cell["column"]] = cell
        yield Grid(
            caption=f"{path.stem}: {metric}, percent",
            header=("Detector", *(_HEADS.get(key, key) for key in keys)),
            rows=[
                [Entry(text=row), *(_csv_value(line.get(key), key) for key in keys)]
                for row, line in lines.items()
                if any(cell["value"] for cell in line.values())
            ],
            notes=notes,
        )
        notes = []  # once a table


def _csv_value(cell: Mapping[str, str] | None, key: str) -> Entry:
    if cell is None or not cell["value"]:
        return Entry(text=HOLE if cell and cell["status"] == "hole" else "")
    is_difference = key.endswith(" difference")
    value = float(cell["value"])
    low, high = (float(cell[edge]) if cell[edge] else None for edge in ("low", "high"))
    parts = [
        signed(value, 1) if is_difference else f"{value:.1f}",
        between(low, high, sign=is_difference),
        f"(sd {float(cell['spread']):.1f})" if cell["spread"] else "",
    ]
    return Entry(text=" ".join(filter(None, parts)), value=value)


def _curves(path: Path) -> Illustration:
    suite = path.stem.partition("-")[2]
    return Illustration(
        source=data_uri(path.read_bytes(), "svg"),
        alt=f"Curves of what detectors reach on {suite} under each perturbation, with 95 % "
        "intervals; the table below holds the numbers.",
    )


def _audit(path: Path) -> Grid:
    with _reading(path, "python -m harness check --audit"):
        audit = json.loads(path.read_text(encoding="utf-8"))
        rows, notes = [], []
        for each in audit["subsets"]:
            rows.append(
                [
                    Entry(text=each["subset"]),
                    *(counted(each[label]["images"]) for label in ("real", "fake")),
                    _accuracy(each["by_file"]),
                    _accuracy(each["by_file_and_grid"]),
                    Entry(
                        text=" / ".join(
                            f"{each['traces'][label]['blocky']} of "
                            f"{each['traces'][label]['lossless']}"
                            for label in ("real", "fake")  # the header's order, not the file's
                        )
                    ),
                ]
            )
            notes += [f"{f['level']}: {each['subset']}: {f['text']}" for f in each["findings"]]
        header = ("Set", "Real", "Fake", "File facts alone", "With the 8x8 grid")
        return Grid(
            caption=f"Audit: {audit['title']}",
            header=(*header, "Former JPEGs, real / fake"),
            rows=rows,
            notes=[*notes, f"Duplicates and every fact by class: audit/{path.stem}.html"],
        )


def _accuracy(found: Mapping[str, Any] | None) -> Entry:
    if found is None:  # a set that is not here
        return Entry()
    value = found["accuracy"]
    if value is None:
        return Entry(text=found["note"])
    edges = between(100 * found["low"], 100 * found["high"])
    mark = "!" if found["flagged"] else ""
    text = " ".join(filter(None, (f"{100 * value:.1f}", edges, mark)))
    return Entry(text=text, value=value)


def _explained(folder: Path) -> Section:
    grids: list[Grid] = []
    images: list[Illustration] = []
    path = folder / "index.json"
    if path.is_file():
        with _reading(path, "python -m harness explain"):
            index = json.loads(path.read_text(encoding="utf-8"))
            for panel in index["panels"][:PANELS]:
                drawn = data_uri((folder / panel["file"]).read_bytes(), "svg")
                caption = " ".join(filter(None, (panel["picture"], panel["label"])))
                images.append(
                    Illustration(source=drawn, alt=panel["alt"], caption=caption, photograph=True)
                )
            grids = [_focus(index["focus"]), _focus_differences(index["differences"])]
    return Section(
        key="explain",
        title="Where detectors look",
        lead="Grad-CAM, and where a score is a sum over places, the exact map: what every place "
        "adds to the score. Focus is the share of places that hold half of what speaks for fake: "
        "small for a detector that looks at few places. In exact maps of LFM squares mark the "
        "places from which top-K took values.",
        command="python -m harness explain --method lfm,npr --suite mini",
        images=images,
        grids=[grid for grid in grids if grid.rows],
    )


def _focus(means: Sequence[Mapping[str, Any]]) -> Grid:
    rows = [
        _focus_row(
            row_name(mean["detector"], mean["weights"]),
            mean,
            f"{mean['pictures']} of {mean['out_of']}",
        )
        for mean in means
    ]
    header = ("Detector", "Map", "Images", "With a map", "Mean focus (%)", "95 % interval")
    return Grid(caption="Focus of the maps, percent of the places", header=header, rows=rows)


def _focus_differences(differences: Sequence[Mapping[str, Any]]) -> Grid:
    rows = [
        _focus_row(f"{each['first']} minus {each['second']}", each, str(each["pictures"]))
        for each in differences
    ]
    header = ("Difference", "Map", "Images", "Number", "Mean (points)", "95 % interval")
    return Grid(caption="Differences of focus on the same images", header=header, rows=rows)


def _focus_row(name: str, found: Mapping[str, Any], count: str) -> list[Entry]:
    mean, low, high = (found[name] for name in ("mean", "low", "high"))
    edges = "-" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    return [
        Entry(text=name),
        said(_MAPS[found["kind"]]),
        said(f"{found['of']} called {found['called']}".strip()),
        Entry(text=count, value=found["pictures"]),
        Entry(text="-") if mean is None else Entry(text=f"{100 * mean:.1f}", value=mean),
        Entry(text=edges),
    ]


def _plane(folder: Path) -> Section:
    images, grids = [], []
    for path in sorted(folder.glob("tsne-*.json")):
        with _reading(path, "python -m harness tsne"):
            facts = json.loads(path.read_text(encoding="utf-8"))
            drawn = data_uri(path.with_suffix(".svg").read_bytes(), "svg")
            images.append(Illustration(source=drawn, alt=facts["alt"], caption=facts["caption"]))
            head, *lines = separability.cells(facts["rows"])
            rows = [[Entry(text=text, value=_leading(text)) for text in line] for line in lines]
            grids.append(Grid(caption=f"Features on {facts['suite']}", header=head, rows=rows))
    return Section(
        key="features",
        title="Features in a plane",
        lead=separability.READING,
        command="python -m harness tsne --method lfm,gap --suite mini",
        images=images,
        grids=grids,
    )


def _leading(text: str) -> float | None:
    """The number at a text's begin: ``0.31 [0.28, 0.35]`` -> 0.31."""
    try:
        return float(text.partition(" ")[0])
    except ValueError:
        return None


@contextmanager
def _reading(path: Path, command: str) -> Iterator[None]:
    """Turns what a damaged file raises into a message that names it and what writes it."""
    try:
        yield
    except (ValueError, TypeError, KeyError, OSError, csv.Error) as error:
        raise SchemaError(
            f"{path}: not what {command} writes ({type(error).__name__}: {error})",
            hint=f"{command} writes it anew",
        ) from error
