"""Texts as the pipeline would hear them: read aloud by espeak-ng, written down again by Whisper.

A synthetic voice is clear and even: what this costs is the least that speech costs. Needs the program espeak-ng.
"""

import io
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from emoscribe.errors import EmoScribeError, InvalidRequestError
from emoscribe.speech import SpeechDetector
from emoscribe.stages import Transcriber
from emoscribe.types import Samples, TranscriptionRequest

VOICES: Final = {"en": "en-us", "pt": "pt-br", "es": "es-419", "de": "de", "fr": "fr-fr", "it": "it"}
"""Language -> espeak-ng's voice."""

_CLIPS_AT_ONCE: Final = 8
_SPEAK_S: Final = 60  # far more than espeak-ng takes for one text


def heard(texts: Sequence[str], language: str, transcriber: Transcriber) -> Iterator[str]:
    """What is understood of each text, in order; "" where nothing is. `language` is ISO 639-1 and pinned.

    Raises InvalidRequestError for a language without a voice, and where espeak-ng is not installed.
    """
    if language not in VOICES:
        raise InvalidRequestError(f"No voice speaks {language!r} here.", fix=f"Languages: {', '.join(VOICES)}.")
    program = shutil.which("espeak-ng")
    if program is None:
        raise InvalidRequestError("espeak-ng is not installed.", fix="apt install espeak-ng")
    detector = SpeechDetector()
    for text in texts:
        clips = list(detector.clips([_speech(program, VOICES[language], text)]))
        requests = [TranscriptionRequest(clip.samples, language=language) for clip in clips]
        yield " ".join(_written(requests, transcriber))


def _speech(program: str, voice: str, text: str) -> Samples:
    """The text read aloud, 16 kHz mono."""
    from faster_whisper.audio import decode_audio

    command = [program, "-v", voice, "--stdin", "--stdout"]
    # the text goes in by standard input: it is never part of a command
    spoken = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=_SPEAK_S)  # noqa: S603
    return np.asarray(decode_audio(io.BytesIO(spoken.stdout)), np.float32)


def _written(requests: Sequence[TranscriptionRequest], transcriber: Transcriber) -> Iterator[str]:
    for start in range(0, len(requests), _CLIPS_AT_ONCE):
        for outcome in transcriber.transcribe(requests[start : start + _CLIPS_AT_ONCE]):
            if not isinstance(outcome, EmoScribeError) and outcome.text:
                yield outcome.text


def word_error_rate(said: Sequence[str], written: Sequence[str]) -> float:
    """Wrong, missing and added words, as a share of those that were said; case and punctuation do not count."""
    import jiwer

    pairs = [(_words(one), _words(other)) for one, other in zip(said, written, strict=True)]
    kept = [(one, other) for one, other in pairs if one]
    return float(jiwer.wer([one for one, _ in kept], [other for _, other in kept])) if kept else 0.0


def _words(text: str) -> str:
    characters = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in characters)
    return " ".join(kept.split())
