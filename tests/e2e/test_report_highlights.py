"""Weights of words in the HTML report, in Chromium: shown on demand, in words too, and inert whatever they hold."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from emoscribe.report import render
from emoscribe.types import Analysis
from tests import analyses
from tests.conftest import missing
from tests.e2e.chromium import chromium, chromium_path

pytestmark = pytest.mark.browser

SWITCH = ".highlights button"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if chromium_path() is None:
        missing("Chromium", "apt-get install chromium, or set EMOSCRIBE_TEST_CHROMIUM")
    with chromium() as browser:
        yield browser.new_page()


def open_report(page: Page, analysis: Analysis, folder: Path) -> list[str]:
    """Opens the report; gives the list that its complaints go to."""
    path = folder / "report.html"
    path.write_bytes(render(analysis, "html"))
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector("main")
    return complaints


def test_weights_come_and_go(page: Page, tmp_path: Path) -> None:
    open_report(page, analyses.explained(analyses.realistic()), tmp_path)
    english = page.locator("#sentence-5 p.english")
    expect(english).to_be_visible()
    page.click(SWITCH)
    expect(english).to_be_hidden()
    shown = page.locator("#sentence-5 .weights")
    assert shown.locator("p").first.text_content() == "I miss him so much."
    assert (
        shown.locator("p").nth(1).text_content()
        == "Sadness: miss +3.4, so +1.8, much +0.6, him −0.7; the sentences before +1.2"
    )
    assert "said as “tanto” at 0:00:2" in str(shown.get_by_text("miss", exact=True).first.get_attribute("title"))
    thickness = [
        shown.get_by_text(word, exact=True).first.evaluate("one => getComputedStyle(one).textDecorationThickness")
        for word in ("miss", "so", "much.")
    ]
    assert thickness == ["5px", "3px", "1px"]
    him = shown.get_by_text("him", exact=True).first
    assert him.evaluate("one => getComputedStyle(one).textDecorationStyle") == "dotted"
    assert Axe().run(page).response["violations"] == []
    page.click(SWITCH)
    expect(english).to_be_visible()
    expect(page.locator(".weights")).to_have_count(0)


def test_a_report_without_explanations_has_no_switch(page: Page, tmp_path: Path) -> None:
    open_report(page, analyses.realistic(), tmp_path)
    expect(page.locator(SWITCH)).to_have_count(0)


def test_hostile_words_are_only_words(page: Page, tmp_path: Path) -> None:
    complaints = open_report(page, analyses.explained(analyses.hostile()), tmp_path)
    elements = page.locator("script, img, iframe, link[rel=stylesheet]").count()
    page.click(SWITCH)
    for at, text in enumerate(analyses.HOSTILE_TEXTS):
        shown = page.locator(f"#sentence-{at} .weights p").first
        assert str(shown.text_content()).split() == text.split()
    assert page.locator("script, img, iframe, link[rel=stylesheet]").count() == elements
    assert "pwned" not in page.title().replace("document.title='pwned'", "")
    assert not [one for one in complaints if "Content Security Policy" in one or "Error" in one]
