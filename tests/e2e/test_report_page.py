"""The HTML report in Chromium: what it asks for, shows and does, as a reader would open it."""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from emoscribe.report import render
from emoscribe.report.html_report import VIEWER_DIR
from tests import analyses
from tests.conftest import ROOT, missing
from tests.e2e.chromium import chromium, chromium_path

pytestmark = pytest.mark.browser

SENTENCES = len(analyses.realistic().segments)
REVIEWS = [segment.index for segment in analyses.realistic().segments if segment.needs_review]
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
WATCH_POLICY = (
    "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective, e.blockedURI))"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        missing("Chromium", "apt-get install chromium, or set EMOSCRIBE_TEST_CHROMIUM")
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports, and beside the first the recording it names."""
    folder = tmp_path_factory.mktemp("relatório & vídeo")
    for make in (analyses.realistic, analyses.three_hours, analyses.empty, analyses.hostile):
        (folder / f"{make.__name__}.html").write_bytes(render(make(), "html"))
    shutil.copy(ROOT / "samples" / "demo-pt.mp4", folder / analyses.realistic().source.name)
    (folder / "alone").mkdir()
    shutil.copy(folder / "realistic.html", folder / "alone")
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on loopback, as any web server would serve it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=["file", "http"])
def address(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Where the folder is found: on disk, and on a web server."""
    if request.param == "file":
        yield f"{folder.as_uri()}/"
    else:
        with served(folder) as url:
            yield url


@dataclass
class Report:
    """A page with a report, and everything it asked for or complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def shown(self) -> list[int]:
        """The places of the sentences that are not filtered out."""
        ids = self.page.eval_on_selector_all(".sentence:not([hidden])", "rows => rows.map(row => row.id)")
        return [int(one.removeprefix("sentence-")) for one in ids]

    @property
    def selected(self) -> int | None:
        found = self.page.locator(".sentence[aria-current]")
        return int(str(found.get_attribute("id")).removeprefix("sentence-")) if found.count() else None

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def wait_for_media(self, state: str) -> None:
        expect(self.page.locator(".player")).to_have_attribute("data-media", state, timeout=20_000)


Open = Callable[..., Report]


def highlighted(page: Page, name: str) -> list[str]:
    """The texts a CSS highlight marks."""
    script = "name => [...CSS.highlights.get(name)].map(r => r.startContainer.data.slice(r.startOffset, r.endOffset))"
    found: list[str] = page.evaluate(script, name)
    return found


@pytest.fixture
def open_report(browser: Browser, folder: Path) -> Iterator[Open]:
    """Opens a report of the folder: `open_report("realistic.html#s=4", viewport=...)`."""
    contexts = []

    def open_one(name: str, base: str = f"{folder.as_uri()}/", **options: Any) -> Report:
        context = browser.new_context(**({"viewport": DESK} | options))
        contexts.append(context)
        context.add_init_script(WATCH_POLICY)
        report = Report(context.new_page())
        report.page.on("request", lambda request: report.requests.append(request.url))
        report.page.on("console", lambda message: report.complaints.append(message.text))
        report.page.on("pageerror", lambda error: report.complaints.append(str(error)))
        report.page.on("dialog", lambda dialog: report.complaints.append(dialog.message))
        report.page.goto(base + name)
        report.page.wait_for_selector("main")
        return report

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def report(open_report: Open) -> Report:
    """The realistic report with its recording."""
    opened = open_report("realistic.html")
    opened.wait_for_media("ready")
    return opened


# --- loading ----------------------------------------------------------------------------------


def test_it_asks_for_nothing_but_itself_and_the_recording(open_report: Open, address: str) -> None:
    report = open_report("realistic.html", address)
    report.wait_for_media("ready")
    report.press("j", "j", "?", "Escape", "+", "r")
    expected = {address + "realistic.html", address + "assembleia-de-vila.mp4"}
    assert {url for url in report.requests if not url.startswith("data:")} == expected
    assert report.complaints == []


def test_without_the_recording_it_says_so_and_works(open_report: Open, address: str) -> None:
    report = open_report("alone/realistic.html", address)
    report.wait_for_media("missing")
    expect(report.page.locator(".player")).to_contain_text("put assembleia-de-vila.mp4 beside this report or choose it")
    report.press("j", "Enter", "Space", "j")
    assert report.selected == 1
    assert len(report.complaints) <= 1  # the browser's own line about the file it did not find
    assert all("Failed to load resource" in line for line in report.complaints)


def test_every_sentence_is_shown_as_it_was_said(report: Report) -> None:
    rows = report.page.locator(".sentence")
    expect(rows).to_have_count(SENTENCES)
    for row, segment in zip(rows.all(), analyses.realistic().segments, strict=True):
        source, english = row.locator(".source .text"), row.locator(".english")
        assert (source.text_content(), english.text_content()) == (segment.text, segment.text_en)
        assert (source.get_attribute("lang"), source.get_attribute("dir")) == (segment.language, "auto")
        assert english.get_attribute("lang") == "en"
        hours, minutes, seconds = map(int, str(row.locator(".time").text_content()).split(":"))
        assert hours * 3600 + minutes * 60 + seconds == segment.start_ms // 1000
        label = segment.emotion.label.capitalize() if segment.emotion else "No emotion"
        assert row.locator(".badge .name").text_content() == label
        assert row.locator(".review").count() == segment.needs_review


def test_the_head_says_what_it_is_and_what_it_is_not(report: Report) -> None:
    head = report.page.locator("header")
    expect(head.locator("h1")).to_have_text("assembleia-de-vila.mp4")
    for text in (
        "Length 0:01:30",
        "Portuguese (99 % sure)",
        "12 May 2026",
        "not a statement about what any person feels",
    ):
        expect(head).to_contain_text(text)
    expect(report.page.locator("#made")).to_contain_text("bergamot-pt-en")


def test_a_recording_without_speech_has_a_page_too(open_report: Open) -> None:
    report = open_report("empty.html")
    expect(report.page.locator("#transcript")).to_contain_text("No speech was found")
    assert report.page.locator(".timeline, .filters").count() == 0
    report.press("j", "r", "/", "f", "+", "0")
    assert all("Failed to load resource" in line for line in report.complaints)


# --- finding ----------------------------------------------------------------------------------


def test_emotions_filter_and_can_be_combined(report: Report) -> None:
    segments = analyses.realistic().segments
    report.page.locator(".share[data-emotion=fear]").click()
    assert report.shown == [s.index for s in segments if s.emotion and s.emotion.label == "fear"]
    report.page.locator(".share[data-emotion=anger]").click()
    assert report.shown == [s.index for s in segments if s.emotion and s.emotion.label in {"fear", "anger"}]
    report.page.get_by_label("Also where the emotion is mixed in").check()
    assert report.shown == [s.index for s in segments if s.emotion and {"fear", "anger"} & set(s.emotion.mixed)]
    expect(report.page.locator(".result")).to_have_text(f"{len(report.shown)} of {SENTENCES} sentences")
    report.page.get_by_role("button", name="Clear filters").click()
    assert report.shown == list(range(SENTENCES))


def test_confidence_and_review_filter(report: Report) -> None:
    report.page.get_by_label("Confidence at least").fill("80")
    segments = analyses.realistic().segments
    assert report.shown == [s.index for s in segments if s.emotion and s.emotion.confidence >= 0.8]
    report.page.get_by_label("Confidence at least").fill("0")
    report.page.get_by_label("Only what needs review").check()
    assert report.shown == REVIEWS


@pytest.mark.parametrize(
    ("query", "found"),
    [("VIZINHOS", [11]), ("neighbours", [11]), ("coracao", [18]), ("do bairro", [14]), ("13,60", [8]), ("<b>", [])],
)
def test_search_finds_words_in_both_languages_whatever_the_accents(
    report: Report, query: str, found: list[int]
) -> None:
    report.press("/")
    report.page.keyboard.type(query)
    expect(report.page.locator(".result")).to_have_text(f"{len(found)} of {SENTENCES} sentences")
    assert report.shown == found
    if found:
        assert highlighted(report.page, "found")
    else:
        expect(report.page.locator(".nothing")).to_be_visible()
    report.press("Escape", "x")
    assert report.shown == list(range(SENTENCES))


def test_what_is_found_is_marked_where_it_stands(report: Report) -> None:
    report.page.get_by_label("Search original and English").fill("coracao")
    expect(report.page.locator(".result")).to_have_text(f"1 of {SENTENCES} sentences")
    assert highlighted(report.page, "found") == ["coração"]


def test_the_address_leads_back_to_what_was_seen(report: Report, open_report: Open) -> None:
    report.page.locator(".share[data-emotion=happiness]").click()
    report.page.get_by_label("Confidence at least").fill("75")
    report.page.get_by_label("Search original and English").fill("obrigada")
    report.page.locator("#sentence-18 .source").click()
    report.page.wait_for_function("() => location.hash.includes('obrigada') && location.hash.includes('s=18')")
    again = open_report("realistic.html" + report.page.evaluate("location.hash"))
    assert (again.shown, again.selected) == ([0, 18], 18)
    assert again.page.get_by_label("Search original and English").input_value() == "obrigada"


@pytest.mark.parametrize(
    ("fragment", "selected"),
    [
        ("#t=20", 4),
        ("#t=0:00:20", 4),
        ("#t=20.5", 4),
        ("#s=7", 7),
        ("#t=9999", SENTENCES - 1),
        ("#s=999", None),
        ("#s=-1", None),
        ("#t=soon", None),
        ("#emotion=joy&min=1e9&s=javascript:alert(1)", None),
        ("#%E0%A4%A", None),
    ],
)
def test_a_link_opens_at_its_moment(open_report: Open, fragment: str, selected: int | None) -> None:
    report = open_report("realistic.html" + fragment)
    assert report.selected == selected
    assert len(report.shown) == SENTENCES
    if selected is not None:
        expect(report.page.locator(f"#sentence-{selected}")).to_be_in_viewport()


# --- keys, timeline, playing --------------------------------------------------------------------


def test_keys_walk_through_the_sentences(report: Report) -> None:
    report.press("j", "j", "j", "k")
    assert report.selected == 1
    assert report.page.evaluate("document.activeElement.id") == "sentence-1"
    report.press("ArrowDown", "ArrowDown", "ArrowUp")
    assert report.selected == 2
    for index in REVIEWS:
        report.press("r")
        assert report.selected == index
        expect(report.page.locator(f"#sentence-{index} .review")).to_be_in_viewport()
    report.press("r")
    assert report.selected == REVIEWS[0]  # round again
    report.press("Shift+R")
    assert report.selected == REVIEWS[-1]
    expect(report.page.locator(".review-next")).to_contain_text(f"{len(REVIEWS)} of {len(REVIEWS)}")


def test_next_to_review_finds_what_a_filter_hides(report: Report) -> None:
    report.page.locator(".share[data-emotion=disgust]").click()
    report.press("r")
    assert report.selected == REVIEWS[0]
    assert report.shown == REVIEWS


def test_the_selected_sentence_shows_all_it_has(report: Report) -> None:
    report.page.locator("#sentence-15 .source").click()
    row = report.page.locator("#sentence-15")
    expect(row.locator(".scores li")).to_have_count(7)
    expect(row.locator(".review")).to_contain_text("Words were hard to make out · The emotion is uncertain")
    expect(row.locator(".more")).to_contain_text("0:01:09.558 to 0:01:13.384")
    assert report.page.locator(".more").count() == 1
    words = analyses.realistic().segments[15].words
    assert highlighted(report.page, "unsure") == [word.text for word in words if word.probability < 0.5]


def test_help_shows_the_keys_and_can_switch_them_off(report: Report) -> None:
    report.press("?")
    expect(report.page.get_by_role("dialog")).to_contain_text("Next and previous sentence to review")
    report.press("j")
    assert report.selected is None
    report.page.get_by_label("Single keys act as shortcuts").uncheck()
    report.press("Escape")
    expect(report.page.get_by_role("dialog")).to_be_hidden()
    report.press("j", "r", "?")
    assert report.selected is None


def test_typing_is_not_a_shortcut(report: Report) -> None:
    report.press("/")
    report.page.keyboard.type("jrx?")
    assert report.page.get_by_label("Search original and English").input_value() == "jrx?"
    assert report.selected is None


def test_f_leads_to_the_filters(report: Report) -> None:
    report.press("f", "Enter")
    assert report.shown == [s.index for s in analyses.realistic().segments if s.emotion and s.emotion.label == "anger"]


def plot(page: Page) -> dict[str, float]:
    box = page.locator(".chart .surface").bounding_box()
    assert box
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def first_and_last_tick(page: Page) -> tuple[str, str]:
    ticks = page.locator(".chart .axis text").all_text_contents()
    return ticks[0], ticks[-1]


def test_a_click_on_the_timeline_goes_there(report: Report) -> None:
    box = plot(report.page)
    middle_of_fifth = (18_077 + 28_652) / 2 / 90_000
    report.page.mouse.click(box["x"] + box["width"] * middle_of_fifth, box["y"] + 20)
    assert report.selected == 4
    seconds = report.page.evaluate("document.querySelector('video').currentTime")
    assert seconds == pytest.approx(90 * middle_of_fifth, abs=0.2)
    expect(report.page.locator("#sentence-4")).to_be_in_viewport()
    expect(report.page.locator(".chart")).to_be_in_viewport()  # it stays above the transcript


def test_pointing_shows_what_is_there(report: Report) -> None:
    box = plot(report.page)
    report.page.mouse.move(box["x"] + box["width"] * 20 / 90, box["y"] + 20)
    expect(report.page.locator(".tip")).to_contain_text("0:00:18 Sadness 88 %")
    expect(report.page.locator(".tip")).to_contain_text("My father built it")
    report.page.mouse.move(5, 5)
    expect(report.page.locator(".tip")).to_be_hidden()


def test_the_timeline_zooms_by_keys_buttons_wheel_and_window(report: Report) -> None:
    whole = first_and_last_tick(report.page)
    assert whole == ("0:00:00", "0:01:30")
    report.press("+")
    assert first_and_last_tick(report.page) != whole
    report.press("0")
    assert first_and_last_tick(report.page) == whole

    box = plot(report.page)
    report.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    report.page.keyboard.down("Control")
    report.page.mouse.wheel(0, -400)
    report.page.keyboard.up("Control")
    report.page.wait_for_function("() => document.querySelector('.chart .axis text').textContent !== '0:00:00'")
    report.page.get_by_role("button", name="Show the whole recording").click()
    assert first_and_last_tick(report.page) == whole

    strip = report.page.locator(".overview .overlay").bounding_box()
    assert strip
    report.page.mouse.move(strip["x"] + strip["width"] / 3, strip["y"] + 10)
    report.page.mouse.down()
    report.page.mouse.move(strip["x"] + strip["width"] * 2 / 3, strip["y"] + 10, steps=5)
    report.page.mouse.up()
    first, last = first_and_last_tick(report.page)
    assert "0:00:29" <= first <= "0:00:35"
    assert "0:00:55" <= last <= "0:01:00"
    assert report.complaints == []


def test_smoothed_and_raw_are_a_choice(report: Report) -> None:
    bars, curve = report.page.locator(".lane .winners").first, report.page.locator(".lane .outline").first
    assert bars.get_attribute("d")
    assert not curve.get_attribute("d")
    report.page.get_by_label("Smoothed").check()
    assert curve.get_attribute("d")
    assert not bars.get_attribute("d")


def test_the_slider_moves_by_keys_and_speaks(report: Report) -> None:
    slider = report.page.get_by_role("slider", name="Position in the recording")
    slider.focus()
    report.press("ArrowRight", "ArrowRight", "PageUp")
    expect(slider).to_have_attribute("aria-valuenow", "19")
    expect(slider).to_have_attribute("aria-valuetext", "0:00:19, Sadness")
    report.press("End")
    expect(slider).to_have_attribute("aria-valuenow", "90")
    assert report.page.evaluate("document.querySelector('video').currentTime") == pytest.approx(90, abs=0.1)


def test_the_transcript_follows_the_recording(report: Report) -> None:
    report.page.locator("#sentence-17 .source").click()
    report.press("Enter")
    report.page.wait_for_function("() => !document.querySelector('video').paused")
    expect(report.page.locator("#sentence-18")).to_have_class(re.compile("playing"), timeout=15_000)
    expect(report.page.locator("#sentence-18")).to_be_in_viewport()
    assert report.page.evaluate("CSS.highlights.get('spoken').size") <= 1
    report.page.mouse.move(900, 600)
    report.page.mouse.wheel(0, -200)
    expect(report.page.get_by_label("Transcript follows")).not_to_be_checked()
    report.press("Space")
    report.page.wait_for_function("() => document.querySelector('video').paused")


def test_a_time_plays_from_there(report: Report) -> None:
    report.page.locator("#sentence-2 .time").click()
    report.page.wait_for_function("() => !document.querySelector('video').paused")
    assert report.selected == 2
    assert report.page.evaluate("document.querySelector('video').currentTime") == pytest.approx(9.9, abs=1.5)


def test_a_recording_can_be_chosen(open_report: Open, folder: Path, address: str) -> None:
    report = open_report("alone/realistic.html", address)
    report.wait_for_media("missing")
    report.press("j", "j")
    report.page.locator(".picker").set_input_files(folder / "assembleia-de-vila.mp4")
    report.wait_for_media("ready")
    assert report.page.evaluate("document.querySelector('video').currentTime") == pytest.approx(5.1, abs=0.1)
    other = folder / "other.mp4"
    shutil.copy(folder / "assembleia-de-vila.mp4", other)
    report.page.locator(".picker").set_input_files(other)
    expect(report.page.locator(".player")).to_contain_text(
        "This is “other.mp4”; the report is about “assembleia-de-vila.mp4”."
    )
    assert not [line for line in report.complaints if "CSP" in line]


# --- hostile, long, for everybody ---------------------------------------------------------------


def test_hostile_text_is_shown_and_does_nothing(open_report: Open, address: str) -> None:
    report = open_report("hostile.html", address)
    report.wait_for_media("missing")
    report.press("j", "r", "/")
    texts = report.page.locator(".sentence .source .text").all_text_contents()
    assert texts == list(analyses.HOSTILE_TEXTS)
    assert "pwned" in report.page.title()  # as a part of the file's name, beside everything else that is in it
    assert report.page.title().endswith("· EmoScribe")
    name = analyses.hostile().source.name
    assert report.page.locator("h1").text_content() == name.replace("\u202e", "\ufffd")
    assert report.page.locator("img, iframe, object, embed, form:not([method=dialog])").count() == 0
    assert report.page.locator("script").count() == 2
    asked = {url for url in report.requests if not url.startswith("data:")}
    assert len(asked) == 2
    assert {url.removeprefix(address) for url in asked} == {
        "hostile.html",
        "script%3E%E2%80%AE4pm.mp4",  # what follows the last slash, and cannot leave the folder
    }
    assert all("Failed to load resource" in line for line in report.complaints)


@pytest.mark.parametrize(
    ("name", "viewport", "scheme"),
    [
        ("realistic", DESK, "light"),
        ("realistic", DESK, "dark"),
        ("realistic", PHONE, "light"),
        ("realistic", PHONE, "dark"),
        ("empty", DESK, "dark"),
        ("hostile", PHONE, "light"),
    ],
)
def test_axe_finds_nothing(open_report: Open, name: str, viewport: dict[str, int], scheme: str) -> None:
    report = open_report(f"{name}.html#s=4", viewport=viewport, color_scheme=scheme)
    report.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    results = Axe().run(report.page)
    assert [(found["id"], found["nodes"][0]["target"]) for found in results.response["violations"]] == []


@pytest.mark.parametrize("name", ["realistic", "empty", "hostile", "three_hours"])
def test_nothing_sticks_out_sideways(open_report: Open, name: str) -> None:
    report = open_report(f"{name}.html#s=4")
    for width in (1920, 1280, 1024, 768, 390, 320):
        report.page.set_viewport_size({"width": width, "height": 800})
        assert report.page.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_shows_everything_and_no_controls(report: Report) -> None:
    report.page.emulate_media(media="print", color_scheme="dark")
    for selector in (".player", ".zoom", ".overview", ".narrowing", ".review-next"):
        expect(report.page.locator(selector)).to_be_hidden()
    for selector in (
        "h1",
        ".statement",
        ".chart > svg",
        ".shares",
        "#sentence-0 .text >> nth=0",
        f"#sentence-{SENTENCES - 1}",
    ):
        expect(report.page.locator(selector)).to_be_visible()
    assert report.page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 39)"  # ink on paper
    cut_off = report.page.eval_on_selector_all(
        ".sentence .text, .badge, .share, h1", "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    )
    assert cut_off == 0
    pages = report.page.pdf(format="A4", print_background=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pages)) <= 4


def test_three_hours_load_and_scroll(open_report: Open, record_property: Callable[[str, object], None]) -> None:
    """The figures are reported, not judged: they belong to the machine."""
    report = open_report("three_hours.html")
    loaded_ms = report.page.evaluate("performance.now()")
    expect(report.page.locator(".sentence")).to_have_count(2000)
    frames_ms = report.page.evaluate(
        """async () => {
            const frame = () => new Promise(requestAnimationFrame);
            const lengths = [];
            let last = await frame();
            for (let step = 0; step < 120; step += 1) {
                scrollBy(0, 400);
                const now = await frame();
                lengths.push(now - last);
                last = now;
            }
            return lengths.sort((a, b) => a - b);
        }"""
    )
    report.press("r")
    expect(report.page.locator(f"#sentence-{report.selected}")).to_be_in_viewport()
    filter_ms = report.page.evaluate(
        """() => {
            const start = performance.now();
            document.querySelector('.share').click();
            return [document.body.offsetHeight, performance.now() - start][1];
        }"""
    )
    figures = {
        "ready_ms": round(loaded_ms),
        "frame_median_ms": round(frames_ms[60], 1),
        "frame_p95_ms": round(frames_ms[113], 1),
        "filter_ms": round(filter_ms),
    }
    record_property("three_hours", json.dumps(figures))
    print(figures)  # with `pytest -s`
    assert report.page.locator(".result").text_content() == f"{len(report.shown)} of 2,000 sentences"
    assert report.complaints in ([], [line for line in report.complaints if "Failed to load resource" in line])


def test_the_last_of_two_thousand_can_be_reached(open_report: Open) -> None:
    report = open_report("three_hours.html#s=1999")
    expect(report.page.locator("#sentence-1999")).to_be_in_viewport()
    report.press("k", "k")
    assert report.selected == 1997
    expect(report.page.locator("#sentence-1997 .time")).to_be_in_viewport()


# --- the parts without a page -------------------------------------------------------------------


@pytest.fixture(scope="module")
def modules(browser: Browser) -> Iterator[Page]:
    """A page that can import the viewer's modules as they are."""
    with served(VIEWER_DIR) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url + "README.md")
        yield page
        context.close()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("filme.mp4", "./filme.mp4"),
        ("incoming/2026/vídeo #1?.mp4", "./v%C3%ADdeo%20%231%3F.mp4"),
        ("..\\..\\a.mp4", "./a.mp4"),
        ("javascript:alert(1)", "./javascript%3Aalert(1)"),
        ("https://example.invalid/x.mp4", "./x.mp4"),
        ("..", None),
        ("a/", None),
        ("", None),
    ],
)
def test_a_recording_is_only_looked_for_beside_the_report(modules: Page, name: str, url: str | None) -> None:
    assert modules.evaluate("async (name) => (await import('/src/source.js')).besideUrl(name)", name) == url


def test_smoothing_keeps_to_what_was_said(modules: Page) -> None:
    script = """async ([segments, times, windowMs]) => {
        const { modelOf } = await import('/src/model.js');
        const { smoothedIntensity } = await import('/src/intensity.js');
        const { sentences } = modelOf({ segments, source: { duration_ms: 90000 }, language: {} });
        const at = smoothedIntensity(sentences, 'sadness');
        return times.map((time) => at(time, windowMs));
    }"""
    segments = [segment.model_dump(mode="json") for segment in analyses.realistic().segments]
    fifth = analyses.realistic().segments[4]
    assert fifth.emotion
    inside, silence, far = modules.evaluate(script, [segments, [23_000, 89_500, 500_000], 2000])
    assert inside == pytest.approx(fifth.emotion.scores["sadness"])
    assert silence <= 0.2
    assert far == 0
    curve = modules.evaluate(script, [segments, list(range(0, 90_000, 250)), 9000])
    assert min(curve) >= 0
    assert max(curve) <= 0.95


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("83.5", 83_500), ("1:02:03", 3_723_000), ("0", 0), ("1:2:3:4", None), ("-5", None), ("", None)],
)
def test_times_in_links_are_read(modules: Page, text: str, milliseconds: int | None) -> None:
    assert modules.evaluate("async (text) => (await import('/src/format.js')).parseClock(text)", text) == milliseconds
