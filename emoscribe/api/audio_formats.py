"""Text that was heard -> the answers of OpenAI's audio API. Pure functions."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Response
from fastapi.responses import JSONResponse

from emoscribe.api.audio_fields import Granularity, ResponseFormat
from emoscribe.api.audio_languages import language_name
from emoscribe.api.audio_transcript import SpokenText, Utterance
from emoscribe.report.cues import cues_of_segments
from emoscribe.report.srt_report import subrip
from emoscribe.report.vtt_report import webvtt
from emoscribe.segments import ReviewThresholds, make_segment
from emoscribe.types import LanguageSummary, Segment, Translation
from emoscribe.whisper.decoding import compression_ratio

MEDIA_TYPES: Final = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
PROBLEMS_HEADER: Final = "X-EmoScribe-Problems"  # codes of what is missing; only if something is
NO_LANGUAGE: Final = "unknown"  # nothing was said


def answer(spoken: SpokenText, wanted: ResponseFormat, granularities: Sequence[Granularity]) -> Response:
    """The whole text in the form that was asked for."""
    codes = ", ".join(sorted({problem.code for problem in spoken.problems}))
    headers = {"Cache-Control": "no-store"} | ({PROBLEMS_HEADER: codes} if codes else {})
    match wanted:
        case "json":
            return JSONResponse(plain(spoken), headers=headers)
        case "verbose_json":
            return JSONResponse(verbose(spoken, granularities), headers=headers)
        case "text":
            content = f"{spoken.text}\n".encode() if spoken.text else b""
        case "srt" | "vtt":
            cues = cues_of_segments(_segments(spoken), "en" if spoken.is_english else "source")
            content = subrip(cues) if wanted == "srt" else webvtt(cues)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[wanted])


def plain(spoken: SpokenText) -> dict[str, Any]:
    """`json`."""
    return {"text": spoken.text, **_languages(spoken), **_usage(spoken), **_additions(spoken)}


def delta_event(one: Utterance) -> dict[str, Any]:
    """A sentence of a stream; all together are the text."""
    return {"type": "transcript.text.delta", "delta": one.gap + one.text}


def done_event(spoken: SpokenText) -> dict[str, Any]:
    """The end of a stream. Its `usage` would have to be in tokens, so there is none."""
    return {"type": "transcript.text.done", "text": spoken.text, **_languages(spoken), **_additions(spoken)}


def verbose(spoken: SpokenText, granularities: Sequence[Granularity]) -> dict[str, Any]:
    """`verbose_json`; words are those that were said, so a translation has none."""
    shown: dict[str, Any] = {
        "task": "translate" if spoken.is_english else "transcribe",
        "language": "english" if spoken.is_english else _language(spoken.language),
        "duration": _seconds(spoken.duration_ms),
        "text": spoken.text,
        **_usage(spoken),
        **_additions(spoken),
    }
    if "segment" in granularities:
        shown["segments"] = [_segment(index, one) for index, one in enumerate(spoken.utterances)]
    if "word" in granularities and not spoken.is_english:
        words = [word for one in spoken.utterances for word in one.sentence.words]
        shown["words"] = [
            {"word": word.text.strip(), "start": _seconds(word.start_ms), "end": _seconds(word.end_ms)}
            for word in words
        ]
    return shown


def _languages(spoken: SpokenText) -> dict[str, Any]:
    code = spoken.language.language
    return {"languages": [{"code": code}] if code else []}


def _usage(spoken: SpokenText) -> dict[str, Any]:
    return {"usage": {"type": "duration", "seconds": _seconds(spoken.duration_ms)}}


def _additions(spoken: SpokenText) -> dict[str, Any]:
    """What OpenAI does not say."""
    problems = [problem.model_dump(exclude={"segment_index"}) for problem in spoken.problems]
    return {"model": spoken.model} | ({"problems": problems} if problems else {})


def _segment(index: int, one: Utterance) -> dict[str, Any]:
    """Figures of a sentence are those of the windows that Whisper heard it in, as with OpenAI."""
    sentence = one.sentence
    return {
        "id": index,
        "seek": sentence.start_ms // 10,  # frames of 10 ms
        "start": _seconds(sentence.start_ms),
        "end": _seconds(sentence.end_ms),
        "text": one.gap + one.text,
        "tokens": [],
        "temperature": sentence.temperature,
        "avg_logprob": round(sentence.average_log_probability, 4),
        "compression_ratio": round(compression_ratio(one.text), 4),
        "no_speech_prob": round(sentence.no_speech_probability, 4),
    }


def _segments(spoken: SpokenText) -> list[Segment]:
    """For subtitles; without emotions."""
    none = Translation("", "none")
    thresholds = ReviewThresholds()
    return [
        make_segment(index, one.sentence, one.translation or none, None, thresholds)
        for index, one in enumerate(spoken.utterances)
    ]


def _language(summary: LanguageSummary) -> str:
    return language_name(summary.language) if summary.language else NO_LANGUAGE


def _seconds(time_ms: int) -> float:
    return time_ms / 1000
