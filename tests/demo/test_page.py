"""The page's HTML, built without a server."""

from __future__ import annotations

import base64
import re

import pytest

from harness.demo import page
from harness.demo.verdicts import Contestant
from tests.demo.conftest import contestant, picture_bytes


def last(data: bytes, contestants: list[Contestant], name: str = "a.png") -> str:
    return list(page.answer(data, name, contestants))[-1]


def test_an_answer_grows_by_a_detector_at_a_time(methods: list[str]) -> None:
    contestants = [contestant(method) for method in methods]
    steps = list(page.answer(picture_bytes(), "a.png", contestants))
    assert [step.count("<article>") for step in steps] == [0, 1, 2, 3, 4]
    assert "next: lfm:" in steps[0]
    assert "All 4 detectors have looked at a.png. The file is deleted." in steps[-1]


def test_score_threshold_probability_and_geometry_are_shown(methods: list[str]) -> None:
    lfm = contestant(methods[0])
    picture = page.ImageFile(picture_bytes(), "a.png")
    verdict = lfm.look(picture, picture.header())
    html = last(picture_bytes(), [lfm])
    assert verdict.published.score is not None
    assert verdict.probability is not None
    assert f"{verdict.published.score:.4f}" in html
    assert f"{verdict.probability:.3f}" in html
    assert "<code>resize(256,256)</code>" in html
    assert html.count("<code>") == 1 + len(verdict.readings)
    assert ("Fragile on this picture" in html) == bool(verdict.flips)


def test_the_warning_names_what_turned_the_decision() -> None:
    chance = contestant("chance")  # another hash, another score, for each way of showing
    for seed in range(20):
        data = picture_bytes(90, 120 + seed)
        picture = page.ImageFile(data, "a.png")
        verdict = chance.look(picture, picture.header())
        html = last(data, [chance])
        assert ("Fragile on this picture" in html) == bool(verdict.flips)
        for flip in verdict.flips:
            assert f"{flip.way.name}: {flip.score:.4f}" in html


@pytest.mark.parametrize(
    "data", [b"", b"no picture", picture_bytes()[:300]], ids=["empty", "text", "truncated"]
)
def test_a_bad_upload_gets_a_message_and_no_detector(data: bytes) -> None:
    (html,) = page.answer(data, "a.png", [contestant("chance")])
    assert "No answer:" in html
    assert "a.png could not be looked at." in html
    assert "Traceback" not in html
    assert "<article>" not in html


def test_a_file_name_is_text_whatever_it_holds() -> None:
    name = "<img src=x onerror=alert(1)>${1+1}.png"
    for html in (last(picture_bytes(), [contestant("chance")], name), last(b"", [], name)):
        assert "<img src=x" not in html
        assert "&lt;img src=x onerror=alert(1)&gt;${1+1}.png" in html


def test_nothing_in_an_answer_is_fetched(methods: list[str]) -> None:
    html = last(picture_bytes(), [contestant(method) for method in methods])
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(
        source.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,"))
        for source in sources
    )
    first = base64.b64decode(sources[0].partition(",")[2])
    assert first.startswith(b"\x89PNG")
    assert not re.search(r"https?:", html)


def test_absent_detectors_are_listed_with_what_to_do() -> None:
    html = page.introduction([contestant("chance")], ["ojha: absent: fetch <it>"])
    assert "1 detector looks at it: chance" in html
    assert "<li>ojha: absent: fetch &lt;it&gt;</li>" in html
    assert "A decision is no proof" in html
