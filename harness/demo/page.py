"""The page in HTML: its introduction, and an answer as it grows detector by detector."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from harness.demo.facts import file_facts
from harness.demo.overlays import thumbnail
from harness.demo.verdicts import Contestant, Reading, Verdict
from harness.errors import BadImageError
from harness.evaluate.image_file import ImageFile

HERE = Path(__file__).parent
TITLE = "What detectors say of a picture"


def css() -> str:
    """The page's style sheet."""
    return (HERE / "page.css").read_text(encoding="utf-8")


def introduction(contestants: Sequence[Contestant], absent: Sequence[str]) -> str:
    """What the page is, what its numbers mean, who looks and who cannot.

    Args:
        contestants: the detectors that are ready.
        absent: of the others, why not and what to do, a line each.
    """
    return _template("intro.html.j2").render(
        title=TITLE, labels=[each.job.label for each in contestants], absent=absent
    )


def answer(data: bytes, name: str, contestants: Sequence[Contestant]) -> Iterator[str]:
    """HTML of a whole answer, again and longer each time a detector has looked.

    Args:
        data: the uploaded file.
        name: what it is called.
        contestants: the detectors, in the order in which they look.
    """
    picture = ImageFile(data, name)
    try:
        facts = file_facts(picture)
    except BadImageError as error:
        yield problem(name, f"the file {error.reason}.")
        return
    shown = address(thumbnail(picture.pixels()))
    verdicts: list[Verdict] = []
    for number in range(len(contestants) + 1):
        yield _template("result.html.j2").render(
            name=name,
            facts=facts,
            shown=shown,
            verdicts=verdicts,
            waiting=[each.job.label for each in contestants[number:]],
        )
        if number < len(contestants):
            verdicts.append(contestants[number].look(picture, facts.header))


def nothing() -> str:
    """HTML of the place for answers before the first picture."""
    return _template("result.html.j2").render()


def problem(name: str, text: str) -> str:
    """HTML of an answer that there is not."""
    return _template("result.html.j2").render(name=name, problem=text)


def address(png: bytes) -> str:
    """A PNG file as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def decision(reading: Reading) -> Markup:
    """The decision as a mark: a word, coloured."""
    word = "fake" if reading.fake else "real"
    return Markup('<span class="lfm-decision lfm-{0}">{0}</span>').format(word)


def number(score: float) -> str:
    """A score as the ``score`` command prints it."""
    return f"{score:.4f}"


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        address=address, decision=decision, number=number, name="", problem=""
    )
    return environment.get_template(name)
