"""What can be seen of the report without a browser; tests/e2e/test_report_page.py opens it in one."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from emoscribe.report.html_report import VIEWER_DIR, render_html, viewer_script, viewer_style
from emoscribe.types import Analysis
from tests import analyses


class Page(HTMLParser):
    """Elements and the text of scripts and styles, as a browser would find them."""

    def __init__(self, source: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.kind = ""
        self.feed(source.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.kind = str(dict(attrs).get("type") or tag)

    def handle_endtag(self, tag: str) -> None:
        self.kind = ""

    def handle_data(self, data: str) -> None:
        self.raw.append((self.kind, data))

    def text(self, kind: str) -> str:
        return "".join(data for found, data in self.raw if found == kind)

    @property
    def policy(self) -> dict[str, str]:
        metas = [attributes for tag, attributes in self.elements if tag == "meta" and "http-equiv" in attributes]
        return dict(part.strip().split(" ", 1) for part in str(metas[0]["content"]).split(";"))


def page_of(analysis: Analysis) -> Page:
    return Page(render_html(analysis))


def hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_only_this_script_and_this_style_may_run() -> None:
    page = page_of(analyses.realistic())
    assert page.policy["default-src"] == "'none'"
    assert page.policy["script-src"] == hash_source(page.text("script"))
    assert page.policy["style-src"] == hash_source(page.text("style"))
    assert page.policy["media-src"] == "'self' file: blob:"
    assert "unsafe" not in str(page.policy)


def test_the_policy_stands_before_anything_it_is_to_govern() -> None:
    kinds = [tag for tag, _ in page_of(analyses.realistic()).elements]
    assert kinds[:4] == ["html", "head", "meta", "meta"]  # charset, policy


def test_nothing_is_fetched_from_anywhere() -> None:
    for tag, attributes in page_of(analyses.realistic()).elements:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            assert str(attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    assert not re.search(r"url\(\s*[\"']?(?!#)|@import|@font-face", viewer_style())


@pytest.mark.parametrize("make", [analyses.realistic, analyses.empty, analyses.hostile])
def test_the_analysis_is_in_the_page_whole_and_inert(make: analyses.Maker) -> None:
    page = page_of(make())
    data = page.text("application/json")
    assert Analysis.model_validate(json.loads(data)) == make()
    assert not set("<>&") & set(data)
    assert [tag for tag, _ in page.elements].count("script") == 2


def test_a_hostile_name_is_only_a_name() -> None:
    hostile, plain = page_of(analyses.hostile()), page_of(analyses.realistic())
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert "pwned" in hostile.text("title")


def test_the_viewer_can_not_end_its_own_element() -> None:
    assert not re.search(r"</(script|style)|<!--", viewer_script() + viewer_style(), re.IGNORECASE)


def test_the_viewer_makes_no_markup_from_text() -> None:
    own = "\n".join(path.read_text(encoding="utf-8") for path in (VIEWER_DIR / "src").rglob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\.html\(", own)


def test_the_built_viewer_is_made_from_the_sources_as_they_are() -> None:
    """The hash that build.mjs writes into its output. If this fails: `npm ci && npm run build` in viewer/."""
    files = {path.relative_to(VIEWER_DIR).as_posix(): path for path in (VIEWER_DIR / "src").rglob("*.*")}
    files |= {name: VIEWER_DIR / name for name in ("build.mjs", "package-lock.json", "package.json")}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name].read_text(encoding='utf-8')}\0".encode())
    for built in (viewer_script(), viewer_style()):
        assert f"Built from sources with SHA-256 {digest.hexdigest()}" in built


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed; the hash above is checked without it")
@pytest.mark.skipif(not os.environ.get("EMOSCRIBE_TEST_VIEWER_BUILD"), reason="EMOSCRIBE_TEST_VIEWER_BUILD is not set")
def test_a_fresh_build_gives_the_same_bytes(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("build")
    folder = root / "report" / "viewer"
    shutil.copytree(VIEWER_DIR, folder, ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(VIEWER_DIR.parents[1] / "web", root / "web")  # the page is built along
    for command in (["npm", "ci"], ["npm", "run", "check"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_licences_of_what_is_bundled_are_in_the_page() -> None:
    for name in ("d3-brush", "d3-scale", "d3-selection", "d3-shape", "d3-zoom", "d3-ease"):
        assert re.search(rf"{name} \d+\.\d+\.\d+ \((ISC|BSD-3-Clause)\)", viewer_script())
    assert "Permission to use, copy, modify, and/or distribute this software" in viewer_script()
    assert "Redistributions in binary form must reproduce" in viewer_script()
    documented = (VIEWER_DIR / "README.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"([\w-]+) \d+\.\d+\.\d+ \(", viewer_script())):
        assert f"`{name}`" in documented, name
