"""A real recording, real models, a real socket: what a user's script would do."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from emoscribe.local_stages import load_stages
from emoscribe.report import read_analysis
from emoscribe.settings import load_settings
from tests.conftest import ROOT, missing
from tests.e2e.chromium import chromium, chromium_path
from tests.service.api_harness import events_of, listening, service, working

CLIP = ROOT / "tests" / "data" / "speech" / "pt-1.ogg"


def test_a_recording_is_sent_watched_fetched_and_erased(tmp_path: Path, models_dir: Path) -> None:
    stages = load_stages(load_settings(models_dir=models_dir, beam_size=1))
    with service(tmp_path, stages) as api, working(api), listening(api.app) as address:
        with CLIP.open("rb") as recording:
            sent = httpx.post(f"{address}/v1/analyses", files={"file": recording}, data={"formats": "html"})
        assert sent.status_code == 202
        url = address + sent.headers["location"]
        events = events_of(httpx.get(f"{url}/events", timeout=120).text)
        assert events[-1][0] == "done", events[-1]
        analysis = read_analysis(httpx.get(f"{url}/result.json").content)
        assert analysis.language.language == "pt"
        assert [data["text"] for name, _, data in events if name == "segment"] == [
            one.text for one in analysis.segments
        ]
        assert all(one.emotion for one in analysis.segments if not one.review_reasons)
        assert analysis.segments
        assert "00:00:0" in httpx.get(f"{url}/result.srt").text
        with CLIP.open("rb") as recording:
            again = httpx.post(f"{address}/v1/analyses", files={"file": recording}, data={"formats": "html"})
        assert (again.status_code, again.json()["state"]) == (200, "done")
        assert httpx.delete(url).status_code == 204
        assert httpx.get(url).status_code == 404


@pytest.mark.browser
def test_the_page_works_in_its_sandbox(tmp_path: Path) -> None:
    """Its script runs, in an origin of its own, from where it cannot ask the service for anything."""
    if chromium_path() is None:
        missing("Chromium", "install the package chromium")
    with service(tmp_path) as api:
        path = f"/v1/analyses/{api.done().id}/result.html"
        with listening(api.app) as address, chromium() as browser:
            look_at(browser.new_page(), address + path)


def look_at(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_text("13.60 euros").first.wait_for()
    assert page.evaluate("self.origin") == "null"
    assert page.evaluate("fetch('/v1/analyses').then(() => 'answered', () => 'refused')") == "refused"
