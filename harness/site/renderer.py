"""What all pages of the report share: one look, one script, everything inside the file."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from harness.figures.palette import COLOURS, ON_DARK, variables
from harness.report.layout import signed
from harness.report.render import html_environment

_MIME = {"svg": "image/svg+xml", "webp": "image/webp", "png": "image/png"}
_BACKTICKED = re.compile(r"`([^`]+)`")


class PageRenderer:
    """Renders pages with the templates of one folder.

    A page holds its style and its script, so that it opens from disk and fetches nothing.
    """

    def __init__(self, templates: Path) -> None:
        self._environment = html_environment(templates)
        read = {
            name: (templates / name).read_text(encoding="utf-8")
            for name in ("table.css", "page/page.css", "page/page.js")
        }
        colours = (
            f":root {{ {variables(COLOURS)} }}\n@media screen and (prefers-color-scheme: dark) "
            f"{{ :root {{ {variables(ON_DARK)} }} }}\n"
        )
        self._shared = {
            "css": Markup(colours + read["table.css"] + read["page/page.css"]),
            "js": Markup(read["page/page.js"]),
            "code": code,
            "signed": signed,
        }

    def page(self, template: str, **content: Any) -> str:
        """A page as HTML.

        Args:
            template: a file of ``page/``.
            content: what it shows; an undefined name in the template raises.
        """
        return self._environment.get_template(f"page/{template}").render(self._shared | content)


def code(text: str) -> Markup:
    """HTML of a text in which `backticks` mark code, as in specs and their deviations."""
    return Markup(_BACKTICKED.sub(r"<code>\1</code>", str(escape(text))))


def data_uri(content: bytes, form: str) -> str:
    """A picture as an address that holds it.

    Args:
        content: the file.
        form: ``svg``, ``webp`` or ``png``.
    """
    return f"data:{_MIME[form]};base64,{base64.b64encode(content).decode()}"
