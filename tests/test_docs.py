"""Reference pages are those that the registry gives, links lead somewhere, figures are timeless."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.commands.dev._docs import pages
from tests.conftest import CHECKOUT
from tests.docs_rules import PAGES, anchors


@pytest.mark.parametrize("name", ["detectors.md", "suites.md", "paper.md", "protocols.md"])
def test_committed_pages_are_current(name: str) -> None:
    committed = (CHECKOUT / "docs" / name).read_text(encoding="utf-8")
    assert committed == pages()[name], "run: python -m harness dev docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name}: {target}"


def test_the_index_names_every_page() -> None:
    index = (CHECKOUT / "docs/README.md").read_text(encoding="utf-8")
    for page in (CHECKOUT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index


@pytest.mark.parametrize("figure", sorted(CHECKOUT.glob("docs/*.svg")), ids=lambda path: path.name)
def test_figures_hold_no_time(figure: Path) -> None:
    text = figure.read_text(encoding="utf-8")
    assert "<dc:date>" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_recipe_has_the_arguments_that_are_named(page: Path) -> None:
    usage = (CHECKOUT / "run_all.sh").read_text(encoding="utf-8").split("TEXT")[1]
    for words in re.findall(r"\./run_all\.sh((?: [-\w]+)*)", page.read_text(encoding="utf-8")):
        of_pytest = words.split()[:1] == ["test"]  # what follows is for it
        for word in words.split()[: 1 if of_pytest else None]:
            assert word == "--help" or f"  {word} " in usage, f"{page.name}: ./run_all.sh{words}"


def test_install_md_has_every_extra() -> None:
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.split("[project.optional-dependencies]")[1].split("\n[")[0]
    page = (CHECKOUT / "docs/install.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    assert documented == set(re.findall(r"^([\w-]+) = \[", section, re.MULTILINE))


def test_exit_codes_are_documented_once_and_as_they_are() -> None:
    from harness import errors  # every class below HarnessError states its code

    page = (CHECKOUT / "docs/commands.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = {kind.exit_code for kind in kinds if issubclass(kind, errors.HarnessError)}
    assert documented == raised | {0, 130}
    tables = [page.name for page in PAGES if "| 130 |" in page.read_text(encoding="utf-8")]
    assert tables == ["commands.md"]
