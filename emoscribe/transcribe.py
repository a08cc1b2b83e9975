"""Clips of speech to words: Whisper over batches of clips of any languages, tasks and recordings.

Each clip stands alone: no text of one is shown to the decoder of another, so an invention or a loop stays where it is,
and the result for a clip does not depend on its neighbours.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
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
    SpokenWord,
    Transcript,
    TranscriptionRequest,
)
from emoscribe.whisper.decoding import Decoder, DecoderOptions, Decoding, Order
from emoscribe.whisper.device import Device
from emoscribe.whisper.model import WINDOW_SAMPLES, Alignment, Encodings, WhisperModel
from emoscribe.whisper.suspicion import is_sung, looks_invented, repeats
from emoscribe.whisper.words import spoken_words

logger = logging.getLogger(__name__)

OVERRULING_PROBABILITY: Final = 0.8  # of a clip's own language, for it to leave the recording's (U5)
_LARGEST_SAMPLE: Final = 2.0  # resampling overshoots 1 a little; beyond, the sound was never in [-1, 1]
_REMEMBERED_CLIPS: Final = 16  # heard for their language, not transcribed yet; 3 MB each for whisper-base

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """Where Whisper runs and how it decodes."""

    device: Device = "auto"
    compute_type: str = "auto"  # as CTranslate2 names it; auto: int8 on the CPU, int8_float16 on a GPU
    threads: int = 0  # CPU threads; 0: all cores
    beam_size: int = 5
    clips_per_batch: int = 8
    timestamp_tokens: bool = False  # have the decoder write times between phrases: docs/experiments.md compares


@dataclass(frozen=True, slots=True)
class _Language:
    """The language a clip is taken to be in."""

    code: str
    probability: float  # 1 if pinned


class WhisperTranscriber:
    """Implements `pipeline.Transcriber`. Deterministic; may be called from several threads."""

    def __init__(self, model_dir: Path, info: ModelInfo, options: WhisperOptions = WhisperOptions()) -> None:
        """`model_dir` holds a Whisper model for CTranslate2 and its `tokenizer.json`. Raises ModelIntegrityError."""
        self._info = info
        self._options = options
        self._model = WhisperModel(model_dir, options.device, options.compute_type, options.threads)
        self._decoder = Decoder(
            self._model, DecoderOptions(beam_size=options.beam_size, timestamp_tokens=options.timestamp_tokens)
        )
        self._memory = _Memory(_REMEMBERED_CLIPS)

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Whisper."""
        return (self._info,)

    @property
    def device(self) -> str:
        """Where it runs and with which numbers, as in "cpu (int8)"."""
        return f"{self._model.device} ({self._model.compute_type})"

    def detect_languages(self, clips: Sequence[Samples]) -> list[LanguageGuess | EmoScribeError]:
        """The language of each clip; what was heard is kept for a while, for its transcription."""
        return self._in_batches(clips, check_samples, self._detect)

    def transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript | EmoScribeError]:
        """The words of each clip, or the error of one that cannot be transcribed."""
        return self._in_batches(requests, self._check, self._transcribe)

    # --- batches and bad items --------------------------------------------------------------

    def _in_batches(
        self,
        items: Sequence[Item],
        check: Callable[[Item], EmoScribeError | None],
        work: Callable[[Sequence[Item]], Sequence[Result]],
    ) -> list[Result | EmoScribeError]:
        """One outcome for each item, in order. A batch that fails is done again one by one, to find the culprit."""
        outcomes: dict[int, Result | EmoScribeError] = {n: e for n, item in enumerate(items) if (e := check(item))}
        good = [n for n in range(len(items)) if n not in outcomes]
        for start in range(0, len(good), self._options.clips_per_batch):
            batch = good[start : start + self._options.clips_per_batch]
            outcomes.update(zip(batch, _carefully(work, [items[n] for n in batch]), strict=True))
        return [outcomes[n] for n in range(len(items))]

    def _check(self, request: TranscriptionRequest) -> EmoScribeError | None:
        if request.language and self._model.language_token(request.language) is None:
            return UnsupportedLanguageError(
                f"{self._info.name} does not know the language {request.language!r}.",
                fix="Give an ISO 639-1 code such as pt, or leave it out.",
            )
        return check_samples(request.samples)

    # --- one batch --------------------------------------------------------------------------

    def _detect(self, clips: Sequence[Samples]) -> list[LanguageGuess]:
        encodings = self._model.encode(clips)
        guesses = self._model.detect_languages(encodings)
        for clip, encoding, guess in zip(clips, encodings, guesses, strict=True):
            self._memory.keep(clip, _Heard(encoding, guess))
        return guesses

    def _transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript]:
        heard = self._hear(requests)
        languages = [_language(request, clip.guess) for request, clip in zip(requests, heard, strict=True)]
        orders = [
            Order(language.code, request.task, request.prompt, len(request.samples) // SAMPLES_PER_MS)
            for request, language in zip(requests, languages, strict=True)
        ]
        encodings = np.stack([clip.encoding for clip in heard])
        decodings = self._decoder.decode(encodings, orders)
        alignments = self._align(encodings, orders, decodings)
        parts = zip(requests, heard, languages, orders, decodings, alignments, strict=True)
        return [self._transcript(*part) for part in parts]

    def _hear(self, requests: Sequence[TranscriptionRequest]) -> list["_Heard"]:
        """Each clip encoded, with a guess at its language; those that were asked about before are remembered."""
        known = [self._memory.take(request.samples) for request in requests]
        new = [request.samples for request, clip in zip(requests, known, strict=True) if clip is None]
        fresh: Iterator[_Heard] = iter(())
        if new:
            encodings = self._model.encode(new)
            fresh = map(_Heard, encodings, self._model.detect_languages(encodings))
        return [clip or next(fresh) for clip in known]

    def _align(
        self, encodings: Encodings, orders: Sequence[Order], decodings: Sequence[Decoding]
    ) -> list[Alignment | None]:
        """Token times, in one call for each language and task; None where nothing was said."""
        alignments: list[Alignment | None] = [None] * len(orders)
        said = [n for n, decoding in enumerate(decodings) if decoding.tokens and not decoding.is_silence]
        for kind in {(orders[n].language, orders[n].task) for n in said}:
            members = [n for n in said if (orders[n].language, orders[n].task) == kind]
            results = self._model.align(
                encodings[members],
                self._decoder.start(*kind),
                [decodings[n].tokens for n in members],
                [orders[n].duration_ms for n in members],
            )
            for n, result in zip(members, results, strict=True):
                alignments[n] = result
        return alignments

    def _transcript(
        self,
        request: TranscriptionRequest,
        heard: "_Heard",
        language: "_Language",
        order: Order,
        decoding: Decoding,
        alignment: Alignment | None,
    ) -> Transcript:
        words = self._words(decoding, alignment, request.samples)
        is_loop = decoding.is_looping or repeats(words)
        if is_loop and alignment and not is_sung(alignment):
            decoding = self._decoder.decode_without_repeats(heard.encoding[None], order)
            (alignment,) = self._align(heard.encoding[None], [order], [decoding])
            words = self._words(decoding, alignment, request.samples)
        return Transcript(
            words=words,
            language=language.code,
            language_probability=language.probability,
            average_log_probability=decoding.average_log_probability,
            compression_ratio=decoding.compression_ratio,
            no_speech_probability=min(1.0, decoding.no_speech_probability),
            temperature=decoding.temperature,
            is_suspect=alignment is not None and looks_invented(decoding, alignment, heard.guess, order.duration_ms),
            has_repetition=is_loop and bool(words),
        )

    def _words(self, decoding: Decoding, alignment: Alignment | None, samples: Samples) -> tuple[SpokenWord, ...]:
        if alignment is None:
            return ()
        return spoken_words(decoding.tokens, alignment, self._model.tokenizer, samples)


# --- one clip -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the encoder made of a clip, and the language it sounds like."""

    encoding: Encodings  # (1500, width)
    guess: LanguageGuess


class _Memory:
    """The last few clips that were asked for their language: their transcription need not encode them again."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._heard: OrderedDict[bytes, _Heard] = OrderedDict()

    def keep(self, clip: Samples, heard: _Heard) -> None:
        with self._lock:
            self._heard[_fingerprint(clip)] = heard
            if len(self._heard) > self._size:
                self._heard.popitem(last=False)

    def take(self, clip: Samples) -> _Heard | None:
        with self._lock:
            return self._heard.pop(_fingerprint(clip), None) if self._heard else None


def _fingerprint(clip: Samples) -> bytes:
    return hashlib.blake2b(clip.tobytes(), digest_size=16).digest()


def _language(request: TranscriptionRequest, guess: LanguageGuess) -> _Language:
    """A pinned language wins; a clip leaves the recording's only if its own is certain (U5)."""
    if request.language:
        return _Language(request.language, 1.0)
    likely = request.likely_language
    if likely and not (guess.language != likely and guess.probability >= OVERRULING_PROBABILITY):
        return _Language(likely, min(1.0, guess.distribution.get(likely, 0.0)))
    return _Language(guess.language, min(1.0, guess.probability))


def check_samples(samples: Samples) -> EmoScribeError | None:
    """What is wrong with a clip; None if nothing is."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        return InvalidRequestError("A clip must be a one-dimensional array of float32.")
    if not 0 < len(samples) <= WINDOW_SAMPLES:
        return InvalidRequestError(f"A clip must be longer than nothing and at most {MAX_CLIP_MS} ms long.")
    if not np.isfinite(samples).all() or np.abs(samples).max() > _LARGEST_SAMPLE:
        return InvalidRequestError("A clip's samples must lie in [-1, 1].")
    return None


def _carefully(
    work: Callable[[Sequence[Item]], Sequence[Result]], batch: Sequence[Item]
) -> list[Result | EmoScribeError]:
    """The results of a batch; if it fails, of each item alone, with the error of the one to blame."""
    try:
        return list(work(batch))
    except Exception as error:  # whatever a model may raise
        if len(batch) > 1:
            return [outcome for item in batch for outcome in _carefully(work, [item])]
        logger.warning("a clip could not be processed: %s", type(error).__name__)
        return [error if isinstance(error, EmoScribeError) else StageError(f"Whisper failed on this clip: {error}")]
