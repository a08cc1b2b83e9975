"""An analysis as it happens: server-sent events that can be resumed."""

import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

import anyio
from anyio import to_thread
from fastapi import APIRouter, Header, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from emoscribe.api.analysis_id import AnalysisId
from emoscribe.api.auth import Reader
from emoscribe.api.examples import EVENTS
from emoscribe.api.parts import Parts
from emoscribe.api.problem_docs import problems
from emoscribe.api.problems import error_problem
from emoscribe.errors import InvalidRequestError, JobNotFoundError, JobStoreError
from emoscribe.jobs import ANALYSIS_FILE, Job, JobStore
from emoscribe.report import read_analysis
from emoscribe.types import Segment

POLL_S: Final = 0.5
KEEP_ALIVE_S: Final = 15.0  # proxies give up silent connections after 30 to 60 s
LAST_ID: Final = "end"  # a browser that connects again with it is told to stop (204)

router = APIRouter(tags=["analyses"])


@router.get(
    "/v1/analyses/{analysis_id}/events",
    summary="Watch an analysis",
    operation_id="watch_analysis",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EVENTS}},
        },
        204: {"description": "The client had seen the last event."},
        **problems(400, 401, 403, 404, 503),
    },
)
async def watch_analysis(
    parts: Parts,
    caller: Reader,
    analysis_id: AnalysisId,
    last_event_id: Annotated[
        str | None, Header(description="Id of the last segment that arrived: the stream goes on behind it.")
    ] = None,
) -> Response:
    """Events until the analysis ends, then the stream ends.

    `progress`: state, stage, progress, attempts. `segment`: a sentence as in the result; its id is its index, and one
    that comes again (after a worker was lost) replaces the former. Then one of `done`, `failed`, `cancelled` with the
    analysis, or `deleted`. `problem`: the stream breaks off, connect again. So does one that ends without any of these:
    the process that served it was stopped. One that is done tells all its segments.
    """
    if last_event_id == LAST_ID:
        return Response(status_code=204)
    job = await to_thread.run_sync(parts.store.get, caller.tenant, analysis_id)
    watch = _Watch(parts.store, job, parts.closing, next_index=_index_behind(last_event_id))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
    return EventSourceResponse(watch.events(), headers=headers)


def _index_behind(last_event_id: str | None) -> int:
    if not last_event_id:
        return 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 10):
        raise InvalidRequestError("Last-Event-ID is not one that this stream gave.", fix="Leave it out.")
    return int(last_event_id) + 1


@dataclass(slots=True)
class _Watch:
    """One client watching one job."""

    store: JobStore
    job: Job
    closing: threading.Event
    next_index: int
    told: str = ""  # the last progress

    async def events(self) -> AsyncIterator[bytes]:
        """Until the job ends, or the service closes: then the client connects again, elsewhere."""
        try:
            yield self._progress()
            while not self.job.is_final:
                if self.closing.is_set():
                    return
                for segment in await to_thread.run_sync(self._new_segments):
                    yield self._segment(segment)
                async for event in self._next_state():
                    yield event
            for segment in await to_thread.run_sync(self._remaining_segments):
                yield self._segment(segment)
            yield format_sse_event(event=self.job.state, data_str=self.job.model_dump_json(), id=LAST_ID)
        except JobNotFoundError:
            yield format_sse_event(event="deleted", data_str=json.dumps({"id": self.job.id}), id=LAST_ID)
        except JobStoreError as error:
            yield format_sse_event(event="problem", data_str=error_problem(error).document().decode())

    async def _next_state(self) -> AsyncIterator[bytes]:
        """Wait until there is something to tell, keeping the connection alive meanwhile."""
        quiet_until_s = anyio.current_time() + KEEP_ALIVE_S
        while True:
            await anyio.sleep(POLL_S)
            if self.closing.is_set():
                return
            before, self.job = self.job, await to_thread.run_sync(self.store.get, self.job.tenant, self.job.id)
            if self.job.state == "queued" or self.job.attempts != before.attempts:
                self.next_index = 0  # begun again
            if (progress := self._progress()) != b"":
                yield progress
                return
            if anyio.current_time() >= quiet_until_s:
                yield KEEPALIVE_COMMENT
                return

    def _progress(self) -> bytes:
        """Empty if nothing has changed."""
        job = self.job
        shown = {"state": job.state, "stage": job.stage, "progress": round(job.progress, 4), "attempts": job.attempts}
        data = json.dumps(shown)
        if data == self.told:
            return b""
        self.told = data
        return format_sse_event(event="progress", data_str=data)

    def _segment(self, segment: Segment) -> bytes:
        self.next_index = segment.index + 1
        return format_sse_event(event="segment", data_str=segment.model_dump_json(), id=str(segment.index))

    def _new_segments(self) -> tuple[Segment, ...]:
        return self.store.read_segments(self.job.tenant, self.job.id, self.next_index)

    def _remaining_segments(self) -> tuple[Segment, ...]:
        if self.job.state != "done":
            return ()
        content = self.store.read_result(self.job.tenant, self.job.id, ANALYSIS_FILE)
        return read_analysis(content).segments[self.next_index :]
