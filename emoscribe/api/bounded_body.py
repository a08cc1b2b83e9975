"""Bodies that are read whole, bounded while they arrive: Content-Length may lie or be missing."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from emoscribe.errors import RequestTooLargeError

MAX_JSON_BYTES: Final = 2**20


async def read_bounded(request: Request, max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """The body. Raises RequestTooLargeError as soon as there is too much."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise RequestTooLargeError(
                f"The body of this request may have {max_bytes} bytes at most.", fix="Send it in several requests."
            )
    return bytes(body)


class _ReadRequest(Request):
    """A request whose body was read before."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self._read = body

    async def body(self) -> bytes:
        return self._read


class BoundedRoute(APIRoute):
    """A route whose body FastAPI reads and validates, after it has passed `read_bounded`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind the bound."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            return await handle(_ReadRequest(request, await read_bounded(request)))

        return handle_bounded
