"""How fast the page is with three hours and 2,000 sentences. `python -m tests.bench.desk_speed`.

In process over a local store, in headless Chromium on loopback: from the navigation to the moment when all sentences
are there and painted, and the length of frames while the recording plays and the transcript scrolls. Prints JSON.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests import analyses
from tests.conftest import ROOT
from tests.e2e.chromium import chromium
from tests.service import api_harness

_LOADED_MS = """() => new Promise((resolve) => {
    const look = () => {
        if (document.querySelectorAll('.sentence').length < 2000) return requestAnimationFrame(look);
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
    };
    look();
})"""
_FRAMES_MS = """async (frames) => {
    const frame = () => new Promise(requestAnimationFrame);
    const video = document.querySelector('video');
    video.muted = true;
    await video.play();
    const lengths = [];
    let last = await frame();
    for (let step = 0; step < frames; step += 1) {
        scrollBy(0, 40);
        const now = await frame();
        lengths.push(now - last);
        last = now;
    }
    return { lengths, isPlaying: !video.paused };
}"""


def _loads_ms(page: Page, url: str, times: int) -> list[float]:
    """The first counts too: nothing is in the browser's cache then."""
    found = []
    for _ in range(times):
        page.goto("about:blank")
        page.goto(url, wait_until="commit")
        found.append(round(page.evaluate(_LOADED_MS)))
    return found


def _work_ms(page: Page, frames: int) -> tuple[dict[str, Any], float]:
    """Frames while playing and scrolling, and how long the main thread worked for each of them."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def busy_s() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    before_s = busy_s()
    found = page.evaluate(_FRAMES_MS, frames)
    return found, (busy_s() - before_s) / frames * 1000


def measure(folder: Path, times: int, frames: int) -> dict[str, object]:
    """The figures."""
    with api_harness.service(folder) as service:
        job = service.done(analyses.three_hours(), (ROOT / "samples" / "demo-pt.mp4").read_bytes())
        with api_harness.listening(service.app) as base, chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            url = f"{base}/?analysis={job.id}"
            loads_ms = _loads_ms(page, url, times)
            page.wait_for_selector(".player[data-media=ready]")
            found, work_ms = _work_ms(page, frames)
    lengths = sorted(found["lengths"])
    return {
        "load_ms": loads_ms,
        "load_median_ms": statistics.median(loads_ms),
        "frames": frames,
        "frame_median_ms": round(lengths[len(lengths) // 2], 1),
        "frame_p95_ms": round(lengths[int(len(lengths) * 0.95)], 1),
        "main_thread_ms_per_frame": round(work_ms, 2),
        "was_playing": found["isPlaying"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--frames", type=int, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), options.times, options.frames), indent=2))


if __name__ == "__main__":
    main()
