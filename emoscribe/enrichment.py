"""English and scores for a batch of sentences; what fails comes back as a problem beside its sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from emoscribe.errors import EmoScribeError
from emoscribe.sentences import Sentence
from emoscribe.stages import Classifier, Stages
from emoscribe.types import (
    Clip,
    EmotionScores,
    Samples,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
)

NO_TRANSLATION = Translation("", "none")


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


def classify(sentences: Sequence[Sentence], english: Sequence[Translated], classifier: Classifier) -> list[Scored]:
    """Scores for each sentence that has English and does not look invented."""
    wanted = [bool(e.translation.text_en) and not s.is_suspect for s, e in zip(sentences, english, strict=True)]
    texts = [e.translation.text_en for e, is_wanted in zip(english, wanted, strict=True) if is_wanted]
    outcomes = iter(classifier.classify(texts))
    return [_scored(next(outcomes)) if is_wanted else Scored() for is_wanted in wanted]


def _scored(outcome: EmotionScores | EmoScribeError) -> Scored:
    return Scored(error=outcome) if isinstance(outcome, EmoScribeError) else Scored(outcome)


def _sound(clips: Iterable[Clip], start_ms: int, end_ms: int) -> Samples:
    """The samples between two places of the recording, as far as the clips hold them."""
    return np.concatenate([np.zeros(0, np.float32), *(clip.between(start_ms, end_ms) for clip in clips)])
