"""The page of a detector in a real browser: no error, no overflow, sortable, accessible."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.results.paths import TABLES
from harness.site import record_page
from harness.site.renderer import PageRenderer
from tests.browser.conftest import PHONE, Open
from tests.evidence import keep, scores_of


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    out: Path = tmp_path_factory.mktemp("detail")
    sets = {"weak": scores_of(1, 0.5), "strong": scores_of(2, 3.0), "ctl": scores_of(3, 0.0)}
    renderer = PageRenderer(TABLES / "templates")
    (page,) = record_page.write(out, out / "report", [keep(out, "lfm", sets)], renderer)
    return page.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE])
def test_no_error_no_overflow_no_violation(
    visit: Open,
    violations: Callable[[Any], list[str]],
    address: str,
    size: dict[str, int] | None,
    scheme: str,
) -> None:
    options = {"viewport": size} if size else {}
    visited = visit(address, color_scheme=scheme, **options)
    visited.page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")
    assert visited.overflow == 0
    assert violations(visited.page) == []
    assert visited.errors == []
    assert {request.partition(":")[0] for request in visited.requests} <= {"file", "data"}


def test_plots_show_and_the_table_sorts_with_its_mean_below(visit: Open, address: str) -> None:
    page = visit(address).page
    widths = page.eval_on_selector_all(
        "svg.plot", "all => all.map(each => each.getBoundingClientRect().width)"
    )
    assert len(widths) == 4 + 2 + 2 + 1  # of all images; of two subsets; of a control
    assert min(widths) > 0
    page.locator("th.by button").filter(has_text=re.compile("^auc$")).click()
    names = page.eval_on_selector_all("tbody th", "all => all.map(each => each.textContent)")
    assert names == ["strong", "weak", "ctl"]  # holes last
    assert page.locator("tfoot th").text_content() == "mean"
