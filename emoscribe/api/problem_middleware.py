"""Pure ASGI, around everything: each request gets an id, and each error leaves as a problem, whoever made it.

Successful responses pass through untouched and unbuffered.
"""

import json
import logging
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emoscribe.api.problems import (
    MEDIA_TYPE,
    RETRY_AFTER_S,
    ProblemDetails,
    error_problem,
    internal_problem,
    log_unexpected,
    problem_headers,
    status_problem,
)
from emoscribe.api.request_id import HEADER, SCOPE_KEY, choose_request_id
from emoscribe.errors import CancelledError
from emoscribe.log_format import current_request_id

_log = logging.getLogger(__name__)

LONGEST_ERROR_BODY_BYTES: Final = 64 * 1024
LONGEST_DETAIL: Final = 500
_KEPT_HEADERS: Final = (
    *("allow", "connection", "content-range", "retry-after", "vary", "www-authenticate"),
    "access-control-allow-origin",
)


class ProblemMiddleware:
    """Wrap it around the outermost application; one more around a part of it does no harm."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.get(SCOPE_KEY) or choose_request_id(Headers(scope=scope).get(HEADER, ""))
        answer = _Answer(request_id, send, scope)
        token = current_request_id.set(request_id)
        try:
            scope[SCOPE_KEY] = request_id  # in place: what the router notes in the scope is seen outside too
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            _log.info("the client went away")
            await answer.fail(error_problem(CancelledError("The client went away.")))
        except Exception as error:
            log_unexpected(error)
            if answer.has_begun:  # only a broken connection tells the client now
                raise RuntimeError("The response was broken off.") from None  # the error's own words stay out of logs
            await answer.fail(internal_problem())
        finally:
            current_request_id.reset(token)


class _Answer:
    """One response on its way out."""

    def __init__(self, request_id: str, send: Send, scope: Scope) -> None:
        self.has_begun = False
        self._request_id = request_id
        self._send = send
        self._is_head = scope["method"] == "HEAD"
        self._path = scope["path"]
        self._replaced: Message | None = None  # the start of an error that is not a problem yet
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Pass a message of the application on, or keep it until the error is complete."""
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._replaced is not None and message["type"] == "http.response.body":
            room = LONGEST_ERROR_BODY_BYTES - len(self._body)
            self._body += message.get("body", b"")[:room]
            if not message.get("more_body", False):
                await self._send_replacement(self._replaced)
        else:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(raw=list(message.get("headers", [])))
        status = message["status"]
        is_problem = headers.get("content-type", "").startswith(MEDIA_TYPE)
        if status >= HTTPStatus.BAD_REQUEST and not is_problem:
            self._replaced = message
            return
        headers[HEADER] = self._request_id
        if status in RETRY_AFTER_S:
            headers.setdefault("Retry-After", RETRY_AFTER_S[status])
        self.has_begun = True
        await self._send({**message, "headers": headers.raw})

    async def _send_replacement(self, start: Message) -> None:
        given = Headers(raw=start.get("headers", []))
        status = start["status"]
        is_ours_to_repeat = status < HTTPStatus.INTERNAL_SERVER_ERROR  # what a server error says is not for users
        detail = _detail(bytes(self._body), given.get("content-type", "")) if is_ours_to_repeat else ""
        kept = {name: given[name] for name in _KEPT_HEADERS if name in given}
        await self.fail(status_problem(status, detail), kept)

    async def fail(self, problem: ProblemDetails, kept: dict[str, str] | None = None) -> None:
        """Send the problem, unless another response has begun."""
        if self.has_begun:
            return
        body = problem.model_copy(update={"request_id": self._request_id}).document(self._path)
        headers = MutableHeaders(problem_headers(problem.status))
        headers.update({**(kept or {}), HEADER: self._request_id, "Content-Type": MEDIA_TYPE})
        headers["Content-Length"] = str(len(body))
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": problem.status, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": b"" if self._is_head else body})


def _detail(body: bytes, content_type: str) -> str:
    """What another layer said about its error, if it is a short sentence."""
    text = body.decode("utf-8", "replace").strip()
    if content_type.startswith("application/json"):
        try:
            document = json.loads(text)
        except ValueError:
            return ""
        said = [document.get(name) for name in ("detail", "error", "message")] if isinstance(document, dict) else []
        text = next((one for one in said if isinstance(one, str)), "")
    elif not content_type.startswith("text/plain"):
        return ""
    return text if len(text) <= LONGEST_DETAIL else ""
