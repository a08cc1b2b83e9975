"""Clips of speech to words: Whisper over batches of clips of any languages, tasks and recordings.

Each clip stands alone: no text of one is shown to the decoder of another, so an invention or a loop stays where it is,
and the result for a clip does not depend on its neighbours.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import numpy as np

from emoscribe.errors import EmoScribeError, InvalidRequestError, StageError, UnsupportedLanguageError
from emoscribe.types import (
    MAX_CLIP_MS,
    SAMPLES_PER_MS,
    LanguageGuess,
    ModelInfo,
    Samples,
    Transcript,
    TranscriptionRequest,
)
from emoscribe.whisper.decoding import Order
from emoscribe.whisper.device import Device
from emoscribe.whisper.model import WINDOW_SAMPLES, Encodings, WhisperModel
from emoscribe.whisper.writing import Hearing, Writer, Written

logger = logging.getLogger(__name__)

OVERRULING_PROBABILITY: Final = 0.8  # of a clip's own language, for it to leave the recording's (U5)
_LARGEST_SAMPLE: Final = 2.0  # resampling overshoots 1 a little; beyond, the sound was never in [-1, 1]
_REMEMBERED_CLIPS: Final = 32  # heard for their language and not transcribed yet; 3 MB each for whisper-base

_CLIP_FIX: Final = "Give mono samples at 16 kHz, float32 in [-1, 1], at most 30 s."

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """Where Whisper runs and how it decodes."""

    device: Device = "auto"
    compute_type: str = "auto"  # as CTranslate2 names it; auto: int8 on the CPU, int8_float16 on a GPU
    threads: int = 0  # CPU threads; 0: all cores
    side_by_side: int = 1  # calls computed at the same time on the CPU, each with its share of the threads
    beam_size: int = 5
    clips_per_batch: int = 8
    timestamp_tokens: bool = False  # have the decoder write times between phrases; docs/experiments.md compares


class WhisperTranscriber:
    """Implements `pipeline.Transcriber`. Deterministic; may be called from several threads."""

    def __init__(self, model_dir: Path, info: ModelInfo, options: WhisperOptions = WhisperOptions()) -> None:
        """`model_dir` holds a Whisper model for CTranslate2 and its `tokenizer.json`. Raises ModelIntegrityError."""
        self._info = info
        self._clips_per_batch = options.clips_per_batch
        self._model = WhisperModel(
            model_dir, options.device, options.compute_type, options.threads, side_by_side=options.side_by_side
        )
        self._writer = Writer(self._model, options.beam_size, timestamp_tokens=options.timestamp_tokens)
        self._memory = _Memory(_REMEMBERED_CLIPS)

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Whisper."""
        return (self._info,)

    @property
    def device(self) -> str:
        """Where it runs and with which numbers, as in "cpu (int8)"."""
        return f"{self._model.device} ({self._model.compute_type})"

    @property
    def side_by_side(self) -> int:
        """How many calls are computed at the same time."""
        return self._model.side_by_side

    def detect_languages(self, clips: Sequence[Samples]) -> list[LanguageGuess | EmoScribeError]:
        """The language of each clip. What was heard is remembered until the same clip is transcribed."""
        return self._in_batches(clips, check_samples, self._detect)

    def transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript | EmoScribeError]:
        """The words of each clip, or the error of one that cannot be transcribed."""
        return self._in_batches(requests, self._check, self._transcribe)

    def _in_batches(
        self,
        items: Sequence[Item],
        check: Callable[[Item], EmoScribeError | None],
        work: Callable[[Sequence[Item]], Sequence[Result]],
    ) -> list[Result | EmoScribeError]:
        """One outcome for each item, in order. Bad items do not go into a batch."""
        outcomes: dict[int, Result | EmoScribeError] = {n: e for n, item in enumerate(items) if (e := check(item))}
        good = [n for n in range(len(items)) if n not in outcomes]
        for start in range(0, len(good), self._clips_per_batch):
            batch = good[start : start + self._clips_per_batch]
            outcomes.update(zip(batch, _carefully(work, [items[n] for n in batch]), strict=True))
        return [outcomes[n] for n in range(len(items))]

    def _check(self, request: TranscriptionRequest) -> EmoScribeError | None:
        if request.language is not None and self._model.language_token(request.language) is None:
            return UnsupportedLanguageError(
                f"{self._info.name} does not know the language {request.language!r}.",
                fix="Give an ISO 639-1 code such as pt, or leave it out.",
            )
        return check_samples(request.samples)

    def _detect(self, clips: Sequence[Samples]) -> list[LanguageGuess]:
        encodings = self._model.encode(clips)
        guesses = self._model.detect_languages(encodings)
        for clip, encoding, guess in zip(clips, encodings, guesses, strict=True):
            self._memory.keep(clip, _Heard(encoding, guess))
        return guesses

    def _transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript]:
        heard = self._hear(requests)
        languages = [choose_language(request, clip.guess) for request, clip in zip(requests, heard, strict=True)]
        hearings = [
            Hearing(
                request.samples, clip.encoding, _order(request, code), clip.guess.distribution if clip.guess else None
            )
            for request, clip, (code, _) in zip(requests, heard, languages, strict=True)
        ]
        written = self._writer.write(hearings)
        return [_transcript(text, *language) for text, language in zip(written, languages, strict=True)]

    def _hear(self, requests: Sequence[TranscriptionRequest]) -> "list[_Heard]":
        """Clips through the encoder, if they did not go before; with a guess where no language is pinned."""
        known = {n: heard for n, request in enumerate(requests) if (heard := self._memory.take(request.samples))}
        new = [n for n in range(len(requests)) if n not in known]
        if new:
            encodings = self._model.encode([requests[n].samples for n in new])
            free = [position for position, n in enumerate(new) if requests[n].language is None]
            guesses = dict(zip(free, self._model.detect_languages(encodings[free]), strict=True)) if free else {}
            known.update((n, _Heard(encodings[place], guesses.get(place))) for place, n in enumerate(new))
        return [known[n] for n in range(len(requests))]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A clip that went through the encoder."""

    encoding: Encodings  # (1500, width)
    guess: LanguageGuess | None  # None: nobody asked


class _Memory:
    """The last clips that were heard, by their samples: asking for a language first costs no second encoding."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._clips: OrderedDict[bytes, _Heard] = OrderedDict()
        self._lock = Lock()

    def keep(self, samples: Samples, heard: _Heard) -> None:
        """Remember a clip, and forget the oldest if there are too many."""
        with self._lock:
            self._clips[_key(samples)] = heard
            while len(self._clips) > self._size:
                self._clips.popitem(last=False)

    def take(self, samples: Samples) -> _Heard | None:
        """What was heard of a clip; forgotten with that."""
        with self._lock:
            return self._clips.pop(_key(samples), None) if self._clips else None


def _key(samples: Samples) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(samples).data, digest_size=16).digest()


def check_samples(samples: Samples) -> InvalidRequestError | None:
    """What makes a clip unusable; None if nothing does."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        return InvalidRequestError("The clip is not a one-dimensional array of float32.", fix=_CLIP_FIX)
    if not len(samples):
        return InvalidRequestError("The clip is empty.", fix=_CLIP_FIX)
    if len(samples) > WINDOW_SAMPLES:
        return InvalidRequestError(
            f"The clip has {len(samples) // SAMPLES_PER_MS} ms, more than {MAX_CLIP_MS}.", fix=_CLIP_FIX
        )
    if not np.isfinite(samples).all():
        return InvalidRequestError("The clip holds samples that are not numbers.", fix=_CLIP_FIX)
    if np.abs(samples).max() > _LARGEST_SAMPLE:
        return InvalidRequestError("The clip holds samples outside [-1, 1].", fix=_CLIP_FIX)
    return None


def choose_language(request: TranscriptionRequest, guess: LanguageGuess | None) -> tuple[str, float]:
    """The language of a clip and its probability.

    What is pinned wins; then the recording's likely language, unless the clip is surely in another; then the guess.
    """
    if request.language is not None:
        return request.language, 1.0
    if guess is None:
        raise ValueError("a clip without a pinned language needs a guess")
    likely = request.likely_language
    if likely is None or likely not in guess.distribution:
        return guess.language, guess.probability
    if guess.language != likely and guess.probability >= OVERRULING_PROBABILITY:
        return guess.language, guess.probability
    return likely, guess.distribution[likely]


def _order(request: TranscriptionRequest, language: str) -> Order:
    return Order(language, request.task, request.prompt, len(request.samples) // SAMPLES_PER_MS)


def _transcript(written: Written, language: str, language_probability: float) -> Transcript:
    return Transcript(
        words=written.words,
        language=language,
        language_probability=language_probability,
        average_log_probability=written.decoding.average_log_probability,
        compression_ratio=written.decoding.compression_ratio,
        no_speech_probability=written.decoding.no_speech_probability,
        temperature=written.decoding.temperature,
        is_suspect=written.is_suspect,
        has_repetition=written.has_repetition,
    )


def _carefully(
    work: Callable[[Sequence[Item]], Sequence[Result]], batch: Sequence[Item]
) -> list[Result | EmoScribeError]:
    """The results of a batch. If it fails, item by item: the error of one is not the others', nor is its size."""
    try:
        return list(work(batch))
    except Exception as error:
        logger.warning("Whisper failed on %d clips: %s", len(batch), type(error).__name__, exc_info=True)
        if len(batch) > 1:
            return [outcome for item in batch for outcome in _carefully(work, [item])]
        return [StageError(f"Whisper failed on the clip ({type(error).__name__}).")]
