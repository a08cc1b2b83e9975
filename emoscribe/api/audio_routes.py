"""OpenAI's audio API: transcriptions and translations that its clients understand, answered at once, kept nowhere."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from emoscribe.api.audio_fields import (
    AudioFields,
    TranscriptionFields,
    TranslationFields,
    field_names,
    parse_fields,
)
from emoscribe.api.audio_formats import answer, delta_event, done_event
from emoscribe.api.audio_stream import Check, Events, EventStream, in_place, while_connected
from emoscribe.api.audio_transcript import SpokenText, Transcript, TranscriptOptions, transcribe
from emoscribe.api.auth import TextUser
from emoscribe.api.parts import ApiParts, Parts
from emoscribe.api.problem_docs import problems
from emoscribe.api.upload_form import SpoolOptions, receive_upload
from emoscribe.errors import StageError
from emoscribe.listening import HearingOptions
from emoscribe.local_stages import analysis_options
from emoscribe.media import LocalSource
from emoscribe.settings import Settings

STREAM_BATCH_CLIPS: Final = 2  # a stream tells of a minute of speech at a time

Fields = TypeVar("Fields", bound=AudioFields)

router = APIRouter(prefix="/v1/audio", tags=["openai"])


async def _cleanup() -> AsyncIterator[ExitStack]:
    """Closed when the response has been sent, or will not be."""
    with ExitStack() as stack:
        yield stack


def _places(request: Request, parts: Parts) -> CapacityLimiter:
    """As many as the settings allow, for all requests."""
    state = request.app.state
    if not hasattr(state, "audio_places"):
        state.audio_places = CapacityLimiter(parts.settings.audio_at_once)
    places: CapacityLimiter = state.audio_places
    return places


Cleanup = Annotated[ExitStack, Depends(_cleanup)]
Places = Annotated[CapacityLimiter, Depends(_places)]


def _docs(kind: type[BaseModel], description: str) -> dict[str, Any]:
    """What the OpenAPI document says of a route."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    recording = {"type": "string", "format": "binary", "description": "The recording, told by its content."}
    schema["properties"] = {"file": recording, **schema["properties"]}
    schema["required"] = ["file", *schema["required"]]
    content: dict[str, Any] = {
        "application/json": {"example": {"text": "Boa noite a todos.", "model": "whisper-base"}},
        "text/plain": {},
        "application/x-subrip": {},
        "text/vtt": {},
    }
    if "stream" in schema["properties"]:
        content["text/event-stream"] = {}
    return {
        "response_class": Response,
        "responses": {
            200: {"description": description, "content": content},
            **problems(400, 401, 403, 413, 415, 422, 503),
        },
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
        },
    }


@router.post(
    "/transcriptions",
    summary="Text of a recording",
    operation_id="create_transcription",
    **_docs(TranscriptionFields, "What is said; empty where nobody speaks."),
)
async def create_transcription(
    request: Request, parts: Parts, _: TextUser, places: Places, cleanup: Cleanup
) -> Response:
    """As OpenAI's clients call it; docs/openai-audio.md has the differences."""
    source, fields = await _receive(request, parts, cleanup, TranscriptionFields)
    options = _options(parts.settings, fields)
    if not fields.stream:
        spoken = await _spoken(request, places, partial(transcribe, source, parts.stages, options))
        return answer(spoken, fields.response_format, fields.timestamp_granularities)
    hearing = replace(options.hearing, clips_per_batch=min(options.hearing.clips_per_batch, STREAM_BATCH_CLIPS))
    make = partial(transcribe, source, parts.stages, replace(options, hearing=hearing))
    return EventStream(request, places, partial(_events, make))


@router.post(
    "/translations",
    summary="A recording in English",
    operation_id="create_translation",
    **_docs(TranslationFields, "What is said, in English; empty where nobody speaks."),
)
async def create_translation(request: Request, parts: Parts, _: TextUser, places: Places, cleanup: Cleanup) -> Response:
    """As OpenAI's clients call it; the English is that of an analysis."""
    source, fields = await _receive(request, parts, cleanup, TranslationFields)
    options = _options(parts.settings, fields.model_copy(update={"prompt": ""}))
    make = partial(transcribe, source, parts.stages, replace(options, to_english=True))
    return answer(await _spoken(request, places, make), fields.response_format, ("segment",))


async def _receive(
    request: Request, parts: ApiParts, cleanup: ExitStack, kind: type[Fields]
) -> tuple[LocalSource, Fields]:
    """The recording, which is removed with `cleanup`, and the options."""
    spool = SpoolOptions(parts.submissions.spool, parts.settings.max_upload_bytes)
    upload, values = await receive_upload(request, spool, cleanup, field_names(kind))
    cleanup.callback(upload.path.unlink, missing_ok=True)
    return LocalSource(upload.path), parse_fields(kind, values)


def _options(settings: Settings, fields: AudioFields) -> TranscriptOptions:
    """Raises UnsupportedLanguageError."""
    usual = analysis_options(settings, language=fields.language)
    hearing = HearingOptions(usual.language, fields.prompt, usual.clips_per_batch, usual.max_sentence_ms)
    return TranscriptOptions(hearing, usual.limits, settings.audio_max_duration_s)


async def _spoken(request: Request, places: CapacityLimiter, make: Callable[[Check], Transcript]) -> SpokenText:
    def work(check: Check) -> SpokenText:
        *_, last = make(check)
        if isinstance(last, SpokenText):
            return last
        raise StageError("The transcript has no end.")

    return await while_connected(request.receive, lambda: in_place(places, work))


def _events(make: Callable[[Check], Transcript], check: Check) -> Events:
    with closing(make(check)) as parts:
        for part in parts:
            yield done_event(part) if isinstance(part, SpokenText) else delta_event(part)
