"""The page's files, and who is calling."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from emoscribe.api import page as page_module
from emoscribe.tokens import SCOPES
from tests.service.api_harness import Service, check_problem, service, write_tokens


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    for name, content in {
        "index.html": "<!doctype html>",
        "desk.js": "let a = 1;",
        "desk.0a1b2c3d.css": "a {}",
        ".hidden.js": "secret",
        "notes.md": "secret",
    }.items():
        (folder / name).write_text(content)
    (tmp_path / "outside.js").write_text("secret")
    monkeypatch.setattr(page_module, "DIST", folder)
    return folder


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, auth="tokens", tokens_file=tmp_path / "tokens.toml") as made:
        yield made


def test_the_page_needs_no_token_and_allows_nothing_from_elsewhere(api: Service, dist: Path) -> None:
    response = api.get("/")
    assert (response.status_code, response.text) == (200, "<!doctype html>")
    headers = response.headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert api.request("HEAD", "/").content == b""


def test_files_are_fetched_once(api: Service, dist: Path) -> None:
    script = api.get("/static/desk.js")
    assert (script.headers["content-type"], script.headers["cache-control"]) == (
        "text/javascript; charset=utf-8",
        "no-cache",
    )
    assert api.get("/static/desk.js", headers={"If-None-Match": script.headers["etag"]}).status_code == 304
    (dist / "desk.js").write_text("let b = 12;")
    assert api.get("/static/desk.js", headers={"If-None-Match": script.headers["etag"]}).text == "let b = 12;"
    assert "immutable" in api.get("/static/desk.0a1b2c3d.css").headers["cache-control"]


def test_text_is_packed_for_those_who_can_read_it(api: Service, dist: Path) -> None:
    (dist / "desk.js").write_text("let a = 1;" * 1000)
    packed = api.get("/static/desk.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 200
    plain = api.get("/static/desk.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert gzip.compress(plain.content) != plain.content


@pytest.mark.parametrize(
    "path",
    [
        "/static/.hidden.js",
        "/static/notes.md",
        "/static/../outside.js",
        "/static/..%2foutside.js",
        "/static/%2e%2e/outside.js",
        "/static/nothing.js",
        "/static/desk",
        "/static/",
        "/desk.js",
    ],
)
def test_nothing_else_is_served(api: Service, dist: Path, path: str) -> None:
    check_problem(api.get(path), 404, "not_found")


def test_an_installation_without_the_page_says_so(api: Service, dist: Path) -> None:
    (dist / "index.html").unlink()
    assert "not part of this installation" in check_problem(api.get("/"), 404, "not_found")["detail"]


@pytest.mark.parametrize(
    ("held", "role"),
    [(("viewer",), "viewer"), (("reviewer",), "reviewer"), (("owner",), "owner"), (("text",), None)],
)
def test_a_session_says_who_is_calling(api: Service, tmp_path: Path, held: tuple[str, ...], role: str | None) -> None:
    headers = write_tokens(tmp_path / "tokens.toml", ana=("newsroom", held))["ana"]
    session = api.get("/v1/session", headers=headers).json()
    assert (session["name"], session["tenant"], session["role"]) == ("ana", "newsroom", role)
    assert (session["auth"], session["s3_sources"]) == ("tokens", False)
    check_problem(api.get("/v1/session"), 401, "unauthenticated")


def test_without_tokens_everybody_here_is_the_owner(tmp_path: Path) -> None:
    with service(tmp_path, s3_sources=("s3://videos/",)) as open_service:
        session = open_service.get("/v1/session").json()
        assert (session["name"], session["role"], session["auth"]) == ("local", "owner", "off")
        assert session["s3_sources"] is True
        assert set(session["scopes"]) == set(SCOPES)
        check_problem(open_service.get("/v1/session", base_url="http://evil.example"), 403, "forbidden")
