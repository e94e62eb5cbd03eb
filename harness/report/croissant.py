"""A description of exported scores in JSON-LD, by the Croissant 1.0 vocabulary of MLCommons."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.report.tidy import FIELDS, Chosen
from harness.results.records import row_name

VERSION = "http://mlcommons.org/croissant/1.0"
ABOUT = ("license", "url", "creator", "datePublished", "citeAs", "version")
"""What a publisher adds: none of it can be known here."""
_FORMATS = {".csv": "text/csv", ".parquet": "application/x-parquet"}
_KEY = ("id", "suite", "subset", "detector", "weights", "conditions")
_CR = {
    "cr": "http://mlcommons.org/croissant/",
    "sc": "https://schema.org/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
}
_TERMS = (
    "arrayShape", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject",
    "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
    "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": _CR["sc"],
    **_CR,
    **{name: f"cr:{name}" for name in _TERMS},
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


def described(
    file: Path, data: bytes, rows: int, chosen: Chosen, about: Mapping[str, str]
) -> dict[str, Any]:
    """What a file of exported scores holds.

    Args:
        file: its name; the description lies beside it.
        data: its content.
        rows: how many it has.
        chosen: the results whose scores it holds.
        about: what the publisher says, by :data:`ABOUT`.

    Returns:
        JSON-LD as plain values.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": file.stem,
        "description": f"Scores of detectors of AI-generated images, {rows:,} rows. "
        + " ".join(_runs(chosen)),
        **{key: _person(value) if key == "creator" else value for key, value in about.items()},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "scores-file",
                "name": file.name,
                "contentUrl": file.name,
                "contentSize": f"{len(data)} B",
                "encodingFormat": _FORMATS[file.suffix],
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "scores",
                "name": "scores",
                "description": "A row an image and detector.",
                "key": [{"@id": f"scores/{name}"} for name in _KEY],
                "field": [_field(name, text) for name, text in FIELDS.items()],
            }
        ],
    }


def _person(name: str) -> dict[str, str]:
    return {"@type": "sc:Person", "name": name}


def _field(name: str, text: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"scores/{name}",
        "name": name,
        "description": text,
        "dataType": "sc:Float" if name == "score" else "sc:Text",
        "source": {"fileObject": {"@id": "scores-file"}, "extract": {"column": name}},
    }


def _runs(chosen: Chosen) -> Sequence[str]:
    """What each detector's scores are, once for all of its sets."""
    found: dict[str, list[str]] = {}
    for record, results in chosen:
        row = row_name(record.detector, record.weights.label)
        origin = f", from {record.origin.place}" if record.origin else ""
        text = f"{row}: {record.score_kind}, fake above {record.threshold!r}{origin}"
        found.setdefault(text, []).append(f"{record.suite} ({len(results)} subsets)")
    return [f"{text}; on {', '.join(dict.fromkeys(on))}." for text, on in found.items()]
