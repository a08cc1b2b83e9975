"""Every error as RFC 9457 problem details, with our code. The one place that turns errors into HTTP."""

import json
import logging
import re
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from emoscribe.api.auth import MissingScopeError
from emoscribe.api.request_id import SCOPE_KEY
from emoscribe.errors import EmoScribeError, InvalidRequestError, UnauthenticatedError
from emoscribe.review import SentenceReview

_log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:emoscribe:problem:"
OPENAI_PATHS: Final = ("/v1/audio/", "/v1/models")
MAX_FIELDS: Final = 20  # that are told; a request can be wrong in many more
MAX_FIELD_NAME: Final = 200
RETRY_AFTER_S: Final[Mapping[int, str]] = {429: "1", 503: "5"}

_CODE_OF_STATUS: Final[Mapping[int, str]] = {400: "invalid_request", 500: EmoScribeError.code}


class WrongField(BaseModel):
    """One field that did not validate."""

    field: str = Field(description="Where: path, query, header or body, then the names inside it, joined by dots.")
    message: str = Field(description="What is wrong with it.")


class ProblemDetails(BaseModel):
    """RFC 9457 problem details: the shape of every error, from every layer."""

    type: str = Field(description="URI of the kind of problem; ends with its code.")
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="Cause of this problem.")
    code: str = Field(description="Stable code, as in docs/errors.md and docs/api.md.")
    fix: str = Field(default="", description="What to do about it; may be empty.")
    request_id: str = Field(default="", description="Id of the request, as in the header X-Request-ID.")
    errors: tuple[WrongField, ...] = Field(default=(), description="The fields that did not validate.")
    analysis_id: str | None = Field(default=None, description="The analysis that failed, when its result was awaited.")
    current: SentenceReview | None = Field(
        default=None, description="How the sentence stands now, when another reviewer was faster."
    )

    def document(self, path: str = "") -> bytes:
        """UTF-8 JSON without what does not apply; with the member that OpenAI's clients expect, on OpenAI's paths."""
        left_out = {name for name in ("errors", "analysis_id", "current") if not getattr(self, name)}
        shown = self.model_dump(mode="json", exclude=left_out)
        if path.startswith(OPENAI_PATHS):
            shown["error"] = self.openai_error()
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()

    def openai_error(self) -> dict[str, str | None]:
        """The problem in OpenAI's shape."""
        said = [f"{_last_name(one)}: {one.message}." for one in self.errors] or [self.detail, self.fix]
        return {
            "message": " ".join(part for part in said if part),
            "type": "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error",
            "param": _last_name(self.errors[0]) if self.errors else None,
            "code": self.code,
        }


def _last_name(wrong: WrongField) -> str:
    """The field as OpenAI's clients name it: without the `body` it was found in."""
    return wrong.field.removeprefix("body.")


def error_problem(error: EmoScribeError) -> ProblemDetails:
    """Of an error of ours."""
    return ProblemDetails(
        type=TYPE_PREFIX + error.code,
        title=_title(type(error)),
        status=error.http_status,
        detail=error.message,
        code=error.code,
        fix=error.fix,
    )


def coded_problem(code: str, message: str, fix: str = "") -> ProblemDetails:
    """Of an error of which only this was kept, as of a failed job."""
    kind = _kinds().get(code, EmoScribeError)
    return ProblemDetails(
        type=TYPE_PREFIX + code, title=_title(kind), status=kind.http_status, detail=message, code=code, fix=fix
    )


def status_problem(status: int, detail: str = "") -> ProblemDetails:
    """Of an HTTP status, where nothing more is known."""
    phrase = _phrase(status)
    code = _CODE_OF_STATUS.get(status) or re.sub(r"[^a-z]+", "_", phrase.lower())
    return ProblemDetails(
        type=TYPE_PREFIX + code, title=phrase, status=status, detail=detail or f"{phrase}.", code=code
    )


def internal_problem() -> ProblemDetails:
    """Of an error nobody foresaw: its words may hold anything, so none are told."""
    fix = "Try again; if it stays, report it with the request id."
    return error_problem(EmoScribeError("Something went wrong inside the service.", fix=fix))


def problem_headers(status: int) -> dict[str, str]:
    """Headers that belong to every problem of this status."""
    headers = {"Cache-Control": "no-store"}
    return headers | ({"Retry-After": RETRY_AFTER_S[status]} if status in RETRY_AFTER_S else {})


def problem_response(request: Request, problem: ProblemDetails, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response to this request."""
    told = problem.model_copy(update={"request_id": request.scope.get(SCOPE_KEY, "")})
    every = problem_headers(problem.status) | dict(headers or {})
    return Response(told.document(request.url.path), problem.status, every, MEDIA_TYPE)


def log_unexpected(error: BaseException) -> None:
    """Where it happened, without the error's own words: they may be what somebody said."""
    place = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s\n%s", type(error).__name__, place)


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(EmoScribeError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, EmoScribeError):
        raise error
    headers: dict[str, str] = {}
    if isinstance(error, UnauthenticatedError):
        offered = "authorization" in request.headers
        headers["WWW-Authenticate"] = 'Bearer realm="emoscribe"' + (', error="invalid_token"' if offered else "")
    elif isinstance(error, MissingScopeError):
        headers["WWW-Authenticate"] = 'Bearer realm="emoscribe", error="insufficient_scope"'
    elif error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("%s: %s", error.code, error.message)
    return problem_response(request, error_problem(error), headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return problem_response(request, invalid_problem(error.errors()))


def invalid_problem(found: Sequence[Mapping[str, Any]]) -> ProblemDetails:
    """Of what pydantic complained about; the values themselves are not repeated."""
    fields = tuple(_wrong_field(one) for one in found[:MAX_FIELDS])
    named = ", ".join(dict.fromkeys(one.field for one in fields))
    error = InvalidRequestError(f"The request is not valid: {named}.", fix="Correct the fields named in `errors`.")
    return error_problem(error).model_copy(update={"errors": fields})


def _wrong_field(complaint: Mapping[str, Any]) -> WrongField:
    where = ".".join(map(str, complaint["loc"]))[:MAX_FIELD_NAME]  # the last part may be the caller's own word
    return WrongField(field=where.encode("utf-8", "replace").decode(), message=str(complaint["msg"]))


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail if error.detail != _phrase(error.status_code) else ""
    return problem_response(request, status_problem(error.status_code, detail), error.headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Server error"


def _title(kind: type[EmoScribeError]) -> str:
    if kind is EmoScribeError:
        return "Something unexpected went wrong inside the service."
    return (kind.__doc__ or "").splitlines()[0]


@cache
def _kinds() -> Mapping[str, type[EmoScribeError]]:
    """Every class of the tree by its code; the one that introduces the code wins."""
    found: dict[str, type[EmoScribeError]] = {}
    level: list[type[EmoScribeError]] = [EmoScribeError]
    while level:
        for kind in level:
            found.setdefault(kind.code, kind)
        level = [child for kind in level for child in kind.__subclasses__()]
    return found
