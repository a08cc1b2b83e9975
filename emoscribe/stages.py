"""What the pipeline needs of the model stages: three small Protocols.

`tests/fakes.py` implements them; so do the local stage classes and, over BentoML, the runners. Every method takes a
batch, keeps its order, gives an empty list for an empty one, and returns a bad item as its error: one bad item never
fails its batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from emoscribe.errors import EmoScribeError
from emoscribe.types import (
    EmotionRequest,
    EmotionScores,
    Explanation,
    LanguageGuess,
    ModelInfo,
    Samples,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
)


class Transcriber(Protocol):
    """Clips to words: any recordings, any languages, in one call."""

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that take part, for the output."""
        ...

    def detect_languages(self, clips: Sequence[Samples]) -> list[LanguageGuess | EmoScribeError]:
        """The language of each clip of at most 30 s."""
        ...

    def transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript | EmoScribeError]:
        """The words of each clip, or its speech translated to English."""
        ...


class Translator(Protocol):
    """Texts of any languages to English."""

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that take part, for the output."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """The languages that have an engine, ISO 639-1; English is always passed through."""
        ...

    def translate(self, requests: Sequence[TranslationRequest]) -> list[Translation | EmoScribeError]:
        """The English of each text."""
        ...


class Classifier(Protocol):
    """English sentences to scores."""

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that take part, for the output."""
        ...

    def classify(self, requests: Sequence[EmotionRequest]) -> list[EmotionScores | EmoScribeError]:
        """The scores of each sentence."""
        ...

    def explain(self, requests: Sequence[EmotionRequest]) -> list[Explanation | EmoScribeError]:
        """What each word of each sentence does for its label."""
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """The three model stages of one pipeline; shared by any number of analyses."""

    transcriber: Transcriber
    translator: Translator
    classifier: Classifier
