"""How a process of the service leaves when it is told to stop, so that no caller finds a closed door.

    SIGTERM   /readyz says 503; calls are still taken and answered, each answer closes its connection     drain_s
    closing   no more connections; event streams and waits end now, other calls under way may go on       finish_s
    the end   what is left is answered 503 with Retry-After: to be made again, elsewhere

uvicorn alone closes the door at once, when load balancers have not yet heard, waits for event streams for ever, and
answers 500 to what it cuts off. BentoML has no option for any of it.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
from types import FrameType
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emoscribe.api.problems import MEDIA_TYPE, problem_headers, status_problem

_log = logging.getLogger(__name__)

READINESS: Final = "/readyz"
UNAVAILABLE: Final = 503


class Departure:
    """Of one process. `prepare` it while its server starts."""

    def __init__(self) -> None:
        self.has_begun = False
        self.is_closing = threading.Event()  # what would go on for ever ends now

    def prepare(self, drain_s: float, finish_s: float) -> None:
        """Take over SIGTERM and SIGINT from uvicorn; without it, as in a test's process, do nothing.

        To be called in the main thread, in uvicorn's event loop, before it takes the first connection.
        """
        import uvicorn

        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        if not isinstance(server, uvicorn.Server):
            return
        server.config.loaded_app = Leaving(server.config.loaded_app, self)
        server.config.timeout_graceful_shutdown = max(round(finish_s), 1)
        loop = asyncio.get_running_loop()

        def told_to_stop(number: int, frame: FrameType | None) -> None:
            by_hand = number == signal.SIGINT
            if not self.has_begun:
                self.has_begun = True
                loop.call_soon_threadsafe(loop.call_later, 0 if by_hand else drain_s, self._close, server, number)
            elif by_hand:
                server.handle_exit(number, frame)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, told_to_stop)

    def _close(self, server: Any, number: int) -> None:
        """The supervisor holds the listening sockets too: only shut down they refuse, instead of leaving to wait."""
        _log.info("no more calls are taken")
        self.is_closing.set()
        listeners = [socket.socket(fileno=os.dup(one.fileno())) for door in server.servers for one in door.sockets]
        for door in server.servers:
            door.close()
        for listener in listeners:
            listener.shutdown(socket.SHUT_RD)
            listener.close()
        server.handle_exit(number, None)


class Leaving:
    """ASGI around everything else; changes nothing until the departure has begun."""

    def __init__(self, app: ASGIApp, departure: Departure) -> None:
        self._app = app
        self._departure = departure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, self._departure)
        if self._departure.has_begun and scope["path"] == READINESS:
            await answer.refuse()
            return
        try:
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not self._departure.is_closing.is_set():
                raise
            await answer.refuse()


class _Answer:
    """One response on its way out."""

    def __init__(self, send: Send, departure: Departure) -> None:
        self._send = send
        self._departure = departure
        self._has_begun = False
        self._is_refused = False

    async def send(self, message: Message) -> None:
        """Pass it on; nothing behind a refusal."""
        if self._is_refused:
            return
        if message["type"] == "http.response.start":
            self._has_begun = True
            if self._departure.has_begun:
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                headers["Connection"] = "close"  # the next call finds a process that stays
                message = {**message, "headers": headers.raw}
        await self._send(message)

    async def refuse(self) -> None:
        """503; a response that has begun is broken off instead."""
        self._is_refused = True
        if self._has_begun:
            raise RuntimeError("The response was broken off: the process ends.")
        body = status_problem(UNAVAILABLE, "This process of the service is stopping.").document()
        headers = MutableHeaders(problem_headers(UNAVAILABLE))
        headers.update({"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"})
        await self._send({"type": "http.response.start", "status": UNAVAILABLE, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


DEPARTURE: Final = Departure()  # signals come to a process, not to one of its services
