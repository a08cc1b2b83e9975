"""What crosses the boundaries between stages. Invariants stand beside the fields they bind.

Two families: light dataclasses that travel between stages (and to the runners), and pydantic
models that make up an `Analysis`, the result a user keeps. Time is integer milliseconds;
audio is mono 16 kHz float32 in [-1, 1]; probabilities are floats in [0, 1].
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from emoscribe.labels import LABELS, Label

Samples = npt.NDArray[np.float32]  # (n,), mono, SAMPLE_RATE_HZ, in [-1, 1]

SAMPLE_RATE_HZ: Final = 16_000
SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
MAX_CLIP_MS: Final = 30_000  # Whisper's window

Profile = Literal["embedded", "fast", "quality"]  # which set of models; catalog.toml


# --- between stages -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of speech inside a clip, and where it came from in the recording."""

    clip_ms: int  # offset of the piece in the clip, >= 0
    start_ms: int  # where the piece starts in the recording, >= 0
    duration_ms: int  # > 0


@dataclass(frozen=True, slots=True)
class Clip:
    """Speech to be transcribed in one window: pieces of a recording, joined without the silence between."""

    samples: Samples  # 0 < len <= MAX_CLIP_MS * SAMPLES_PER_MS
    pieces: tuple[Piece, ...]  # at least one; ascending in clip_ms and start_ms; they tile the clip

    @property
    def start_ms(self) -> int:
        """Start in the recording."""
        return self.pieces[0].start_ms

    @property
    def end_ms(self) -> int:
        """End in the recording."""
        last = self.pieces[-1]
        return last.start_ms + last.duration_ms

    @property
    def duration_ms(self) -> int:
        """Length of the clip itself, rounded down."""
        return len(self.samples) // SAMPLES_PER_MS

    def to_recording_ms(self, clip_ms: int) -> int:
        """Where a place of the clip lies in the recording: monotone, and never outside the clip's pieces.

        The end of a piece is the start of the next one; the end of the last piece is the end of the clip.
        """
        return self._within(self._piece_index(clip_ms), clip_ms)

    def span_in_recording(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """Where a word of the clip lies in the recording, as (start_ms, end_ms).

        Pieces are joined in silence, so a word across a joint belongs to one side of it: to the piece
        that holds more of it, the later one in doubt. It ends there, not across the silence that was left out.
        """

        def overlap_ms(index: int) -> int:
            piece = self.pieces[index]
            return min(end_ms, piece.clip_ms + piece.duration_ms) - max(start_ms, piece.clip_ms)

        touched = range(self._piece_index(start_ms), self._piece_index(end_ms) + 1)
        home = max(touched, key=lambda index: (overlap_ms(index), index))
        return self._within(home, start_ms), self._within(home, end_ms)

    def between(self, start_ms: int, end_ms: int) -> Samples:
        """The samples between two places of the recording, without those of the silence that was left out."""
        parts = [self.samples[:0]]
        for piece in self.pieces:
            first = piece.clip_ms + max(0, start_ms - piece.start_ms)
            last = piece.clip_ms + min(piece.duration_ms, end_ms - piece.start_ms)
            parts.append(self.samples[first * SAMPLES_PER_MS : max(first, last) * SAMPLES_PER_MS])
        return np.concatenate(parts)

    def _piece_index(self, clip_ms: int) -> int:
        return max(0, bisect_right(self.pieces, clip_ms, key=lambda piece: piece.clip_ms) - 1)

    def _within(self, index: int, clip_ms: int) -> int:
        piece = self.pieces[index]
        return piece.start_ms + min(max(clip_ms - piece.clip_ms, 0), piece.duration_ms)


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """One clip to be transcribed, from any recording, in any language."""

    samples: Samples
    language: str | None = None  # ISO 639-1; pinned by a person: never overruled
    likely_language: str | None = None  # the recording's; left only for a clip at p >= 0.8
    task: Literal["transcribe", "translate"] = "transcribe"  # translate: Whisper's own, to English
    prompt: str = ""  # from the language pack; context for spelling, never output


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """Whisper's belief about one clip."""

    language: str  # the most probable, ISO 639-1
    probability: float
    distribution: dict[str, float] = field(default_factory=dict)  # language -> p, sums to about 1


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as Whisper wrote it, with its place in the clip."""

    text: str  # with its leading space, if the language writes one: "".join() gives the text
    start_ms: int  # in the clip, 0 <= start_ms <= end_ms <= clip duration, monotone
    end_ms: int
    probability: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one clip, and how far to trust it."""

    words: tuple[SpokenWord, ...]  # empty when nothing was said
    language: str
    language_probability: float
    average_log_probability: float = 0.0  # per token, <= 0
    compression_ratio: float = 0.0  # of the UTF-8 text by zlib; above 2.4 is a loop
    no_speech_probability: float = 0.0
    temperature: float = 0.0  # of the accepted decoding
    is_suspect: bool = False  # looks invented: kept, flagged, given no emotion
    has_repetition: bool = False  # a refrain or loop that survived: kept and flagged

    @property
    def text(self) -> str:
        """The words as one text."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """One text to be put into English."""

    text: str
    language: str  # ISO 639-1


@dataclass(frozen=True, slots=True)
class Translation:
    """English, and who wrote it."""

    text_en: str
    engine: str  # "bergamot", "opus-mt", "transformers", "whisper", "phrases" (the pack's own), "none" (needed none)
    model: str = ""  # its name in the catalogue, if a model of its own took part


@dataclass(frozen=True, slots=True)
class EmotionRequest:
    """One English sentence to be judged, and the sentences before it."""

    text: str
    context: str = ""  # one sentence a line, the nearest last; some models ignore it


@dataclass(frozen=True, slots=True)
class EmotionScores:
    """Seven independent probabilities and what follows from the model's own thresholds."""

    scores: dict[Label, float]  # in the order of LABELS
    label: Label  # the winner
    mixed: tuple[Label, ...]  # every label at or above its own threshold, strongest first; may be empty
    confidence: float  # that `label` is right
    is_doubtful: bool = False  # the confidence is below what the model asks for with this label
    context_used: bool = False  # whether the sentences before took part

    def is_below(self, confidence: float | None) -> bool:
        """Whether a person should look: the confidence is below this one or, for None, below what the model asks."""
        return self.is_doubtful if confidence is None else self.confidence < confidence


@dataclass(frozen=True, slots=True)
class WordWeight:
    """What one word of a text does for a label."""

    text: str  # with its punctuation
    weight: float  # log-odds of the label's score
    start: int  # place in the text, in characters
    end: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text was given its label: the weights of its words."""

    label: Label  # the winner
    method: str
    words: tuple[WordWeight, ...]  # what white space parts, in order
    context_used: bool = False
    context_weight: float = 0.0  # log-odds: what the sentences before add to the sentence by itself


# --- the result -------------------------------------------------------------------------------


class _Record(BaseModel):
    # ignore: results of later versions stay readable; no NaN: JSON has no word for it
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def well_formed(text: str) -> str:
    """A file name may hold bytes that are no UTF-8; Python keeps them as lone surrogates, which no format can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _all_seven(scores: dict[Label, float]) -> dict[Label, float]:
    if set(scores) != set(LABELS):
        raise ValueError("scores must hold each of the seven labels")
    return {label: scores[label] for label in LABELS}


Probability = Annotated[float, Field(ge=0, le=1)]


class ModelInfo(_Record):
    """Which model took part."""

    role: Literal["speech_detection", "transcription", "translation", "emotion"] = Field(
        description="What the model did."
    )
    name: str = Field(description="Name in the model catalogue.")
    version: str = Field(description="Revision or version of the files.")
    sha256: str = Field(description="SHA-256 over the names and contents of the model's files, hexadecimal.")
    license: str = Field(description="SPDX identifier of the model's licence.")


class Word(_Record):
    """One word of the source text."""

    text: str = Field(description="The word with its punctuation, without surrounding space.")
    start_ms: int = Field(ge=0, description="Start in the recording, milliseconds.")
    end_ms: int = Field(ge=0, description="End in the recording, milliseconds.")
    probability: float = Field(ge=0, le=1, description="Whisper's probability of the word.")


ReviewReason = Literal["low_confidence", "suspect_hallucination", "uncertain_language", "uncertain_transcript"]


class ExplainedWord(_Record):
    """One word of the English, and what it does for the label."""

    text: str = Field(description="The word with its punctuation, as it stands in `text_en`.")
    weight: float = Field(
        description="By how much the word raises (or, below 0, lowers) the log-odds of the label's score."
    )
    source_words: tuple[int, ...] = Field(
        default=(), description="The words of `words` that it stands for, from 0; empty where that is not known."
    )
    start_ms: int | None = Field(
        default=None, ge=0, description="Start of those words in the recording, milliseconds; null where not known."
    )
    end_ms: int | None = Field(
        default=None, ge=0, description="End of those words in the recording, milliseconds; null where not known."
    )


class EmotionExplanation(_Record):
    """Which words of the English made the label: of the model's answer, not of the speaker."""

    label: Label = Field(description="The label that is explained: the strongest emotion.")
    method: str = Field(description="How the weights were found, as in docs/explanations.md.")
    alignment: Literal["same_text", "lexical", "none"] = Field(
        description="How English words were led back to spoken ones: same_text (it is the same text), lexical "
        "(words that translate to each other; the others have no place), none."
    )
    words: tuple[ExplainedWord, ...] = Field(description="The words of `text_en`, in order.")
    context_weight: float = Field(
        default=0.0, description="By how much the sentences before raise the log-odds of the label's score."
    )


def _is_none(value: object) -> bool:
    return value is None


class Emotion(_Record):
    """The emotion the words express; not what the speaker feels."""

    label: Label = Field(description="The strongest emotion expressed in the words.")
    confidence: float = Field(ge=0, le=1, description="Probability that the label is right.")
    mixed: tuple[Label, ...] = Field(description="All emotions at or above their class threshold, strongest first.")
    scores: Annotated[dict[Label, Probability], AfterValidator(_all_seven)] = Field(
        description="Probability of each of the seven labels; independent of each other."
    )
    context_used: bool = Field(default=False, description="Whether the sentences before took part in the judgement.")
    explanation: EmotionExplanation | None = Field(
        default=None, exclude_if=_is_none, description="Weights of the words; only where explanations were asked for."
    )


class Segment(_Record):
    """One sentence of the timeline."""

    index: int = Field(ge=0, description="Position in the timeline, from 0.")
    start_ms: int = Field(ge=0, description="Start of the sentence in the recording, milliseconds.")
    end_ms: int = Field(ge=0, description="End of the sentence in the recording, milliseconds.")
    text: str = Field(description="What was said, in the language it was said in.")
    language: str = Field(description="Language of the sentence, ISO 639-1.")
    language_probability: float = Field(ge=0, le=1, description="Whisper's probability of that language; 1 if pinned.")
    text_en: str = Field(description="The sentence in English; empty if it could not be translated.")
    translation_engine: str = Field(
        description="What made text_en: bergamot, opus-mt, transformers, whisper, phrases, none."
    )
    transcript_confidence: float = Field(ge=0, le=1, description="Mean probability of the words.")
    emotion: Emotion | None = Field(description="Absent when the text looks invented or could not be classified.")
    needs_review: bool = Field(description="Whether a person should look.")
    review_reasons: tuple[ReviewReason, ...] = Field(description="Why, most serious first.")
    words: tuple[Word, ...] = Field(description="The words of `text` with their times.")


class LanguageSummary(_Record):
    """The recording's language and how it was decided."""

    language: str | None = Field(description="ISO 639-1; absent if nothing was said.")
    probability: float = Field(ge=0, le=1, description="Share of the evidence that speaks for it; 1 if pinned.")
    pinned: bool = Field(description="Whether a person chose it.")


class SourceInfo(_Record):
    """What was analysed."""

    name: Annotated[str, AfterValidator(well_formed)] = Field(
        description="File name or object key; never a full local path."
    )
    sha256: str | None = Field(description="SHA-256 of the file, if it was read whole.")
    bytes: int | None = Field(ge=0, description="Size of the file.")
    duration_ms: int = Field(ge=0, description="Length of the audio that was analysed, milliseconds.")
    container: str = Field(description="Container as recognised from the content.")
    codec: str = Field(description="Codec of the audio track.")
    audio_track: int = Field(ge=0, description="Which audio track was analysed, from 0.")
    audio_tracks: int = Field(ge=1, description="How many audio tracks the file has.")
    truncated: bool = Field(description="Whether the file ended early; what was there has been analysed.")


class Problem(_Record):
    """Something that went wrong without stopping the analysis."""

    code: str = Field(description="Stable code, as in docs/errors.md.")
    message: str = Field(description="Cause.")
    segment_index: int | None = Field(default=None, description="The segment concerned, if one is.")


SCHEMA_VERSION: Final = "1.1"
STATEMENT: Final = (
    "The emotion expressed in the words of each sentence, from the text alone. "
    "It is not a statement about what any person feels."
)


class Analysis(_Record):
    """The whole result for one recording."""

    schema_version: str = Field(default=SCHEMA_VERSION, description="Version of this format: major.minor.")
    statement: str = Field(default=STATEMENT, description="What the labels mean.")
    modalities: tuple[Literal["text"], ...] = Field(default=("text",), description="What the labels were derived from.")
    created_at: datetime = Field(description="When the analysis ended, UTC.")
    emoscribe_version: str = Field(description="Version of EmoScribe.")
    source: SourceInfo = Field(description="What was analysed.")
    language: LanguageSummary = Field(description="The recording's language and how it was decided.")
    speech_ms: int = Field(ge=0, description="Speech found in the recording, milliseconds.")
    segments: tuple[Segment, ...] = Field(description="The timeline, in order of start_ms.")
    models: tuple[ModelInfo, ...] = Field(description="The models that took part.")
    settings: dict[str, str | int | float | bool | None] = Field(description="The settings that shaped the result.")
    problems: tuple[Problem, ...] = Field(default=(), description="What went wrong without stopping the analysis.")
    stage_seconds: dict[str, float] = Field(default_factory=dict, description="Wall time per stage, seconds.")


def text_of(words: Sequence[SpokenWord]) -> str:
    """The words as one text."""
    return "".join(word.text for word in words).strip()
