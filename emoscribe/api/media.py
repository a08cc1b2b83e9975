"""The recording of an analysis, for players: any range of it, under a link that needs no header."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from emoscribe.api.analysis_id import AnalysisId
from emoscribe.api.auth import Reader, bearer, check_scope, identify
from emoscribe.api.media_link import check_ticket, make_ticket
from emoscribe.api.parts import ApiParts, Parts
from emoscribe.api.problem_docs import problems
from emoscribe.playback import Playable, media_type, open_recording

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_HEADERS: Final[Mapping[str, str]] = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",  # should anybody open it as a page
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(tags=["review"])


class MediaLink(BaseModel):
    """Where a player finds the recording."""

    url: str = Field(description="For `src` of a player. Whoever has it can hear the recording until it expires.")
    expires_at: datetime = Field(description="When to ask for another one, UTC.")
    media_type: str = Field(description="Of the recording, by its content.")
    kind: str = Field(description="`video` or `audio`, by the container: an mp4 without pictures is called video too.")
    bytes: int = Field(description="Size of the recording.")


@router.post(
    "/v1/analyses/{analysis_id}/media-url",
    summary="Get a link to the recording",
    operation_id="create_media_link",
    responses=problems(401, 403, 404, 409, 410, 502, 503),
)
def create_media_link(parts: Parts, caller: Reader, analysis_id: AnalysisId, response: Response) -> MediaLink:
    """A link that a player can use: players send no tokens. It is valid for half an hour and for this recording only.

    410 `media_not_kept` if the recording is not there any more, 409 `source_changed` if it is another one now.
    """
    playable, kind = _open(parts, caller.tenant, analysis_id)
    ticket, expires_s = make_ticket(parts.store.reviews.link_secret(), caller.tenant, analysis_id)
    response.headers["Cache-Control"] = "no-store"
    return MediaLink(
        url=f"/v1/analyses/{analysis_id}/media?ticket={ticket}",
        expires_at=datetime.fromtimestamp(expires_s, UTC),
        media_type=kind,
        kind="audio" if kind.startswith("audio/") else "video",
        bytes=playable.size_bytes,
    )


def _open(parts: ApiParts, tenant: str, analysis_id: str) -> tuple[Playable, str]:
    """The recording and its type."""
    kept = parts.store.reviews.recording(tenant, analysis_id)
    playable = open_recording(kept, lambda: parts.submissions.s3)
    return playable, parts.media_types.get(parts.store.get(tenant, analysis_id), lambda _: media_type(playable))


async def _listener(
    request: Request,
    parts: Parts,
    analysis_id: AnalysisId,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    ticket: Annotated[str | None, Query(max_length=200, description="As in the link; else a token is needed.")] = None,
) -> str:
    """The tenant of who may hear it."""
    if ticket is not None and parts.settings.auth == "tokens":
        return check_ticket(await to_thread.run_sync(parts.store.reviews.link_secret), ticket, analysis_id)
    caller = identify(request, parts, credentials.credentials if credentials else None)
    check_scope(caller, "analyses:read")
    return caller.tenant


Listener = Annotated[str, Depends(_listener)]
AskedRange = Annotated[str | None, Header(alias="Range", description="One range of bytes; several are sent whole.")]
IfRange = Annotated[str | None, Header(description="ETag of what the client has; else it gets everything.")]


@router.get(
    "/v1/analyses/{analysis_id}/media",
    summary="Play the recording",
    operation_id="get_media",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The recording.", "content": {"video/mp4": {}, "audio/wav": {}}},
        206: {"description": "The range that was asked for."},
        **problems(401, 403, 404, 409, 410, 416, 502, 503),
    },
)
def get_media(
    parts: Parts, tenant: Listener, analysis_id: AnalysisId, asked: AskedRange = None, if_range: IfRange = None
) -> Response:
    """What was uploaded, or the object in S3 in the version that was analysed. By a link of `media-url`, or a token."""
    playable, kind = _open(parts, tenant, analysis_id)
    headers = {**_HEADERS, "ETag": f'"{analysis_id}"'}  # the id is a hash of the recording, among others
    is_current = if_range in {None, headers["ETag"]}
    wanted = _parse_range(asked if is_current else None, playable.size_bytes)
    start, end = wanted or (0, playable.size_bytes)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{playable.size_bytes}"
    blocks = playable.read(start, end)
    first = next(blocks, b"")  # what cannot be had is a problem, not a broken response
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(chain([first], blocks), 200 if wanted is None else 206, headers, kind)


@router.head("/v1/analyses/{analysis_id}/media", include_in_schema=False)
def head_media(parts: Parts, tenant: Listener, analysis_id: AnalysisId) -> Response:
    """The same without the recording."""
    playable, kind = _open(parts, tenant, analysis_id)
    headers = {**_HEADERS, "ETag": f'"{analysis_id}"', "Content-Length": str(playable.size_bytes)}
    return Response(headers=headers, media_type=kind)


def _parse_range(asked: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; None: everything (RFC 9110, 14.2). Raises HTTPException 416."""
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":  # the last so many
        start, end = max(size_bytes - int(found[2]), 0), size_bytes
    else:
        start, end = int(found[1]), min(int(found[2] or size_bytes) + 1, size_bytes)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise HTTPException(416, headers={"Content-Range": f"bytes */{size_bytes}"})
    return start, end
