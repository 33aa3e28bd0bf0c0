"""The book in a browser, opened from the disk: desk and phone, search, menu; and not one request to a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedit_lib.course import book

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.browser

# What sticks out to the right, unless a box around it scrolls; and pictures that did not load.
FAULTS = """() => {
    const inBox = e => {
        for (let p = e.parentElement; p; p = p.parentElement)
            if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return true;
        return false;
    };
    const out = [...document.querySelectorAll('main *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !inBox(e))
        .map(e => `${e.tagName} sticks out: ${e.textContent.slice(0, 40)}`);
    if (document.documentElement.scrollWidth > innerWidth) out.push('the page scrolls sideways');
    for (const i of document.images) {
        if (!i.naturalWidth) out.push('no picture: ' + i.alt);
        if (i.getBoundingClientRect().right > innerWidth + 1) out.push('a picture is too wide: ' + i.alt);
    }
    return out.slice(0, 5);
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return book.build(ROOT, tmp_path_factory.mktemp("book"), report=lambda line: None)


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def screen(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    page = context.new_page()
    page.heard = []
    page.on(
        "request", lambda r: page.heard.append(r.url) if not r.url.startswith(("file:", "data:")) else None
    )
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    yield page
    context.close()


def test_every_page_fits_the_screen_and_asks_nobody(screen: Any, pages: list[Path]) -> None:
    faults = {}
    for path in pages:
        screen.goto(path.as_uri())
        found = screen.evaluate(FAULTS)
        if found:
            faults[path.name] = found
    assert faults == {} and screen.heard == []


def test_formulas_have_a_size_and_long_code_scrolls_in_its_box(screen: Any, pages: list[Path]) -> None:
    path = next(p for p in pages if p.parent.name == "3_attgan" and p.name.startswith("02"))
    screen.goto(path.as_uri())
    heights = screen.evaluate(
        "[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)"
    )
    assert len(heights) >= 10 and min(heights) > 4
    if screen.viewport_size["width"] == 390:
        wide = "[...document.querySelectorAll('.input_area')].some(e => e.scrollWidth > e.clientWidth)"
        assert screen.evaluate(wide)


def test_a_search_leads_to_the_section_and_the_menu_opens(screen: Any, pages: list[Path]) -> None:
    screen.goto(next(p for p in pages if p.parent.name == "4_sagan").as_uri())
    if screen.viewport_size["width"] == 390:
        assert not screen.locator("#contents").is_visible()
        screen.click("#menu")
        assert screen.locator("#menu").get_attribute("aria-expanded") == "true"
    screen.fill("#search", "gradient penalty seen")
    first = screen.locator("#hits a").first
    assert "The gradient penalty, seen" in first.inner_text()
    first.click()
    screen.wait_for_url("**/3_attgan/02*#the-gradient-penalty-seen")
    assert screen.locator("#the-gradient-penalty-seen").is_visible()
    if screen.viewport_size["width"] == 390:
        screen.click("#menu")
    screen.fill("#search", "qqqq")
    assert screen.locator("#hits").inner_text() == "Nothing found."
