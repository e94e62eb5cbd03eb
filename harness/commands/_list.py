"""The work of ``list``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.api import DetectorSpec, HasModule, Weights
from harness.checkpoints.files import files_of
from harness.checkpoints.presence import digits, presence, weights_dir
from harness.commands import _text
from harness.commands._text import release_facts
from harness.data.suite import Suite
from harness.errors import DataError, unknown_name
from harness.registry import detectors as registry
from harness.registry.suites import all_suites, find_root
from harness.results.store import canonical_json
from harness.suites._generators import born


def run(args: argparse.Namespace) -> int:
    detectors, suites = registry.detectors(), all_suites()
    if args.long:
        aliases = {alias: suite for suite in suites.values() for alias in suite.aliases}
        # `ojha` is a detector and an alias of the suite `ufd`: the detector is meant.
        known: dict[str, DetectorSpec | Suite] = {**aliases, **suites, **detectors}
        if args.long not in known:
            raise unknown_name("detector or suite", args.long, known)
        _print_long(known[args.long], args)
    elif args.json:
        tree = {
            "detectors": [detector_facts(spec) for spec in detectors.values()],
            "suites": [suite_facts(suite, args.data_root) for suite in suites.values()],
        }
        print(canonical_json(tree), end="")
    else:
        print(_detector_table(detectors), _suite_table(suites, args.data_root), sep="\n\n")
    return 0


def parameters(spec: DetectorSpec) -> int | None:
    """Parameters of the detector's network; None where it has none or its extra is missing.

    No memory is allocated.
    """
    if registry.missing_extra(spec):
        return None
    import torch

    with torch.device("meta"):
        detector = spec.build()
    if not isinstance(detector, HasModule):
        return None
    return sum(parameter.numel() for parameter in detector.module.parameters())


def detector_facts(spec: DetectorSpec) -> dict[str, Any]:
    """What is known of a detector, as plain values."""
    return {
        "name": spec.name,
        "title": spec.title,
        "family": spec.family,
        "from": origin.place if (origin := registry.origin(spec)) else "",
        "parameters": parameters(spec),
        "geometry": dict(spec.geometry),
        "smallest": list(spec.input_rule.smallest),
        "multiple_of": spec.input_rule.multiple_of,
        "threshold": spec.score.threshold,
        "score": spec.score.kind,
        "published_ap": spec.score.published_ap,
        "variants": {name: dict(options) for name, options in spec.variants.items()},
        "recipe": _text.recipe(spec.recipe) if spec.recipe else "",
        "recipe_source": spec.recipe.source if spec.recipe else "",
        "weights": [_weights_facts(weights) for weights in spec.weights],
        "training_starts_from": [_weights_facts(weights) for weights in spec.pretrained],
        "requires": list(spec.requires),
        "citation": spec.citation,
        "notes": spec.notes,
        "deviations": [vars(deviation) for deviation in spec.deviations],
    }


def _weights_facts(weights: Weights) -> dict[str, str]:
    files = files_of(weights)
    found = presence(weights, weights_dir())
    return {
        "name": weights.name,
        "files": ", ".join(part.filename for part in files),
        "url": weights.url,
        "sha256": ", ".join(digits(part) or "not known" for part in files),
        "licence": weights.licence,
        "trained_on": weights.trained_on,
        "note": weights.note,
        "not_papers": weights.not_papers,
        "state": found.state,
    }


def suite_facts(suite: Suite, data_root: Path | None) -> dict[str, Any]:
    """What is known of a suite, as plain values."""
    try:
        where = str(find_root(suite, data_root))
    except DataError:
        where = ""
    return {
        "name": suite.name,
        "title": suite.title,
        "aliases": list(suite.aliases),
        "present": where,
        "licence": suite.licence,
        "citation": suite.citation,
        "obtain": suite.obtain,
        "note": suite.note,
        "subsets_are": suite.as_found.what if suite.as_found else "declared",
        "sources": [
            {"name": release.name, "page": release.page, **release_facts(release)}
            for release in suite.releases
        ],
        "subsets": [
            {
                "name": subset.name,
                "real": subset.n_real,
                "fake": subset.n_fake,
                "counts": subset.counts_source,
                "certainty": subset.certainty,
                "group": subset.group,
                "released": at.month if (at := born(subset.generators)) else "",
            }
            for subset in suite.subsets
        ],
    }


def _detector_table(detectors: dict[str, DetectorSpec]) -> str:
    rows = []
    for spec in detectors.values():  # none is built: their libraries take seconds to import
        known = [
            w.name if presence(w, weights_dir()).path else f"{w.name} (not here)"
            for w in spec.weights
        ]
        extra = registry.missing_extra(spec)
        trained = "by training" if spec.recipe is not None else "none needed"
        geometry = ", ".join(f"{suite}: {text}" for suite, text in spec.geometry.items())
        size = f"{spec.input_rule.smallest[1]}x{spec.input_rule.smallest[0]}"
        if spec.input_rule.multiple_of > 1:
            size += f", multiples of {spec.input_rule.multiple_of}"
        origin = registry.origin(spec)
        rows.append(
            [
                f"{spec.name} (from {origin.place})" if origin else spec.name,
                spec.title,
                f"needs extra {extra}" if extra else ", ".join(known) or trained,
                size,
                geometry,
            ]
        )
    header = ["detector", "title", "weights", "smallest size", "geometry"]
    return _text.table(header, rows, left=len(header))


def _suite_table(suites: Any, data_root: Path | None) -> str:
    rows = []
    for suite in suites.values():
        facts = suite_facts(suite, data_root)
        known = [s for s in suite.subsets if s.n_real is not None and s.n_fake is not None]
        images = sum((s.n_real or 0) + (s.n_fake or 0) for s in known)
        counts = f"{images:,} images" if len(known) == len(suite.subsets) else "not all known"
        number = str(len(suite.subsets))
        if suite.as_found:
            number, counts = str(suite.as_found.count or "as found"), "not all known"
        name = ", ".join([suite.name, *suite.aliases])
        present = facts["present"] or "absent"
        rows.append([name, number, counts, present, suite.licence])
    header = ["suite", "subsets", "expected", "data", "licence"]
    table = _text.table(header, rows, left=len(header))
    return f"{table}\n`list --long SUITE` says how to obtain one; `paper` = the five official ones"


def _print_long(thing: DetectorSpec | Suite, args: argparse.Namespace) -> None:
    facts = (
        detector_facts(thing)
        if isinstance(thing, DetectorSpec)
        else suite_facts(thing, args.data_root)
    )
    if args.json:
        print(canonical_json(facts), end="")
        return
    for name, value in facts.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"{name}:")
            for item in value:
                first, *rest = item.items()
                print(f"  - {first[0]}: {first[1]}")
                print("".join(f"    {key}: {text}\n" for key, text in rest if text != ""), end="")
        else:
            print(f"{name}: {value}")
