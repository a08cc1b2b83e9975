"""Chromium as the tests and the screenshots use it: the system's, headless, with nothing of its own on the network."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium_path() -> str | None:
    """The browser to use: EMOSCRIBE_TEST_CHROMIUM, or the first that is installed; None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("EMOSCRIBE_TEST_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
