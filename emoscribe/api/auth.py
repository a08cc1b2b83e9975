"""Who is calling, for which tenant, and whether they may.

With tokens: `Authorization: Bearer <token>`. Without (EMOSCRIBE_AUTH=off) only this machine is answered, and neither
web pages that a browser of this machine has open, nor what came through a proxy.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers

from emoscribe.api.parts import ApiParts, Parts
from emoscribe.errors import AccessError, UnauthenticatedError
from emoscribe.tokens import EVERYTHING, SCOPES, Scope

bearer: Final = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token made by `emoscribe tokens add`. Scopes: "
    + " ".join(f"`{scope}`: {meaning}" for scope, meaning in SCOPES.items()),
)
LOCAL_NAME: Final = "local"  # of who calls without a token
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class MissingScopeError(AccessError):
    """The token is known, but not for this."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was recognised."""

    tenant: str
    scopes: frozenset[Scope]
    name: str  # the token's


async def _known(
    request: Request, parts: Parts, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Caller:
    return identify(request, parts, credentials.credentials if credentials else None)


def needs(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, who has this scope. Raises UnauthenticatedError, AccessError."""

    async def caller(found: Annotated[Caller, Security(_known)]) -> Caller:
        check_scope(found, scope)
        return found

    return caller


def check_scope(caller: Caller, scope: Scope) -> None:
    """Raises AccessError if the caller lacks it."""
    if scope not in caller.scopes:
        raise MissingScopeError(f"This token lacks the scope {scope}.", fix="Use a token that has it.")


Anybody = Annotated[Caller, Security(_known)]
Reader = Annotated[Caller, Security(needs("analyses:read"))]
Reviewer = Annotated[Caller, Security(needs("corrections:write"))]
Writer = Annotated[Caller, Security(needs("analyses:write"))]
TextUser = Annotated[Caller, Security(needs("text"))]


def identify(request: Request, parts: ApiParts, token: str | None) -> Caller:
    """The caller of a request. Raises UnauthenticatedError, AccessError."""
    if parts.settings.auth == "off":
        _check_is_local(request)
        return Caller(parts.settings.jobs_tenant, EVERYTHING, LOCAL_NAME)
    if token is None:
        raise UnauthenticatedError("A token is needed.", fix="Send the header `Authorization: Bearer <token>`.")
    found = parts.tokens.find(token) if parts.tokens else None
    if found is None:
        raise UnauthenticatedError(
            "The token is not known here.", fix="Have one made by `emoscribe tokens add`; it may have been revoked."
        )
    return Caller(found.tenant, found.allowed, found.name)


# --- without tokens -----------------------------------------------------------------------------


def _check_is_local(request: Request) -> None:
    ends = (request.scope.get("client"), request.scope.get("server"))
    if not all(end is not None and is_loopback(end[0]) for end in ends):
        raise AccessError(
            "Without tokens only requests from this machine are answered.", fix="Set EMOSCRIBE_AUTH=tokens."
        )
    if any(name in request.headers for name in _PROXY_HEADERS):
        raise AccessError("Without tokens nothing is answered through a proxy.", fix="Set EMOSCRIBE_AUTH=tokens.")
    _check_is_no_foreign_page(request.headers)


def _check_is_no_foreign_page(headers: Headers) -> None:
    """A browser sends what any page asks of it: by a name that was made to lead here, or across origins."""
    host = headers.get("host", "")
    if not is_loopback(_host_name(host)):
        raise AccessError("The Host header does not name this machine.", fix="Use http://127.0.0.1 or localhost.")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise AccessError("Without tokens other web pages may not use this service.", fix="Set EMOSCRIBE_AUTH=tokens.")
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise AccessError("Without tokens other web pages may not use this service.", fix="Set EMOSCRIBE_AUTH=tokens.")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether the address, or the name `localhost`, is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
