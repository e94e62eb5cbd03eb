"""The work of ``dev docs``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from harness.api import DetectorSpec, Weights
from harness.checkpoints.presence import digits
from harness.commands import _sources, _text
from harness.commands._list import parameters
from harness.commands._text import release_facts
from harness.data.suite import Suite
from harness.errors import UsageError
from harness.installed import CHECKOUT
from harness.registry import detectors as registry
from harness.registry.suites import all_suites
from harness.report.inconsistencies import findings
from harness.report.printed import load_paper
from harness.report.protocols import ProtocolSet, load_protocol, protocol_names
from harness.report.render import Renderer
from harness.results.paths import PROTOCOLS, REFERENCES, TABLES
from harness.results.store import write_atomic
from harness.suites._generators import GENERATORS, born


def run(args: argparse.Namespace) -> int:
    if args.to is None and CHECKOUT is None:
        raise UsageError(
            "the pages are those of a checkout, and this copy is installed",
            hint="python -m harness dev docs --to FOLDER",
        )
    to = args.to or Path("docs")
    for spec in registry.detectors().values():
        registry.require_extras(spec)
    for name, text in pages().items():
        write_atomic(to / name, text.encode())
        print(to / name)
    return 0


def pages() -> dict[str, str]:
    """File name -> Markdown."""
    paper = findings(load_paper(REFERENCES / "paper"))
    return {
        "detectors.md": "\n".join(_detectors()) + "\n",
        "suites.md": "\n".join(_suites()) + "\n",
        "protocols.md": "\n".join(_protocols()) + "\n",
        "paper.md": Renderer(TABLES / "templates").findings(paper, _sources.others()),
    }


def _detectors() -> Iterator[str]:
    yield "# Detectors\n"
    yield "Written by `python -m harness dev docs` from the registry; edit the detectors' files."
    for spec in registry.detectors().values():
        yield f"\n## {spec.name}: {spec.title}\n"
        yield from _facts(spec)
        if spec.deviations:
            yield "\nWhere paper and released code differ:\n"
            yield "| what | paper | released code | here |\n|---|---|---|---|"
            for deviation in spec.deviations:
                cells = (deviation.what, deviation.paper, deviation.code, deviation.here)
                yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _facts(spec: DetectorSpec) -> Iterator[str]:
    count = parameters(spec)
    yield f"- {spec.citation}"
    yield f"- parameters: {'no network' if count is None else f'{count:,}'}"
    shown = (f"{suite}: `{text}`" for suite, text in spec.geometry.items())
    yield f"- geometry (`*` = every other suite): {', '.join(shown)}"
    rule = spec.score.published_ap
    yield f"- score: {spec.score.kind}; fake when it exceeds {spec.score.threshold:g}; AP: `{rule}`"
    if spec.notes:
        yield f"- {spec.notes}"
    if spec.variants:
        yield f"- training behaviours: {', '.join(f'`{name}`' for name in spec.variants)}"
    for kind, entries in (("checkpoint", spec.weights), ("training starts from", spec.pretrained)):
        for weights in entries:
            yield f"- {kind} `{spec.name}:{weights.name}`: {_file(weights)}"
            yield from (f"    - and {other.filename}: {_file(other)}" for other in weights.also)
    if spec.recipe:
        yield f"- recipe: {_text.recipe(spec.recipe)} ({spec.recipe.source})"


def _file(weights: Weights) -> str:
    note = f"; note: {weights.note}" if weights.note else ""
    if weights.not_papers:
        note += f"; not the weights of the paper's row: {weights.not_papers}"
    return (
        f"{weights.url}, sha256 {digits(weights) or 'not known'}; licence: {weights.licence}; "
        f"trained on {weights.trained_on}{note}"
    )


def _protocols() -> Iterator[str]:
    yield "# Protocols\n"
    yield (
        "How published comparisons were made. Written by `python -m harness dev docs` from "
        "`tables/protocols/`; edit the files there.\n"
    )
    yield (
        "`python -m harness run --protocol NAME` does to images what a protocol says, and notes it "
        "with the results. `python -m harness tables --protocol NAME` shows them, over the "
        "protocol's own sets and by its metrics. No table mixes two protocols: each says in its "
        "caption which one it follows. `fakes:` or `reals:` before a step means the images of that "
        "class alone, `png:` files of that format."
    )
    for name in protocol_names(PROTOCOLS):
        protocol = load_protocol(PROTOCOLS, name)
        yield f"\n## {name}: {protocol.title}\n"
        yield f"- {protocol.about}\n- source: {protocol.source}"
        yield f"- metrics: {', '.join(f'`{metric}`' for metric in protocol.metrics)}"
        yield f"- sets: {'; '.join(map(_set, protocol.sets))}"
        for what, texts in (("geometry", protocol.geometry), ("before", protocol.perturbation)):
            shown = ", ".join(f"{suite}: `{text}`" for suite, text in texts.items())
            yield f"- {what} (`*` = every other suite): {shown or 'nothing of its own'}"
        yield from (f"- cannot be done here: {text}" for text in protocol.cannot)


def _set(each: ProtocolSet) -> str:
    about = [", ".join(each.subsets), ", ".join(f"`{metric}`" for metric in each.metrics)]
    inside = "; ".join(filter(None, about))
    return (each.suite or f"{each.name} (no suite)") + (f" ({inside})" if inside else "")


def _suites() -> Iterator[str]:
    yield "# Suites\n"
    yield "Written by `python -m harness dev docs` from `harness/suites/`; edit the files there."
    for suite in all_suites().values():
        names = ", ".join([suite.name, *suite.aliases])
        yield f"\n## {names}: {suite.title}\n"
        yield f"- {suite.citation}\n- licence: {suite.licence}\n- obtain: {suite.obtain}"
        if suite.note:
            yield f"- note: {suite.note}"
        for release in suite.releases:
            facts = "; ".join(f"{name}: {text}" for name, text in release_facts(release).items())
            yield f"- source `{release.name}`: {release.page}; {facts}"
        if suite.known_extras:
            yield f"- in releases, not scored: {', '.join(suite.known_extras)}"
        yield from _subsets(suite)
    yield from _dates()


def _dates() -> Iterator[str]:
    yield "\n## When generators came out\n"
    yield (
        "The month of the authors' paper (its first version on arXiv) or, without one, of the "
        "public release as it is generally known (the announcements were not opened for this "
        "table). A generator that is not here has no known date, and stands in no picture over "
        "time.\n"
    )
    yield "| generator | month | known from |\n|---|---|---|"
    for each in sorted(GENERATORS, key=lambda each: (each.month, each.name)):
        yield f"| {each.name} | {each.month} | {each.source} |"


def _subsets(suite: Suite) -> Iterator[str]:
    if suite.as_found:
        count = f"{suite.as_found.count} by the publisher; " if suite.as_found.count else ""
        yield f"\nIts subsets: {count}{suite.as_found.what}."
        return
    yield (
        "\n| subset | group | real | fake | counts | released | folders |\n"
        "|---|---|---|---|---|---|---|"
    )
    for subset in suite.subsets:
        real, fake = ("?" if n is None else f"{n:,}" for n in (subset.n_real, subset.n_fake))
        source = f"{subset.certainty}: {subset.counts_source}" if subset.counts_source else ""
        folders = ", ".join(f"`{folder}`" for folder in subset.folders)
        at = born(subset.generators)
        yield (
            f"| {subset.name} | {subset.group} | {real} | {fake} | {source} | "
            f"{at.month if at else '?'} | {folders} |"
        )
