"""English and scores for a batch of sentences; what fails comes back as a problem beside its sentence.

Which sentences the classifier is told as context is decided here, in `ContextWindow`, and nowhere else.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emoscribe.errors import EmoScribeError
from emoscribe.sentences import Sentence
from emoscribe.stages import Classifier, Stages
from emoscribe.types import (
    Clip,
    EmotionRequest,
    EmotionScores,
    Samples,
    Segment,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
)

NO_TRANSLATION = Translation("", "none")
CONTEXT_SENTENCES: Final = 2
MAX_CONTEXT_PAUSE_MS: Final = 10_000  # after a longer silence something else begins


@dataclass(frozen=True, slots=True)
class Translated:
    """A sentence's English, and the error if there is none."""

    translation: Translation
    error: EmoScribeError | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A sentence's scores; None without an error for text that is not to be classified."""

    scores: EmotionScores | None = None
    error: EmoScribeError | None = None


def translate(sentences: Sequence[Sentence], clips: Iterable[Clip], stages: Stages) -> list[Translated]:
    """English for each sentence: by the translator or, where it has no engine, by Whisper from its sound in `clips`."""
    has_engine = [s.language == "en" or s.language in stages.translator.languages for s in sentences]
    texts = [TranslationRequest(s.text, s.language) for s, has in zip(sentences, has_engine, strict=True) if has]
    sounds = [
        TranscriptionRequest(_sound(clips, s.start_ms, s.end_ms), language=s.language, task="translate")
        for s, has in zip(sentences, has_engine, strict=True)
        if not has
    ]
    from_text = iter(stages.translator.translate(texts))
    from_sound = iter(stages.transcriber.transcribe(sounds))
    outcomes = [next(from_text) if has else next(from_sound) for has in has_engine]
    return [_translated(outcome) for outcome in outcomes]


def _translated(outcome: Translation | Transcript | EmoScribeError) -> Translated:
    match outcome:
        case EmoScribeError():
            return Translated(NO_TRANSLATION, outcome)
        case Transcript():
            return Translated(Translation(outcome.text, "whisper"))
        case Translation():
            return Translated(outcome)


class ContextWindow:
    """The sentences of one recording before the one at hand, in English: the two before it at most.

    What looks invented, and what has no English, is passed over; a pause of more than ten seconds ends it.
    """

    def __init__(self) -> None:
        self._said: deque[tuple[int, int, str]] = deque(maxlen=CONTEXT_SENTENCES)  # start, end, English

    def move_on(self, start_ms: int, end_ms: int, text_en: str) -> EmotionRequest:
        """The request for the next sentence, which then is context itself."""
        context: list[str] = []
        next_start_ms = start_ms
        for said_start_ms, said_end_ms, said in reversed(self._said):
            if next_start_ms - said_end_ms > MAX_CONTEXT_PAUSE_MS:
                break
            context.insert(0, said)
            next_start_ms = said_start_ms
        self._said.append((start_ms, end_ms, " ".join(text_en.split())))
        return EmotionRequest(text_en, "\n".join(context))


def emotion_requests(
    sentences: Sequence[Sentence], english: Sequence[Translated], window: ContextWindow
) -> list[EmotionRequest | None]:
    """What the classifier is asked; None for a sentence that has no English or looks invented."""
    return [
        window.move_on(sentence.start_ms, sentence.end_ms, translated.translation.text_en)
        if translated.translation.text_en and not sentence.is_suspect
        else None
        for sentence, translated in zip(sentences, english, strict=True)
    ]


def classify(requests: Sequence[EmotionRequest | None], classifier: Classifier) -> list[Scored]:
    """Scores for each sentence that is to be judged."""
    outcomes = iter(classifier.classify([request for request in requests if request]))
    return [_scored(next(outcomes)) if request else Scored() for request in requests]


def requests_of(segments: Iterable[Segment]) -> list[EmotionRequest | None]:
    """What the classifier was asked for each segment of an analysis, as `emotion_requests` had it."""
    window = ContextWindow()
    return [
        window.move_on(one.start_ms, one.end_ms, one.text_en)
        if one.text_en and "suspect_hallucination" not in one.review_reasons
        else None
        for one in segments
    ]


def _scored(outcome: EmotionScores | EmoScribeError) -> Scored:
    return Scored(error=outcome) if isinstance(outcome, EmoScribeError) else Scored(outcome)


def _sound(clips: Iterable[Clip], start_ms: int, end_ms: int) -> Samples:
    """The samples between two places of the recording, as far as the clips hold them."""
    return np.concatenate([np.zeros(0, np.float32), *(clip.between(start_ms, end_ms) for clip in clips)])
