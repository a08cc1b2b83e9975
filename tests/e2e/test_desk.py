"""The page in Chromium, against the service with its models in one process: as owner, reviewer and viewer use it."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Download, FilePayload, Locator, Page, expect

from emoscribe.types import Analysis
from tests import analyses, sounds
from tests.conftest import ROOT, missing
from tests.e2e.chromium import chromium, chromium_path
from tests.service import api_harness
from tests.service_processes import ServiceProcess

pytestmark = [pytest.mark.browser, pytest.mark.models]

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SEEN_BY_AXE = ("inbox", "analysis", "compare", "search", "sign in")
WATCH_POLICY = (
    "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective, e.blockedURI))"
)
REALISTIC = analyses.realistic()
REVIEWS = [segment.index for segment in REALISTIC.segments if segment.needs_review]
Tokens = Mapping[str, str]


@dataclass(frozen=True)
class Prepared:
    """The service, who may use it, and what was analysed before it started."""

    url: str
    tokens: Tokens
    ids: Mapping[str, str]  # by name of the analysis


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        missing("Chromium", "apt-get install chromium, or set EMOSCRIBE_TEST_CHROMIUM")
    expect.set_options(timeout=15_000)  # the machine may be busy with other things
    with chromium() as running:
        yield running


def _prepare(folder: Path) -> dict[str, str]:
    """Analyses that no model has to make again, with the recording of the demo."""
    recording = (ROOT / "samples" / "demo-pt.mp4").read_bytes()
    made: dict[str, Analysis] = {name: getattr(analyses, name)() for name in ("realistic", "three_hours", "hostile")}
    made |= {f"copy{number}": REALISTIC for number in range(5)}  # one for each test that writes
    with api_harness.service(folder) as service:
        ids = {}
        for name, analysis in made.items():
            content = recording + name.encode()  # another recording for each, which plays all the same
            answer = service.post("/v1/analyses", files={"file": (f"{name}.mp4", content)})
            ids[name] = answer.json()["id"]
            service.finish(service.claim(), analysis)
    return ids


@pytest.fixture(scope="module")
def prepared(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("desk")
    with ThreadPoolExecutor(1) as pool:  # Playwright has an event loop in this thread, and the harness needs its own
        ids = pool.submit(_prepare, folder).result()
    people = {"ana": "owner", "ben": "reviewer", "vera": "viewer"}
    headers = api_harness.write_tokens(
        folder / "tokens.toml", **{name: ("default", (role,)) for name, role in people.items()}
    )
    tokens = {name: one["Authorization"].removeprefix("Bearer ") for name, one in headers.items()}
    settings = {"EMOSCRIBE_AUTH": "tokens", "EMOSCRIBE_TOKENS_FILE": str(folder / "tokens.toml")}
    with ServiceProcess(["serve", "--one-process"], folder, settings) as process:
        yield Prepared(process.url, tokens, ids)


@dataclass
class Desk:
    """A page of the desk, and everything it asked for or complained about."""

    page: Page
    base: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def button(self, name: str, **options: Any) -> Locator:
        return self.page.get_by_role("button", name=name, **options)

    @property
    def selected(self) -> int | None:
        found = self.page.locator(".sentence[aria-current]")
        return int(str(found.get_attribute("id")).removeprefix("sentence-")) if found.count() else None

    @property
    def shown(self) -> list[int]:
        ids = self.page.eval_on_selector_all(".sentence", "rows => rows.map(row => row.id)")
        return [int(one.removeprefix("sentence-")) for one in ids]

    def wait_for_media(self) -> None:
        expect(self.page.locator(".player")).to_have_attribute("data-media", "ready", timeout=20_000)

    def decision(self, at: int) -> Locator:
        return self.page.locator(f"#sentence-{at} .decision")

    def download(self, act: Callable[[], object]) -> bytes:
        with self.page.expect_download() as waited:
            act()
        downloaded: Download = waited.value
        return Path(downloaded.path()).read_bytes()


Open = Callable[..., Desk]


@pytest.fixture
def open_desk(browser: Browser, prepared: Prepared) -> Iterator[Open]:
    """Opens a page as somebody: `open_desk("/?search", "ben", viewport=...)`. Nothing foreign is asked for, ever."""
    opened: list[Desk] = []

    def open_one(path: str = "/", person: str | None = "ana", **options: Any) -> Desk:
        context = browser.new_context(**({"viewport": DESK} | options))
        context.add_init_script(WATCH_POLICY)
        if person is not None:
            token = json.dumps(prepared.tokens[person])
            context.add_init_script(f"sessionStorage.setItem('emoscribe-token', {token})")
        desk = Desk(context.new_page(), prepared.url)
        desk.page.set_default_timeout(20_000)
        desk.page.on("request", lambda request: desk.requests.append(request.url))
        desk.page.on("console", lambda message: desk.complaints.append(message.text))
        desk.page.on("pageerror", lambda error: desk.complaints.append(str(error)))
        desk.go(path)
        desk.page.wait_for_selector("main")
        opened.append(desk)
        return desk

    yield open_one
    for desk in opened:
        desk.page.context.close()
        assert [url for url in desk.requests if not url.startswith((prepared.url, "data:", "blob:"))] == []
        assert [line for line in desk.complaints if "Failed to load resource" not in line] == []


def analysis(prepared: Prepared, name: str, rest: str = "") -> str:
    return f"/?analysis={prepared.ids[name]}{rest}"


def recording(*names: str) -> bytes:
    file = BytesIO()
    soundfile.write(file, np.concatenate([sounds.read_clip(name) for name in names]), 16_000, format="FLAC")
    return file.getvalue()


# --- from the upload to the export --------------------------------------------------------------


def test_a_recording_is_uploaded_watched_read_corrected_taken_along_and_found_again(open_desk: Open) -> None:
    """With the real models. Opened again by another page, everything is as it was left."""
    desk = open_desk("/")
    file = FilePayload(name="conversa.flac", mimeType="audio/flac", buffer=recording("pt-1", "pt-2"))
    desk.page.locator(".add .picker").set_input_files(file)
    row = desk.page.locator(".job", has_text="conversa.flac")
    expect(row).to_contain_text(re.compile("Waiting|Working|Done"))
    expect(row).to_contain_text("Done", timeout=90_000)
    expect(row).to_contain_text("Portuguese")
    row.get_by_role("link", name="conversa.flac").click()

    desk.wait_for_media()
    expect(desk.page.locator(".sentence").first).to_be_visible()
    desk.press("j", "v", "3")
    expect(desk.decision(0)).to_contain_text("Fear")
    desk.page.reload()
    expect(desk.decision(0)).to_contain_text("by ana")

    desk.button("Export").click()
    csv = desk.download(desk.button("CSV a row per sentence").click).decode()
    assert csv.count("\n") > len(desk.shown)
    lines = desk.download(desk.button("Corrections JSON Lines").click).decode().splitlines()
    assert len(lines) == 1
    assert "fear" in lines[0]

    again = open_desk("/?" + desk.page.url.partition("?")[2], "ben")
    expect(again.decision(0)).to_contain_text("by ana")


def test_what_cannot_be_read_says_why_and_can_be_deleted(open_desk: Open) -> None:
    desk = open_desk("/")
    file = FilePayload(name="kaputt.mp4", mimeType="video/mp4", buffer=b"no video" * 99)
    desk.page.locator(".add .picker").set_input_files(file)
    row = desk.page.locator(".job", has_text="kaputt.mp4")
    expect(row.locator(".problem p")).to_have_count(2, timeout=60_000)  # cause and fix
    desk.page.get_by_label("Failed", exact=True).check()
    assert "show=failed" in desk.page.url
    expect(desk.page.locator(".job")).to_have_count(1)
    row.get_by_role("button", name="Delete").click()
    desk.button("Keep").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_several_are_dropped_at_once_and_one_upload_is_cancelled(open_desk: Open) -> None:
    desk = open_desk("/")
    desk.page.route("**/v1/analyses", lambda route: None if route.request.method == "POST" else route.continue_())
    desk.page.evaluate(
        """() => {
            const data = new DataTransfer();
            for (const name of ['a.mp4', 'b.mp4', 'c.mp4']) data.items.add(new File(['x'.repeat(9000)], name));
            const about = { dataTransfer: data, bubbles: true, cancelable: true };
            for (const type of ['dragenter', 'dragover', 'drop'])
                document.body.dispatchEvent(new DragEvent(type, about));
        }"""
    )
    expect(desk.page.locator(".upload")).to_have_count(3)
    expect(desk.page.locator(".upload", has_text="c.mp4")).to_contain_text("Waits to be sent")
    desk.button("Cancel a.mp4").click()
    expect(desk.page.locator(".upload")).to_have_count(2)
    expect(desk.page.locator(".upload", has_text="c.mp4")).to_contain_text("sent")
    expect(desk.page.locator(".upload", has_text="c.mp4")).not_to_contain_text("Waits")
    for name in ("b.mp4", "c.mp4"):
        desk.button(f"Cancel {name}").click()


# --- who may do what ----------------------------------------------------------------------------


def test_a_token_is_asked_for_and_forgotten_again(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk("/?search", None)
    desk.page.get_by_label("Access token").fill("emo_wrong")
    desk.press("Enter")
    expect(desk.page.get_by_role("alert")).to_contain_text("not known")
    desk.page.get_by_label("Access token").fill(prepared.tokens["ben"])
    desk.press("Enter")
    expect(desk.page.locator(".who")).to_contain_text("ben · reviewer")
    expect(desk.page.locator("h1")).to_have_text("Search")
    assert prepared.tokens["ben"] not in desk.page.url + desk.page.content()
    desk.button("Sign out").click()
    expect(desk.page.get_by_label("Access token")).to_be_visible()
    assert desk.page.evaluate("sessionStorage.length") == 0


def test_a_viewer_reads_and_cannot_write(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk("/", "vera")
    expect(desk.page.locator(".job").first).to_be_visible()
    assert desk.page.locator(".add, .job-acts button").count() == 0
    desk.go(analysis(prepared, "copy0", "&review=1"))
    expect(desk.page.locator(".review-card")).to_contain_text("of 4 flagged sentences")
    assert desk.page.locator(".review-card button").count() == 0
    desk.press("j", "v", "3", "a", "u")
    assert desk.page.locator(".decision").count() == 0
    desk.button("Export").click()
    assert desk.download(desk.button("Subtitles SRT, as spoken", exact=True).click).startswith(b"1\n")
    script = """async ([path, token]) => (await fetch(path, { method: 'PUT', body: '{"label":"fear"}', headers: {
        Authorization: `Bearer ${token}`, 'If-Match': '"0"', 'Content-Type': 'application/json' } })).status"""
    path = f"/v1/analyses/{prepared.ids['copy0']}/segments/0/correction"
    assert desk.page.evaluate(script, [path, prepared.tokens["vera"]]) == 403


# --- reviewing ----------------------------------------------------------------------------------


def test_the_review_is_done_by_keys_alone(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk(analysis(prepared, "copy1"))
    desk.press("v")
    expect(desk.page.locator(".in-hand")).to_contain_text("1 of 4 in the queue")
    first = desk.selected
    assert first in REVIEWS
    desk.press("Shift+1", "2")
    expect(desk.decision(first)).to_contain_text("Disgust")
    expect(desk.decision(first)).to_contain_text("with anger")
    second = desk.selected
    assert second in REVIEWS
    assert second != first
    desk.press("a")
    if REALISTIC.segments[second].emotion:
        expect(desk.decision(second)).to_contain_text("Accepted")
    desk.press("u")
    expect(desk.decision(second)).to_have_count(0)
    assert desk.selected == second
    desk.press("5")
    expect(desk.page.locator(".review-progress")).to_contain_text("2 of 4 flagged sentences reviewed")
    desk.press("1", "2")
    expect(desk.page.locator(".finished")).to_be_visible()
    desk.press("v")
    expect(desk.page.locator(".in-hand")).to_be_hidden()
    desk.page.get_by_text("Agreement with the model").click()
    expect(desk.page.locator(".agreement")).to_contain_text("ana (4)")
    model_said = REALISTIC.segments[first].emotion
    assert model_said
    badge = desk.page.locator(f"#sentence-{first} .badge .name")
    expect(badge).to_have_text(model_said.label.capitalize())  # it stands beside what she said


def test_two_reviewers_lose_nothing(open_desk: Open, prepared: Prepared) -> None:
    ana = open_desk(analysis(prepared, "copy2", "&review=1#s=10"))
    ben = open_desk(analysis(prepared, "copy2", "&review=1#s=10"), "ben")
    for desk in (ana, ben):
        expect(desk.page.locator(".in-hand")).to_contain_text("in the queue")
    ben.press("5")
    expect(ben.decision(10)).to_contain_text("Sadness")
    ben.page.wait_for_load_state("networkidle")
    ana.press("1")
    conflict = ana.page.locator(".conflict")
    expect(conflict).to_contain_text("ben decided on the sentence at 0:00:48 meanwhile")
    expect(ana.decision(10)).to_contain_text("Sadness")  # until she says otherwise
    ana.button("Use mine: anger").click()
    expect(ana.decision(10)).to_contain_text("Anger")
    expect(conflict).to_have_count(0)
    expect(ben.decision(10)).to_contain_text("Anger", timeout=20_000)  # he is told without asking
    ana.page.locator("#sentence-0 .source").click()
    ben.page.locator("#sentence-1 .source").click()
    ana.press("2")
    ben.press("3")
    expect(ana.decision(1)).to_contain_text("Fear", timeout=20_000)
    expect(ben.decision(0)).to_contain_text("Disgust", timeout=20_000)
    assert ben.page.locator(".conflict").count() == 0
    url = f"{prepared.url}/v1/analyses/{prepared.ids['copy2']}/corrections"
    answer = ana.page.request.get(url, headers={"Authorization": f"Bearer {prepared.tokens['ana']}"}).json()
    assert [one["reviewer"] for one in answer["history"] if one["segment_index"] == 10] == ["ben", "ana"]


# --- reading ------------------------------------------------------------------------------------


def plot(page: Page) -> dict[str, float]:
    box = page.locator(".chart .surface").bounding_box()
    assert box
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def test_a_stretch_is_chosen_by_dragging_and_taken_along_as_a_report(
    open_desk: Open, prepared: Prepared, browser: Browser, tmp_path: Path
) -> None:
    desk = open_desk(analysis(prepared, "realistic"))
    box = plot(desk.page)
    desk.page.mouse.move(box["x"] + box["width"] * 18 / 90, box["y"] + 30)
    desk.page.mouse.down()
    desk.page.mouse.move(box["x"] + box["width"] * 40 / 90, box["y"] + 30, steps=4)
    desk.page.mouse.up()
    expected = [s.index for s in REALISTIC.segments if s.end_ms > 18_000 and s.start_ms < 40_000]
    expect(desk.page.locator(".sentence")).to_have_count(len(expected))
    assert desk.shown == expected
    desk.page.wait_for_function("() => location.hash.includes('between=')")
    desk.button("Export").click()
    report = tmp_path / "selection.html"
    report.write_bytes(desk.download(desk.button("Report of the selection").click))
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(report.as_uri())
    expect(page.locator(".sentence")).to_have_count(len(expected))
    expect(page.locator(".head")).to_contain_text(f"This is a selection: {len(expected)} of 20 sentences")
    assert [line for line in said if "Failed to load resource" not in line] == []
    page.close()


def test_the_chart_is_saved_as_a_picture(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk(analysis(prepared, "realistic"))

    def save(kind: str) -> bytes:
        desk.page.get_by_text("Picture", exact=True).click()
        return desk.download(desk.button(f"Save as {kind}").click)

    png = save("PNG")
    assert png.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(png[16:20], "big") > 1000  # pixels wide
    root = ET.fromstring(save("SVG"))  # noqa: S314  # made by the page under test
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Sadness" in texts
    fills = {path.get("fill") for path in root.iter("{http://www.w3.org/2000/svg}path")}
    assert len(fills) > 7  # colours are in the file, not in a style sheet


def test_moments_words_and_links(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk(analysis(prepared, "realistic", "#t=20"))
    assert desk.selected == 4
    strongest = {label: max(s.emotion.scores[label] for s in REALISTIC.segments if s.emotion) for label in ("fear",)}
    desk.page.locator(".moment[data-emotion=fear]").click()
    emotion = REALISTIC.segments[desk.selected or 0].emotion
    assert emotion
    assert emotion.scores["fear"] == strongest["fear"]
    desk.press("m")
    assert desk.page.locator(".moment[aria-current]").count() == 1
    words = [
        {"text": "I", "weight": 0.1, "source_words": []},
        {"text": "miss", "weight": 3.2, "source_words": [0]},
        {"text": "him", "weight": -0.9, "source_words": []},
    ]
    answer = {"explanation": {"label": "sadness", "words": words}}
    desk.page.route("**/segments/5/explanation", lambda route: route.fulfill(json=answer))
    desk.page.route("**/segments/6/explanation", lambda r: r.fulfill(status=404, json={}))
    desk.page.locator("#sentence-5 .source").click()
    desk.press("e")
    expect(desk.page.locator(".why")).to_contain_text("+3.20")
    strong = "[...CSS.highlights.get('why-strong')].map(r => r.startContainer.data.slice(r.startOffset, r.endOffset))"
    assert desk.page.evaluate(strong) == ["miss", "Sinto"]
    desk.page.locator("#sentence-6 .source").click()
    desk.press("e")
    expect(desk.page.locator(".why")).to_have_count(0)


def test_the_player_gets_a_new_address_when_one_has_run_out(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk(analysis(prepared, "realistic", "#s=4"))
    desk.wait_for_media()
    before = desk.page.locator("video").get_attribute("src")
    desk.page.evaluate("document.querySelector('video').src = '/v1/analyses/x/media?ticket=old'")
    is_new = "() => !document.querySelector('video').src.includes('ticket=old')"
    desk.page.wait_for_function(is_new)
    desk.page.wait_for_function("() => document.querySelector('video').readyState > 0")
    assert "ticket=old" not in str(desk.page.locator("video").get_attribute("src"))
    assert before is not None
    assert prepared.tokens["ana"] not in before
    assert desk.page.evaluate("document.querySelector('video').currentTime") == pytest.approx(18.08, abs=0.1)


def test_three_hours_are_opened_at_their_end(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk(analysis(prepared, "three_hours", "#s=1999"))
    expect(desk.page.locator("#sentence-1999")).to_be_in_viewport()
    expect(desk.page.locator(".sentence")).to_have_count(2000)
    assert desk.page.locator(".lane .outline").first.get_attribute("d")  # smoothed, for so many
    desk.go(analysis(prepared, "three_hours", "&review=1"))
    expect(desk.page.locator(".in-hand")).to_contain_text("1 of 103 in the queue")


def test_a_hostile_transcript_does_nothing(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk(analysis(prepared, "hostile"))
    desk.press("j", "v", "3", "e")
    texts = desk.page.locator(".sentence .source .text").all_text_contents()
    assert texts == list(analyses.HOSTILE_TEXTS)
    desk.go("/?search&text=script")
    expect(desk.page.locator(".found li").first).to_be_visible()
    desk.go(f"/?compare={prepared.ids['hostile']}")
    expect(desk.page.locator(".chart-group > svg")).to_be_visible()
    assert desk.page.locator("script").count() == 1
    assert "pwned" not in desk.page.title()
    desk.go("/")
    expect(desk.page.locator(".job", has_text="hostile")).to_be_visible()


# --- across recordings --------------------------------------------------------------------------


def test_search_across_recordings_leads_to_the_moment(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk("/?search")
    desk.page.get_by_label("Words").fill("bomberos")
    desk.press("Enter")
    expect(desk.page.locator(".found").first).to_contain_text("No puedo creer")
    assert "text=bomberos" in desk.page.url
    desk.page.get_by_label("Emotion").select_option("surprise")
    desk.page.get_by_label(re.compile("Its score")).fill("60")
    desk.button("Search").click()
    expect(desk.page.locator(".result")).to_contain_text("sentence")
    found = desk.page.locator(f".found[data-id='{prepared.ids['copy4']}'] .time")
    found.click()
    desk.wait_for_media()
    assert desk.selected == 16
    desk.page.go_back()
    expect(desk.page.get_by_label("Words")).to_have_value("bomberos")
    expect(desk.page.locator(".found").first).to_be_visible()


def test_recordings_are_compared(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk("/?compare")
    desk.page.get_by_label("Compare realistic.mp4").check()
    desk.page.get_by_label("Compare three_hours.mp4").check()
    expect(desk.page.locator(".chart-group")).to_have_count(2)
    expect(desk.page.locator(".shares-card tbody tr")).to_have_count(7)
    assert prepared.ids["three_hours"] in desk.page.url
    desk.page.get_by_label("By emotion").check()
    expect(desk.page.locator(".chart-group")).to_have_count(7)
    desk.button("Length").click()
    expect(desk.page.locator("tbody tr").first).to_contain_text("three_hours.mp4")
    desk.page.locator(".chart-group > svg").first.click()
    desk.page.wait_for_selector(".sentence")
    assert "#" in desk.page.url


# --- for everybody ------------------------------------------------------------------------------


def paths(prepared: Prepared) -> dict[str, str]:
    compared = f"/?compare={prepared.ids['realistic']},{prepared.ids['three_hours']}"
    return {
        "inbox": "/",
        "analysis": analysis(prepared, "realistic", "&review=1#s=10"),
        "compare": compared,
        "search": "/?search&label=anger&min_score=0.4",
        "sign in": "/",
    }


def settle(desk: Desk, name: str) -> None:
    marks = {"inbox": ".job .outcome", "analysis": ".in-hand", "compare": ".chart-group > svg", "search": ".found li"}
    desk.page.wait_for_selector(marks.get(name, ".sign-in"))


@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_axe_finds_nothing_and_nothing_sticks_out(
    open_desk: Open, prepared: Prepared, viewport: dict[str, int], scheme: str
) -> None:
    found = {}
    for name in SEEN_BY_AXE:
        person = None if name == "sign in" else "ana"
        desk = open_desk(paths(prepared)[name], person, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        settle(desk, name)
        results = Axe().run(desk.page)
        found[name] = [(one["id"], one["nodes"][0]["target"]) for one in results.response["violations"]]
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert found == {name: [] for name in SEEN_BY_AXE}


def test_everything_is_reached_by_keys_and_the_help_says_how(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk("/?name=copy3")
    expect(desk.page.locator(".job")).to_have_count(1)
    link = desk.page.get_by_role("link", name="copy3.mp4")
    for _ in range(30):
        if link.evaluate("one => one === document.activeElement"):
            break
        desk.press("Tab")
    desk.press("Enter")
    desk.wait_for_media()
    desk.press("?")
    for text in ("Begin and end the review", "accept the model's answer", "Five seconds back and on", "Search"):
        expect(desk.page.get_by_role("dialog")).to_contain_text(text)
    desk.press("Escape", "r", "v", "a")
    expect(desk.page.locator(".decision")).to_have_count(1)
    desk.press("ArrowRight", "Space")
    desk.page.wait_for_function("() => !document.querySelector('video').paused")
    desk.press("Space", "/")
    desk.page.keyboard.type("vizinhos")
    expect(desk.page.locator(".sentence")).to_have_count(1)
    desk.press("Escape", "x")
    expect(desk.page.locator(".sentence")).to_have_count(20)


def test_paper_shows_the_result_and_no_controls(open_desk: Open, prepared: Prepared) -> None:
    desk = open_desk(analysis(prepared, "realistic"))
    desk.page.emulate_media(media="print", color_scheme="dark")
    for selector in (".top-bar", ".player", ".menu", ".review-card button", ".headline button"):
        expect(desk.page.locator(selector).first).to_be_hidden()
    for selector in ("h1", ".chart > svg", ".key-moments", ".shares", "#sentence-19"):
        expect(desk.page.locator(selector)).to_be_visible()
    pages = desk.page.pdf(format="A4", print_background=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pages)) <= 5
