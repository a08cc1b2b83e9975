"""What travels between processes: plain dictionaries, arrays and numbers; sound as int16.

Each item of an answer has two fields, of which one is None: `result` and `error`. A bad item never fails its batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final, TypeVar

import numpy as np
from pydantic import TypeAdapter

from emoscribe.errors import EmoScribeError, error_of
from emoscribe.types import (
    EmotionRequest,
    EmotionScores,
    Explanation,
    LanguageGuess,
    Samples,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
)

Item = dict[str, Any]
Result = TypeVar("Result", EmotionScores, Explanation, LanguageGuess, Transcript, Translation)

_FULL_SCALE: Final = 32_768.0  # sound is decoded from 16 bits: nothing is lost on the way back to them


def pack_sound(samples: Samples) -> Any:
    """Float samples in [-1, 1] as int16 (n,). What is no sound travels as it is, to be refused at the other end."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or not np.isfinite(samples).all():
        return samples
    return np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def unpack_sound(packed: Any) -> Any:
    """The float samples."""
    if isinstance(packed, np.ndarray) and packed.dtype == np.int16:
        return packed.astype(np.float32) / np.float32(_FULL_SCALE)
    return packed


def pack_clip(request: TranscriptionRequest) -> Item:
    """A clip and what is wanted of it."""
    return {
        "sound": pack_sound(request.samples),
        "language": request.language,
        "likely_language": request.likely_language,
        "task": request.task,
        "prompt": request.prompt,
    }


def unpack_clip(item: Mapping[str, Any]) -> TranscriptionRequest:
    """The same at the other end."""
    fields = {name: value for name, value in item.items() if name != "sound"}
    return TranscriptionRequest(unpack_sound(item["sound"]), **fields)


def pack_text(request: TranslationRequest) -> Item:
    """A text to be translated."""
    return {"text": request.text, "language": request.language}


def unpack_text(item: Mapping[str, Any]) -> TranslationRequest:
    """The same at the other end."""
    return TranslationRequest(item["text"], item["language"])


def pack_sentence(request: EmotionRequest) -> Item:
    """An English sentence to be judged."""
    return {"text": request.text, "context": request.context}


def unpack_sentence(item: Mapping[str, Any]) -> EmotionRequest:
    """The same at the other end."""
    return EmotionRequest(item["text"], item["context"])


def pack_outcomes(outcomes: Iterable[Any]) -> list[Item]:
    """Results (dataclasses) and errors, in order."""
    return [
        {"result": None, "error": {"code": o.code, "message": o.message, "fix": o.fix}}
        if isinstance(o, EmoScribeError)
        else {"result": asdict(o), "error": None}
        for o in outcomes
    ]


def unpack_outcomes(items: Iterable[Mapping[str, Any]], kind: type[Result]) -> list[Result | EmoScribeError]:
    """The same at the other end. Raises pydantic.ValidationError for an answer of another version."""
    adapter = TypeAdapter(kind)
    return [
        adapter.validate_python(item["result"]) if item["error"] is None else error_of(**item["error"])
        for item in items
    ]
