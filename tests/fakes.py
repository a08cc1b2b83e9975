"""Model stages without models, behind the Protocols of `emoscribe.stages`; for edges and for speed.

A fake says what it is told to and records what it was asked. Nothing here is patched into anything.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from emoscribe.errors import EmoScribeError, StageError, UnsupportedLanguageError
from emoscribe.labels import LABELS, Label
from emoscribe.types import (
    SAMPLES_PER_MS,
    EmotionRequest,
    EmotionScores,
    Explanation,
    LanguageGuess,
    ModelInfo,
    Samples,
    SpokenWord,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
    WordWeight,
)


def fake_model(role: str, name: str) -> ModelInfo:
    return ModelInfo.model_validate(
        {"role": role, "name": name, "version": "1", "sha256": "0" * 64, "license": "Apache-2.0"}
    )


def transcript(
    text: str, duration_ms: int, language: str = "pt", probability: float = 0.9, **fields: Any
) -> Transcript:
    """A transcript whose words share the clip evenly."""
    tokens = text.split()
    step = duration_ms // max(len(tokens), 1)
    words = tuple(
        SpokenWord(f" {token}", n * step, (n + 1) * step - step // 10, probability) for n, token in enumerate(tokens)
    )
    return Transcript(words, language, probability, **fields)


@dataclass
class FakeTranscriber:
    """Answers `say(request)`; `languages` are the guesses, in the order asked for (the last one is repeated)."""

    say: Callable[[TranscriptionRequest], Transcript | EmoScribeError]
    languages: Sequence[LanguageGuess] = (LanguageGuess("pt", 0.95, {"pt": 0.95, "es": 0.05}),)
    requests: list[TranscriptionRequest] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    detected: int = 0
    models: tuple[ModelInfo, ...] = (fake_model("transcription", "fake-whisper"),)

    def detect_languages(self, clips: Sequence[Samples]) -> list[LanguageGuess | EmoScribeError]:
        guesses = [self.languages[min(self.detected + n, len(self.languages) - 1)] for n in range(len(clips))]
        self.detected += len(clips)
        return list(guesses)

    def transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript | EmoScribeError]:
        self.requests += requests
        if requests:
            self.batch_sizes.append(len(requests))
        return [self.say(request) for request in requests]


def saying(text: str, language: str = "pt", **fields: Any) -> Callable[[TranscriptionRequest], Transcript]:
    """A `say` that gives the same text for every clip."""

    def say(request: TranscriptionRequest) -> Transcript:
        return transcript(text, len(request.samples) // SAMPLES_PER_MS, request.language or language, **fields)

    return say


@dataclass
class FakeTranslator:
    """Upper-cases what it can translate, passes English through, fails texts that hold "FAIL"."""

    languages: frozenset[str] = frozenset({"pt"})
    requests: list[TranslationRequest] = field(default_factory=list)
    models: tuple[ModelInfo, ...] = (fake_model("translation", "fake-translator"),)

    def translate(self, requests: Sequence[TranslationRequest]) -> list[Translation | EmoScribeError]:
        self.requests += requests
        return [self._one(request) for request in requests]

    def _one(self, request: TranslationRequest) -> Translation | EmoScribeError:
        if "FAIL" in request.text:
            return StageError("The translator failed on this text.")
        if request.language == "en":
            return Translation(request.text, "none")
        if request.language not in self.languages:
            return UnsupportedLanguageError(f"No engine for {request.language}.")
        return Translation(request.text.upper(), "bergamot", "fake-translator")


@dataclass
class FakeClassifier:
    """Finds the name of a label in the text; neutral otherwise. Fails texts that hold "BROKEN".

    The words that hold the label weigh 1, the others 0; texts that hold "OPAQUE" cannot be explained.
    """

    requests: list[EmotionRequest] = field(default_factory=list)
    confidence: float = 0.9
    models: tuple[ModelInfo, ...] = (fake_model("emotion", "fake-emotion"),)

    def classify(self, requests: Sequence[EmotionRequest]) -> list[EmotionScores | EmoScribeError]:
        self.requests += requests
        return [self._one(request) for request in requests]

    def explain(self, requests: Sequence[EmotionRequest]) -> list[Explanation | EmoScribeError]:
        return [self._explain_one(request) for request in requests]

    def _explain_one(self, request: EmotionRequest) -> Explanation | EmoScribeError:
        scores = self._one(request)
        if isinstance(scores, EmoScribeError) or "OPAQUE" in request.text:
            return scores if isinstance(scores, EmoScribeError) else StageError("Nobody can explain this text.")
        spans = [match.span() for match in re.finditer(r"\S+", request.text)]
        words = [(request.text[start:end], start, end) for start, end in spans]
        weights = tuple(WordWeight(word, float(scores.label in word.lower()), *span) for word, *span in words)
        return Explanation(scores.label, "fake", weights, scores.context_used)

    def _one(self, request: EmotionRequest) -> EmotionScores | EmoScribeError:
        text = request.text
        if "BROKEN" in text:
            return StageError("The classifier failed on this text.")
        found: Label = next((label for label in LABELS if label in text.lower()), "neutral")
        scores = {label: self.confidence if label == found else 0.05 for label in LABELS}
        return EmotionScores(scores, found, (found,), self.confidence, context_used=bool(request.context))
