"""A picture of a report. `python -m tests.e2e.screenshot REPORT.html OUT.png --width 1280`.

Writes OUT.png. --dark, --full (the whole page) and --fragment "#s=4" (what is selected) choose what is seen.
"""

import argparse
from pathlib import Path

from tests.e2e.chromium import chromium

_IS_SETTLED = """() => {
    const video = document.querySelector('video');
    return document.querySelector('.player').dataset.media === 'missing' || (video.readyState >= 3 && !video.seeking);
}"""


def take(report: Path, picture: Path, options: argparse.Namespace) -> None:
    """Open the report as a reader would, from disk, and save what is seen."""
    with chromium() as browser:
        page = browser.new_page(
            viewport={"width": options.width, "height": options.height},
            device_scale_factor=options.scale,
            color_scheme="dark" if options.dark else "light",
            reduced_motion="reduce",
        )
        page.goto(f"{report.resolve().as_uri()}{options.fragment}")
        page.wait_for_function(_IS_SETTLED)
        page.wait_for_timeout(500)  # the player's own controls fade in; nothing tells when they are done
        page.screenshot(path=picture, full_page=options.full)


def main() -> None:
    parser = argparse.ArgumentParser(description="Save a picture of a report.")
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels per CSS pixel")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true", help="the whole page, not only the window")
    parser.add_argument("--fragment", default="", help="what to open it with, such as '#s=4'")
    options = parser.parse_args()
    take(options.report, options.picture, options)


if __name__ == "__main__":
    main()
