"""The page of the service as it is committed: built from its sources, with nothing from elsewhere."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from emoscribe.report.html_report import VIEWER_DIR

WEB = VIEWER_DIR.parents[1] / "web"
DIST = WEB / "dist"


def _name(path: Path) -> str:
    """As the build names it: from the folder of the viewer."""
    return Path(os.path.relpath(path, VIEWER_DIR)).as_posix()


def _sources_hash() -> str:
    suffixes = {".js", ".css", ".ts", ".html", ".svg"}
    sources = [path for folder in (VIEWER_DIR, WEB) for path in (folder / "src").rglob("*") if path.suffix in suffixes]
    sources += [VIEWER_DIR / name for name in ("build.mjs", "package-lock.json", "package.json")]
    digest = hashlib.sha256()
    for path in sorted(sources, key=_name):
        digest.update(f"{_name(path)}\0{path.read_text(encoding='utf-8')}\0".encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", ["desk.js", "desk.css"])
def test_the_built_page_is_made_from_the_sources_as_they_are(name: str) -> None:
    """The hash that build.mjs writes. If this fails: `npm ci && npm run build` in emoscribe/report/viewer."""
    assert f"SHA-256 {_sources_hash()}" in (DIST / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["index.html", "icon.svg"])
def test_what_needs_no_build_is_the_same(name: str) -> None:
    assert (DIST / name).read_bytes() == (WEB / "src" / name).read_bytes()


def test_the_page_has_nothing_inline_and_names_nothing_foreign() -> None:
    page = (DIST / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|\son\w+=|<script>", page)
    assert not re.search(r"https?:", page)
    assert not re.search(r"url\(\s*[\"']?(?!#)|@import|@font-face", (DIST / "desk.css").read_text(encoding="utf-8"))


def test_no_text_becomes_markup() -> None:
    for path in (WEB / "src").rglob("*.js"):
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source), (
            path
        )


def test_licences_of_what_is_bundled_stand_in_the_script() -> None:
    script = (DIST / "desk.js").read_text(encoding="utf-8")
    assert re.search(r"d3-shape \d+\.\d+\.\d+ \(ISC\)", script)
    assert "Permission to use, copy, modify, and/or distribute this software" in script
