"""One sentence with its translation and its scores becomes one `Segment`, with the reasons to look at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from emoscribe.sentences import Sentence
from emoscribe.types import Emotion, EmotionScores, ReviewReason, Segment, Translation, Word


@dataclass(frozen=True, slots=True)
class ReviewThresholds:
    """Below these a sentence is flagged. Probabilities in [0, 1]; defaults as in `Settings`."""

    language_probability: float = 0.5
    transcript_confidence: float = 0.6
    emotion_confidence: float | None = None  # None: what the model asks for each label


def make_segment(
    index: int,
    sentence: Sentence,
    translation: Translation,
    scores: EmotionScores | None,
    thresholds: ReviewThresholds,
) -> Segment:
    """The segment of a sentence. `scores` is None where the words were not to be, or could not be, classified."""
    confidence = fmean(word.probability for word in sentence.words)
    reasons = tuple(_review_reasons(sentence, confidence, scores, thresholds))
    return Segment(
        index=index,
        start_ms=sentence.start_ms,
        end_ms=sentence.end_ms,
        text=sentence.text,
        language=sentence.language,
        language_probability=round(sentence.language_probability, 4),
        text_en=translation.text_en,
        translation_engine=translation.engine,
        transcript_confidence=round(confidence, 4),
        emotion=_emotion(scores),
        needs_review=bool(reasons),
        review_reasons=reasons,
        words=tuple(
            Word(text=w.text.strip(), start_ms=w.start_ms, end_ms=w.end_ms, probability=round(w.probability, 4))
            for w in sentence.words
        ),
    )


def _emotion(scores: EmotionScores | None) -> Emotion | None:
    if scores is None:
        return None
    return Emotion(
        label=scores.label,
        confidence=round(scores.confidence, 4),
        mixed=scores.mixed,
        scores={label: round(score, 4) for label, score in scores.scores.items()},
        context_used=scores.context_used,
    )


def _review_reasons(
    sentence: Sentence, transcript_confidence: float, scores: EmotionScores | None, thresholds: ReviewThresholds
) -> Iterator[ReviewReason]:
    """Most serious first: invented text, wrong language, doubtful words, doubtful emotion."""
    if sentence.is_suspect:
        yield "suspect_hallucination"
    if sentence.language_probability < thresholds.language_probability:
        yield "uncertain_language"
    if transcript_confidence < thresholds.transcript_confidence or sentence.has_repetition:
        yield "uncertain_transcript"
    if not sentence.is_suspect and (scores is None or scores.is_below(thresholds.emotion_confidence)):
        yield "low_confidence"
