"""The report's index page in a real browser: sort, filter, switch, tooltips, links, access."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.__main__ import main

from ..report.page_material import write_artefacts, write_costs, write_records
from .conftest import PHONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from .conftest import Open


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index page of a small folder that has a bit of everything."""
    folder = tmp_path_factory.mktemp("report")
    write_records(folder / "runs")
    write_costs(folder / "runs")
    write_artefacts(folder / "runs")
    assert main(["report", "--out", str(folder / "runs"), "--to", str(folder / "to")]) == 0
    return folder / "to" / "index.html"


@pytest.fixture
def page(report: Path, visit: Open) -> Page:
    return visit(report.as_uri()).page


def header(page: Page, name: str) -> Locator:
    """The header cell of the leaderboard with exactly this name."""
    return page.locator("#board th.by").filter(
        has=page.get_by_role("button", name=name, exact=True)
    )


def shown(page: Page, head: Locator) -> list[str]:
    """The texts of a leaderboard column, in the rows' order, filtered rows left out."""
    script = """(head) => [...document.querySelectorAll("#board tbody tr")]
      .filter((row) => !row.hidden)
      .map((row) => { const cell = row.cells[Number(head.dataset.column)];
                      return cell.classList.contains("hole") ? "" : cell.dataset.value ?? "" })"""
    return list(head.evaluate(script))


def names(page: Page) -> list[str]:
    script = """() => [...document.querySelectorAll("#board tbody tr")]
      .filter((row) => !row.hidden).map((row) => row.cells[0].dataset.value)"""
    return list(page.evaluate(script))


def test_the_page_asks_for_no_other_file_and_logs_no_error(report: Path, visit: Open) -> None:
    visited = visit(report.as_uri())
    visited.page.wait_for_load_state("networkidle")
    asked = [address for address in visited.requests if not address.startswith("data:")]
    assert asked == [report.as_uri()]
    assert visited.errors == []


def test_every_column_sorts_both_ways_with_holes_last(page: Page) -> None:
    heads = page.locator("#board th.by")
    for index in range(heads.count()):
        head = heads.nth(index)
        if not head.is_visible():
            continue
        for _ in range(2):
            head.get_by_role("button").click()
            falling = head.get_attribute("aria-sort") == "descending"
            assert page.locator("#board [aria-sort]").count() == 1
            values = shown(page, head)
            held = [value for value in values if value]
            assert values == held + [""] * (len(values) - len(held))
            if index > 2:  # numbers
                assert held == sorted(held, key=float, reverse=falling)


def test_sorting_keeps_the_order_of_equal_rows(page: Page) -> None:
    header(page, "Detector").get_by_role("button").click()
    before = names(page)
    header(page, "Family").get_by_role("button").click()
    script = "() => [...document.querySelectorAll('#board tbody tr')].map((r) => r.dataset.family)"
    families = page.evaluate(script)
    after = names(page)
    for family in set(families):
        members = [name for name, of in zip(after, families, strict=True) if of == family]
        assert members == sorted(members, key=before.index)


def test_sorting_by_keyboard(page: Page) -> None:
    button = header(page, "Detector").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    assert header(page, "Detector").get_attribute("aria-sort") == "ascending"
    assert names(page) == sorted(names(page), key=str.lower)


def test_filter_and_search(page: Page) -> None:
    total = len(names(page))
    page.get_by_label("Family").select_option("control")
    assert 0 < len(names(page)) < total
    assert page.locator("#shown").inner_text() == f"{len(names(page))} of {total} rows"
    page.get_by_label("Family").select_option("")
    page.get_by_label("Search").fill("lfm released")
    assert names(page) == ["LFM"]
    page.get_by_label("Search").fill("no such detector")
    assert names(page) == []


def test_switching_the_metric_shows_the_other_columns_and_follows_the_order(page: Page) -> None:
    ap = page.locator("#board th.ap").first
    acc = page.locator("#board th.acc").first
    assert ap.is_visible() and not acc.is_visible()
    page.get_by_label("ACC", exact=True).check()
    assert acc.is_visible() and not ap.is_visible()
    sorted_by = page.locator("#board [aria-sort]")
    assert "unseen fakes" in sorted_by.inner_text() and "ACC" in sorted_by.inner_text()
    values = [float(value) for value in shown(page, sorted_by) if value]
    assert values == sorted(values, reverse=True)


def test_intervals_on_and_off(page: Page) -> None:
    spread = page.locator("#board td.ap .spread").first
    assert spread.is_visible()
    page.get_by_label("intervals").uncheck()
    assert not spread.is_visible()


def test_the_view_is_kept_in_the_address(report: Path, page: Page, visit: Open) -> None:
    page.get_by_label("ACC", exact=True).check()
    page.get_by_label("Search").fill("lfm")
    page.get_by_label("intervals").uncheck()
    header(page, "Detector").get_by_role("button").click()
    other = visit(page.url).page
    assert other.get_by_label("ACC", exact=True).is_checked()
    assert not other.get_by_label("intervals").is_checked()
    assert names(other) == names(page)
    assert "LFM" in names(other) and "NPR" not in names(other)
    assert header(other, "Detector").get_attribute("aria-sort") == "ascending"
    page.get_by_label("Search").fill("")
    assert "search" not in page.url


def difference(page: Page) -> Locator:
    return page.locator("#board td.ap[class*=down] button.why").first


def test_a_reason_on_hover_stays_under_the_pointer_and_goes(page: Page) -> None:
    target, tip = difference(page), page.get_by_role("tooltip")
    assert tip.count() == 0
    target.hover()
    status, reason = tip.inner_text().split("\n", 1)
    assert status == "off" and "the printed mean AP is 99.5" in reason
    tip.hover()
    page.wait_for_timeout(300)  # longer than the delay after which it would close
    assert tip.is_visible()
    page.mouse.move(1, 1)
    tip.wait_for(state="hidden")


def test_a_reason_on_keyboard_focus_goes_on_escape(page: Page) -> None:
    target, tip = difference(page), page.get_by_role("tooltip")
    target.focus()
    assert tip.is_visible()
    assert target.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    assert tip.count() == 0
    assert target.get_attribute("aria-describedby") is None


def test_a_reason_on_tap(report: Path, visit: Open) -> None:
    page = visit(report.as_uri(), viewport=PHONE, has_touch=True, is_mobile=True).page
    hole = page.locator("#board td.hole.ap span.why").first
    hole.tap()
    tip = page.get_by_role("tooltip")
    assert tip.is_visible()
    box = tip.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    page.locator("h1").tap()
    assert tip.count() == 0


def test_differences_are_coloured_by_their_sign(page: Page) -> None:
    colour = "(cell) => getComputedStyle(cell).backgroundColor"
    down = page.locator("#board td.ap[class*=down]").first
    up = page.locator("#board td.ap[class*=up]").first
    plain = page.locator("#board td.ap.paper").first
    assert down.inner_text().startswith("−") and up.inner_text().startswith("+")
    assert len({each.evaluate(colour) for each in (down, up, plain)}) == 3


def test_links_lead_to_the_records_pages(report: Path, visit: Open) -> None:
    page = visit(report.as_uri()).page
    links = page.locator("#board .pages a")
    assert links.count() == 2
    links.first.click()
    assert page.url.startswith(report.parent.as_uri())
    assert page.locator("h1").inner_text()


def test_sections_can_be_reached_and_the_content_skipped_to(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for link in page.locator("nav a").all():
        link.click()
        target = (link.get_attribute("href") or "")[1:]
        assert page.locator(f"[id='{target}']").is_visible()


def test_it_fits_a_phone(report: Path, visit: Open) -> None:
    visited = visit(report.as_uri(), viewport=PHONE)
    assert visited.overflow == 0
    visited.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert visited.overflow == 0


def test_it_can_be_read_without_scripts(report: Path, visit: Open) -> None:
    page = visit(report.as_uri(), java_script_enabled=False).page
    assert page.locator("#board tbody tr").first.is_visible()
    assert not page.get_by_label("Search").is_visible()  # it could do nothing
    assert page.locator("#board .why[title]").count() > 0
    page.get_by_label("ACC", exact=True).check()  # by style alone
    assert page.locator("#board th.acc").first.is_visible()


def test_dark_mode_is_dark(report: Path, visit: Open) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = visit(report.as_uri(), color_scheme="light").page.evaluate(background)
    dark = visit(report.as_uri(), color_scheme="dark").page.evaluate(background)
    assert light == "rgb(255, 255, 255)"
    assert all(int(part) < 64 for part in dark.removeprefix("rgb(").removesuffix(")").split(","))


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, {"width": 390, "height": 844}])
def test_the_first_screen_holds_the_three_answers(
    report: Path, visit: Open, size: dict[str, int]
) -> None:
    page = visit(report.as_uri(), viewport=size).page
    for selector in (".standings", ".equal .plot", ".equal p", "#missing + p"):
        box = page.locator(selector).bounding_box()
        assert box is not None and box["y"] >= 0
        assert box["y"] + box["height"] <= size["height"], selector
    table = page.locator("table").first.bounding_box()
    answers = page.locator(".first").bounding_box()
    assert table is not None and answers is not None
    assert table["y"] > answers["y"] + answers["height"]


def test_plots_follow_the_page_into_dark_mode_and_paper_stays_light(
    report: Path, visit: Open
) -> None:
    fill = "(each) => getComputedStyle(each).fill"

    def fills(page: Page) -> list[str]:
        marks = (".standings li.method .dots circle", ".equal .series.c1", ".equal .plot text")
        return [page.locator(mark).first.evaluate(fill) for mark in marks]

    light, dark = (visit(report.as_uri(), color_scheme=s).page for s in ("light", "dark"))
    pairs = list(zip(fills(light), fills(dark), strict=True))
    assert all(one != other for one, other in pairs)
    dark.emulate_media(media="print", color_scheme="dark")
    assert fills(dark)[:2] == fills(light)[:2]


def test_print_leaves_the_controls_out_and_fits_a_sheet(report: Path, visit: Open) -> None:
    across = round((297 - 2 * 10) / 25.4 * 96)  # A4 on its side with its margins, CSS pixels
    visited = visit(report.as_uri(), viewport={"width": across, "height": 700})
    visited.page.emulate_media(media="print")
    assert not visited.page.locator("form.controls").is_visible()
    assert visited.page.locator("#board").is_visible()
    assert visited.overflow == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("opened", [False, True], ids=["folded", "unfolded"])
def test_axe_finds_nothing(
    report: Path,
    visit: Open,
    violations: Callable[[Page], list[str]],
    scheme: str,
    opened: bool,
) -> None:
    page = visit(report.as_uri(), color_scheme=scheme).page
    if opened:
        page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        difference(page).focus()  # with its tooltip
    assert violations(page) == []
