"""Every error is a problem, whichever layer made it; and nothing else is touched."""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emoscribe import errors
from emoscribe.api import ProblemMiddleware
from emoscribe.api.problems import coded_problem
from emoscribe.log_format import current_request_id
from tests.service.api_harness import LOCAL, Service, check_problem, service

SAID = "what somebody said"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


def answer(app: ASGIApp, method: str = "GET", headers: Mapping[str, str] | None = None) -> httpx.Response:
    """What leaves the middleware around `app`."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(ProblemMiddleware(app)), base_url=LOCAL) as client:
            return await client.request(method, "/x", headers=headers)

    return asyncio.run(send())


def failing(error: Exception, *, begun: bool = False) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


# --- other layers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "code", "detail"),
    [
        (PlainTextResponse("Not Found", 404), "not_found", "Not Found"),
        (JSONResponse({"error": "too many requests"}, 429), "too_many_requests", "too many requests"),
        (JSONResponse({"error": SAID}, 503), "service_unavailable", "Service Unavailable."),
        (JSONResponse({"detail": [{"input": SAID}]}, 400), "invalid_request", "Bad Request."),
        (Response(b"{", 400, media_type="application/json"), "invalid_request", "Bad Request."),
        (PlainTextResponse("x" * 10**6, 404), "not_found", "Not Found."),
        (PlainTextResponse(SAID, 500), "internal_error", "Internal Server Error."),
        (Response(b"<h1>no</h1>", 405, {"Allow": "GET"}, "text/html"), "method_not_allowed", "Method Not Allowed."),
        (Response(b"", 504), "gateway_timeout", "Gateway Timeout."),
        (Response(b"", 599), "server_error", "Server error."),
    ],
)
def test_errors_of_other_layers_become_problems(response: Response, code: str, detail: str) -> None:
    told = answer(response)
    assert check_problem(told, response.status_code, code)["detail"] == detail
    assert SAID not in told.text
    assert told.headers["content-length"] == str(len(told.content))
    assert told.headers.get("retry-after") == {429: "1", 503: "5"}.get(response.status_code)
    assert told.headers.get("allow") == response.headers.get("allow")


def test_the_server_s_own_retry_after_stays() -> None:
    assert answer(Response(b"", 503, {"Retry-After": "77"})).headers["retry-after"] == "77"


def test_head_has_no_body() -> None:
    told = answer(PlainTextResponse("no", 404), "HEAD")
    assert (told.content, told.headers["content-type"]) == (b"", "application/problem+json")


def test_success_is_not_touched_and_not_held_back() -> None:
    """Each part has gone out before the next one is made."""
    sent: list[Message] = []

    async def parts() -> Any:
        for part in (b"a", b"b"):
            yield part
            assert sent[-1]["body"] == part

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "asgi": {"spec_version": "2.4"}}
    asyncio.run(ProblemMiddleware(StreamingResponse(parts(), 200, {"X-Own": "1"}))(scope, receive, send))
    assert sent[0]["status"] == 200
    assert (b"x-own", b"1") in sent[0]["headers"]


def test_what_is_no_request_passes_through() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def never(*_: object) -> Any:
        raise AssertionError

    scope = {"type": "lifespan"}
    asyncio.run(ProblemMiddleware(app)(scope, never, never))
    assert seen == [scope]


# --- errors nobody foresaw ----------------------------------------------------------------------


def test_the_unforeseen_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    told = answer(failing(ValueError(SAID)))
    check_problem(told, 500, "internal_error")
    assert SAID not in told.text
    assert SAID not in caplog.text
    assert "ValueError" in caplog.text
    assert "test_api_problems.py" in caplog.text


def test_a_response_that_breaks_off_is_broken_off(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="broken off") as raised:
        answer(failing(ValueError(SAID), begun=True))
    assert raised.value.__suppress_context__
    assert SAID not in caplog.text


def test_a_client_that_goes_away_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_problem(answer(failing(ClientDisconnect())), 499, "cancelled")
    assert caplog.messages == []


def test_an_error_inside_a_route_is_told_to_nobody(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError(SAID)

    monkeypatch.setattr(type(api.store), "list", fail)
    told = api.get("/v1/analyses")  # an error that left the application would be raised here
    check_problem(told, 500, "internal_error")
    assert SAID not in told.text


# --- the application ----------------------------------------------------------------------------


def test_what_the_router_says(api: Service) -> None:
    check_problem(api.get("/v2/analyses"), 404, "not_found")
    told = api.request("PUT", "/v1/analyses")
    check_problem(told, 405, "method_not_allowed")
    assert set(told.headers["allow"].split(", ")) <= {"GET", "POST"}


def test_a_store_that_is_down(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise errors.JobStoreError("The store is down.", fix="Wait.")

    monkeypatch.setattr(type(api.store), "list", fail)
    told = api.get("/v1/analyses")
    problem = check_problem(told, 503, "job_store_unavailable")
    assert (problem["detail"], problem["fix"], told.headers["retry-after"]) == ("The store is down.", "Wait.", "5")


@pytest.mark.parametrize("body", [json.dumps({"\ud800": 1}), json.dumps({f"k{n}" * 99: n for n in range(1000)})])
def test_a_strange_body_is_answered_in_a_short_way(api: Service, body: str) -> None:
    told = api.post("/v1/emotions", content=body, headers={"Content-Type": "application/json"})
    check_problem(told, 400, "invalid_request")
    assert len(told.content) < 20_000


@pytest.mark.parametrize("offered", ["4be0643f-1d98", "a" * 128])
def test_the_caller_s_request_id_is_kept(api: Service, offered: str) -> None:
    assert api.get("/v1/analyses", headers={"X-Request-ID": offered}).headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "a b", "x" * 129, '"', "<script>", "é", "-a"])
def test_a_request_id_that_could_do_harm_is_replaced(api: Service, offered: str) -> None:
    told = api.get("/v1/analyses", headers={"X-Request-ID": offered.encode()}).headers["x-request-id"]
    assert told != offered
    assert len(told) == 32


def test_logs_can_know_the_request_also_in_threads(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = type(api.store).get

    def spy(*args: Any) -> Any:
        seen.append(current_request_id.get())
        return original(*args)

    monkeypatch.setattr(type(api.store), "get", spy)
    api.get(f"/v1/analyses/{'0' * 64}", headers={"X-Request-ID": "here"})
    assert seen == ["here"]
    assert current_request_id.get() == ""


def test_the_problem_of_a_job_has_the_status_of_its_code() -> None:
    for kind in (errors.EmoScribeError, errors.CorruptMediaError, errors.MediaLimitError, errors.WorkerLostError):
        assert coded_problem(kind.code, "x").status == kind.http_status
    assert coded_problem("unheard_of", "x").status == 500
