"""Pictures of the page for the README. `python -m tests.e2e.desk_screenshots [FOLDER]`, docs/images by default.

The page is the real one, over a local store with prepared analyses and the recording of the demo; no model is needed.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from emoscribe.errors import UnsupportedMediaError
from emoscribe.jobs import Update
from tests import analyses
from tests.conftest import ROOT
from tests.e2e.chromium import chromium
from tests.service import api_harness

LARGEST_BYTES = 300_000
_VIDEO_IS_SETTLED = "() => { const v = document.querySelector('video'); return v.readyState >= 3 && !v.seeking; }"


@dataclass(frozen=True)
class View:
    """What is shown, and when it is complete."""

    name: str
    path: str
    ready: str  # selector
    size: tuple[int, int] = (1280, 860)
    scheme: str = "light"
    keys: tuple[str, ...] = ()


def _views(ids: dict[str, str]) -> Iterator[View]:
    town, session = ids["assembleia-de-vila.mp4"], ids["sessao-plenaria.mp4"]
    yield View("desk-inbox", "/", ".outcome", (1280, 780))
    yield View("desk-viewer", f"/?analysis={town}#s=4", ".more")
    yield View("desk-viewer-dark", f"/?analysis={session}", ".sentence", scheme="dark")
    yield View("desk-review", f"/?analysis={town}&review=1", ".in-hand .said", (1280, 900), keys=("2", "Shift+1"))
    yield View("desk-compare", f"/?compare={town},{session}", ".chart-group svg", (1280, 1000))
    yield View("desk-search", "/?search&label=anger&min_score=0.5", ".found li", (1280, 640))
    yield View("desk-phone", f"/?analysis={town}&review=1#s=10", ".in-hand .said", (390, 844))


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The service, and the ids of what it has, by name."""
    recording = (ROOT / "samples" / "demo-pt.mp4").read_bytes()
    ids = {}
    with api_harness.service(folder) as service:

        def submit(name: str, content: bytes) -> str:
            return str(service.post("/v1/analyses", files={"file": (name, content)}).json()["id"])

        for number, analysis in enumerate((analyses.three_hours(), analyses.realistic())):
            ids[analysis.source.name] = submit(analysis.source.name, recording + bytes(number))
            service.finish(service.claim(), analysis)
        submit("antena-aberta.ogg", b"1" * 700_000)
        broken = UnsupportedMediaError("It has no sound that could be read.", fix="Check that it plays elsewhere.")
        service.store.fail(service.claim(), broken, retry=False)
        submit("entrevista-arquitecto.mov", b"2" * 48_000_000)
        heard = Update(stage="transcription", progress=0.42, segments=analyses.realistic().segments[:4])
        service.store.heartbeat(service.claim(), heard)
        submit("noticias-das-oito.mp4", b"3" * 31_000_000)
        with api_harness.listening(service.app) as url:
            yield url, ids


def _show(page: Page, url: str, view: View) -> None:
    page.goto(url + view.path)
    page.wait_for_selector(view.ready)
    page.wait_for_load_state("networkidle" if "analysis" in view.path or "search" in view.path else "load")
    for key in view.keys:
        page.keyboard.press(key)
    if page.locator("video").count():
        page.wait_for_function(_VIDEO_IS_SETTLED)
        page.evaluate("document.querySelector('video').pause()")
    if view.name == "desk-viewer-dark":
        page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(600)  # the player's own controls fade in; nothing tells when they are done


def _take(browser: Browser, url: str, view: View, folder: Path) -> Path:
    page = browser.new_page(
        viewport={"width": view.size[0], "height": view.size[1]},
        color_scheme="dark" if view.scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    _show(page, url, view)
    picture = folder / f"{view.name}.png"
    page.screenshot(path=picture)
    page.close()
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description="Save pictures of the page.")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "images")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder)) as (url, ids), chromium() as browser:
        for view in _views(ids):
            size = _take(browser, url, view, options.folder).stat().st_size
            if size > LARGEST_BYTES:
                raise SystemExit(f"{view.name} has {size} bytes, more than {LARGEST_BYTES}")
            print(f"{view.name}.png {size // 1000} kB")


if __name__ == "__main__":
    main()
