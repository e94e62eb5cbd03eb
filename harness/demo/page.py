"""The page in HTML: its introduction, and an answer as it grows detector by detector."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from PIL import Image

from harness.data.decode import Image8
from harness.demo.facts import file_facts
from harness.demo.verdicts import Answer, Contestant
from harness.errors import BadImageError
from harness.evaluation.image_file import ImageFile

HERE = Path(__file__).parent
TITLE = "What detectors say of a picture"
SIDE = 320
"""Pixels of the longer side of the picture on the page."""


def css() -> str:
    """The page's style sheet."""
    return (HERE / "page.css").read_text(encoding="utf-8")


def introduction(contestants: Sequence[Contestant], absent: Sequence[str]) -> str:
    """What the page is, what its numbers mean, who looks and who cannot.

    Args:
        contestants: the detectors that are ready.
        absent: of the others, why not and what to do, a line each.
    """
    labels = [each.job.label for each in contestants]
    return _template("intro.html.j2").render(title=TITLE, labels=labels, absent=absent)


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
    shown = data_uri(thumbnail(picture.pixels()), "png")
    answers: list[Answer] = []
    waiting = list(contestants)
    while True:
        labels = [each.job.label for each in waiting]
        yield _template("result.html.j2").render(
            name=name, facts=facts, shown=shown, answers=answers, waiting=labels
        )
        if not waiting:
            return
        answers.append(waiting.pop(0).look(picture, facts.header))


def nothing() -> str:
    """HTML of the place for answers before the first picture."""
    return problem("", "")


def problem(name: str, text: str) -> str:
    """HTML of an answer that there is not."""
    return _template("result.html.j2").render(name=name, problem=text)


def thumbnail(image: Image8) -> bytes:
    """(H, W, 3) uint8 RGB -> a PNG file whose longer side has at most :data:`SIDE` pixels."""
    small, file = Image.fromarray(image), io.BytesIO()
    small.thumbnail((SIDE, SIDE))
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def data_uri(image: bytes, form: str) -> str:
    """A file as an address that holds it."""
    kind = {"svg": "svg+xml"}.get(form, form)
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(data_uri=data_uri, problem="", answers=())
    return environment.get_template(name)
