"""Work in a thread for a client that may go away: then the work ends, and so does what it holds."""

import json
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import closing
from typing import Any, Final, TypeVar

import anyio
from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from emoscribe.api.problems import error_problem, internal_problem, log_unexpected, problem_response
from emoscribe.errors import CancelledError, EmoScribeError, RunnerUnavailableError

Result = TypeVar("Result")
Check = Callable[[], None]
Events = Generator[Mapping[str, Any], None, None]

_log = logging.getLogger(__name__)

LONGEST_WAIT_S: Final = 60.0  # for a place
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
)


async def while_connected(receive: Receive, work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `work`, which is cancelled if the client goes away. Raises CancelledError then.

    The body of the request must have been read.
    """
    results: list[Result] = []
    errors: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            results.append(await work())
        except Exception as error:  # raised below: here it would become a group
            errors.append(error)
        group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    if not results:
        raise CancelledError("The client went away.")
    return results[0]


async def in_place(places: CapacityLimiter, work: Callable[[Check], Result]) -> Result:
    """Run `work` in a thread when there is a place; the check it is given raises once the work is cancelled.

    Raises RunnerUnavailableError if no place becomes free in time.
    """
    try:
        with anyio.fail_after(LONGEST_WAIT_S):
            await places.acquire()
    except TimeoutError:
        raise RunnerUnavailableError(
            "The service is busy with other recordings.", fix="Try again later, or submit it to /v1/analyses."
        ) from None
    try:
        return await to_thread.run_sync(work, from_thread.check_cancelled, limiter=CapacityLimiter(1))
    finally:
        places.release()


class EventStream(Response):
    """Server-sent events, made in a thread. Until the first is ready an error is still a problem with its status."""

    def __init__(self, request: Request, places: CapacityLimiter, events: Callable[[Check], Events]) -> None:
        super().__init__()
        self._request = request
        self._places = places
        self._events = events
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await while_connected(receive, lambda: in_place(self._places, lambda check: self._work(check, send)))
        except CancelledError:
            _log.info("the client of a stream went away")
            return
        except EmoScribeError as error:
            problem = error_problem(error)
        except Exception as error:
            log_unexpected(error)
            problem = internal_problem()
        else:
            await send({"type": "http.response.body", "body": b""})
            return
        if self._has_begun:
            await send({"type": "http.response.body", "body": _event({"error": problem.openai_error()})})
        else:
            await problem_response(self._request, problem)(scope, receive, send)

    def _work(self, check: Check, send: Send) -> None:
        with closing(self._events(check)) as events:
            for event in events:
                from_thread.run(self._send, send, event)

    async def _send(self, send: Send, event: Mapping[str, Any]) -> None:
        if not self._has_begun:
            self._has_begun = True
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _event(event), "more_body": True})


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
