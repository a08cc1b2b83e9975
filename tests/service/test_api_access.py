"""Who is answered: tokens, scopes, tenants; and without tokens this machine only."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from emoscribe.errors import InvalidRequestError, SettingsError
from emoscribe.tokens import ROLES, SCOPES, TokenBook, TokenFile
from tests.service.api_harness import Service, check_problem, service, write_tokens
from tests.unit.test_jobs_analysis_run import wav


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "tokens.toml"


@pytest.fixture
def api(tmp_path: Path, tokens: Path) -> Iterator[Service]:
    with service(tmp_path, auth="tokens", tokens_file=tokens) as made:
        yield made


# --- with tokens --------------------------------------------------------------------------------


def test_no_token_and_wrong_tokens(api: Service, tokens: Path) -> None:
    write_tokens(tokens, ana=("default", ("owner",)))
    response = api.get("/v1/analyses")
    check_problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="emoscribe"'
    for given in ("Bearer emo_wrong", "Bearer ", "Basic YTpi", "Bearer \u00e9"):
        response = api.get("/v1/analyses", headers={"Authorization": given.encode()})
        check_problem(response, 401, "unauthenticated")
        assert 'error="invalid_token"' in response.headers["www-authenticate"]


def test_nobody_is_asked_to_upload_before_being_refused(api: Service) -> None:
    async def body() -> AsyncIterator[bytes]:
        was_read.append(True)
        yield b"--bb"

    was_read: list[bool] = []
    headers = {"Content-Type": "multipart/form-data; boundary=bb"}
    check_problem(api.post("/v1/analyses", content=body(), headers=headers), 401, "unauthenticated")
    assert was_read == []


ROUTES = [
    ("GET", "/v1/analyses", "analyses:read"),
    ("GET", "/v1/analyses/{id}", "analyses:read"),
    ("GET", "/v1/analyses/{id}/events", "analyses:read"),
    ("GET", "/v1/analyses/{id}/result.json", "analyses:read"),
    ("POST", "/v1/analyses", "analyses:write"),
    ("POST", "/v1/analyses/{id}/cancel", "analyses:write"),
    ("POST", "/v1/analyses/{id}/retry", "analyses:write"),
    ("DELETE", "/v1/analyses/{id}", "analyses:write"),
    ("GET", "/v1/analyses/summary", "analyses:read"),
    ("GET", "/v1/search", "analyses:read"),
    ("GET", "/v1/analyses/{id}/segments/0/explanation", "analyses:read"),
    ("GET", "/v1/analyses/{id}/corrections", "analyses:read"),
    ("GET", "/v1/analyses/{id}/corrections.csv", "analyses:read"),
    ("GET", "/v1/corrections.jsonl", "analyses:read"),
    ("GET", "/v1/analyses/{id}/review-queue", "analyses:read"),
    ("GET", "/v1/analyses/{id}/media", "analyses:read"),
    ("POST", "/v1/analyses/{id}/media-url", "analyses:read"),
    ("PUT", "/v1/analyses/{id}/segments/0/correction", "corrections:write"),
    ("DELETE", "/v1/analyses/{id}/segments/0/correction", "corrections:write"),
    ("POST", "/v1/emotions", "text"),
    ("POST", "/v1/translations", "text"),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
@pytest.mark.parametrize("held", [*ROLES, *SCOPES])
def test_each_route_needs_its_scope(api: Service, tokens: Path, method: str, path: str, scope: str, held: str) -> None:
    headers = write_tokens(tokens, ana=("default", (held,)))["ana"]
    options: dict[str, Any] = {"json": {"texts": []}} if scope == "text" else {}
    response = api.request(method, path.replace("{id}", "0" * 64), headers=headers, **options)
    if scope in ROLES.get(held, {held}):
        assert response.status_code not in {401, 403}
    else:
        check_problem(response, 403, "forbidden")
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


def test_every_route_is_in_the_list_above(api: Service) -> None:
    paths = api.app.openapi()["paths"]
    names = {"{id}": "{analysis_id}", "/0/": "/{segment_index}/"}
    names |= {f".{suffix}": ".{suffix}" for suffix in ("csv", "jsonl")} | {"result.json": "result.{suffix}"}

    def template(path: str) -> str:
        for shown, name in names.items():
            path = path.replace(shown, name)
        return path

    ours = {(method, template(path)) for method, path, _ in ROUTES}
    found = {
        (method.upper(), path, route["tags"][0]) for path, routes in paths.items() for method, route in routes.items()
    }
    assert ours == {(method, path) for method, path, tag in found if tag not in {"openai", "session"}}


def test_tenants_do_not_see_each_other(api: Service, tokens: Path) -> None:
    headers = write_tokens(tokens, ana=("north", ("owner",)), bo=("south", ("owner",)))
    ana, bo = headers["ana"], headers["bo"]
    job_id = api.upload(wav(), headers=ana).json()["id"]
    assert api.get(f"/v1/analyses/{job_id}", headers=ana).json()["tenant"] == "north"
    assert api.get("/v1/analyses", headers=bo).json()["analyses"] == []
    for method, path, _ in ROUTES:
        if "{id}" in path:
            response = api.request(method, path.replace("{id}", job_id), headers=bo)
            check_problem(response, 404, "job_not_found")
    assert api.get(f"/v1/analyses/{job_id}", headers=ana).json()["state"] == "queued"
    assert api.upload(wav(), headers=bo).json()["id"] != job_id


def test_who_is_revoked_is_out_at_once(api: Service, tokens: Path) -> None:
    headers = write_tokens(tokens, ana=("default", ("owner",)), bo=("default", ("owner",)))
    assert api.get("/v1/analyses", headers=headers["bo"]).status_code == 200
    TokenBook.load(tokens).without("bo").save(tokens)
    check_problem(api.get("/v1/analyses", headers=headers["bo"]), 401, "unauthenticated")
    assert api.get("/v1/analyses", headers=headers["ana"]).status_code == 200
    tokens.write_text("token = 3", encoding="utf-8")
    check_problem(api.get("/v1/analyses", headers=headers["ana"]), 500, "invalid_settings")
    tokens.unlink()
    check_problem(api.get("/v1/analyses", headers=headers["ana"]), 401, "unauthenticated")


def test_without_a_file_nobody_is_known(tmp_path: Path) -> None:
    with service(tmp_path, auth="tokens") as api:
        check_problem(api.get("/v1/analyses", headers={"Authorization": "Bearer x"}), 401, "unauthenticated")


# --- without tokens -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:3000"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
def test_no_foreign_page_and_no_proxy_is_answered(tmp_path: Path, headers: dict[str, str]) -> None:
    with service(tmp_path) as api:
        check_problem(api.get("/v1/analyses", headers=headers), 403, "forbidden")


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:3000", "http://localhost", "http://[::1]:3000"])
def test_this_machine_is_answered(tmp_path: Path, base_url: str) -> None:
    with service(tmp_path) as api:
        assert api.get("/v1/analyses", base_url=base_url).status_code == 200
        own = {"Origin": base_url, "Sec-Fetch-Site": "same-origin"}
        assert api.get("/v1/analyses", base_url=base_url, headers=own).status_code == 200


@pytest.mark.parametrize(("client", "server"), [("192.0.2.1", "127.0.0.1"), ("127.0.0.1", "192.0.2.1"), (None, None)])
def test_other_machines_are_not_answered(tmp_path: Path, client: str | None, server: str | None) -> None:
    with service(tmp_path) as api:
        inner = api.app

        async def from_elsewhere(scope: dict[str, object], receive: object, send: object) -> None:
            ends = {"client": (client, 1) if client else None, "server": (server, 1) if server else None}
            await inner({**scope, **ends}, receive, send)

        moved = Service(from_elsewhere, api.parts, api.store, api.settings)
        check_problem(moved.get("/v1/analyses"), 403, "forbidden")


# --- the file -----------------------------------------------------------------------------------


def test_a_book_survives_its_file(tokens: Path) -> None:
    book, secret = TokenBook().add("news room @ 3.1", tenant="north", scopes=("viewer", "text"))
    book.save(tokens)
    assert tokens.stat().st_mode & 0o777 == 0o600
    assert secret not in tokens.read_text(encoding="utf-8")
    loaded = TokenBook.load(tokens)
    assert loaded == book
    found = loaded.find(secret)
    assert found is not None
    assert (found.name, found.tenant) == ("news room @ 3.1", "north")
    assert found.allowed == {"analyses:read", "text"}
    assert loaded.find(secret[:-1]) is None
    assert [path.name for path in tokens.parent.iterdir()] == ["tokens.toml"]


@pytest.mark.parametrize(
    ("name", "tenant", "scopes"),
    [
        ("", "default", ("owner",)),
        ('a"b', "default", ("owner",)),
        ("a\n", "default", ("owner",)),
        ("ana", "../x", ("owner",)),
        ("ana", "default", ()),
        ("ana", "default", ("king",)),
        ("taken", "default", ("owner",)),
    ],
)
def test_what_no_token_may_be(name: str, tenant: str, scopes: tuple[str, ...]) -> None:
    book, _ = TokenBook().add("taken", tenant="default", scopes=("owner",))
    with pytest.raises(InvalidRequestError):
        book.add(name, tenant=tenant, scopes=scopes)
    with pytest.raises(InvalidRequestError):
        book.without("nobody")


@pytest.mark.parametrize(
    "text",
    [
        "token = 3",
        "[[token",
        "colour = 1",
        '[[token]]\nname = "a"',
        f'[[token]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["king"]',
        f'[[token]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["owner"]\n' * 2,
    ],
)
def test_files_that_are_wrong(tokens: Path, text: str) -> None:
    tokens.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError):
        TokenBook.load(tokens)


def test_a_file_that_others_can_read_is_warned_of(tokens: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_tokens(tokens, ana=("default", ("owner",)))
    TokenFile(tokens).find("x")
    assert caplog.messages == []
    tokens.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        TokenFile(tokens).find("x")
    assert "chmod 600" in caplog.text
