"""Which sentences a person is asked to look at, why, and in which order the reasons stand."""

from dataclasses import replace

import pytest

from emoscribe.labels import LABELS
from emoscribe.segments import ReviewThresholds, make_segment
from emoscribe.sentences import Sentence
from emoscribe.types import EmotionScores, SpokenWord, Translation

THRESHOLDS = ReviewThresholds(language_probability=0.5, transcript_confidence=0.6, emotion_confidence=0.4)
SCORES = EmotionScores({label: 0.9 if label == "fear" else 0.05 for label in LABELS}, "fear", ("fear",), 0.4)
SENTENCE = Sentence(
    words=(SpokenWord(" Que", 1000, 1200, 0.5), SpokenWord(" medo!", 1200, 1700, 0.7)),  # 0.6 in the mean
    language="pt",
    language_probability=0.5,
    average_log_probability=-0.2,
    is_suspect=False,
    has_repetition=False,
    no_speech_probability=0.0,
    temperature=0.0,
)
DOUBTFUL_WORDS = (replace(SENTENCE.words[0], probability=0.49), SENTENCE.words[1])


def reasons(scores: EmotionScores | None = SCORES, **changes: object) -> tuple[str, ...]:
    sentence = replace(SENTENCE, **changes)  # type: ignore[arg-type]  # any field, for tests
    segment = make_segment(0, sentence, Translation("How scary!", "bergamot"), scores, THRESHOLDS)
    assert segment.needs_review == bool(segment.review_reasons)
    return segment.review_reasons


def test_what_reaches_every_threshold_exactly_is_not_flagged() -> None:
    assert reasons() == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scores": replace(SCORES, confidence=0.39)}, "low_confidence"),
        ({"scores": None}, "low_confidence"),
        ({"language_probability": 0.49}, "uncertain_language"),
        ({"words": DOUBTFUL_WORDS}, "uncertain_transcript"),
        ({"has_repetition": True}, "uncertain_transcript"),
        ({"is_suspect": True}, "suspect_hallucination"),
    ],
)
def test_each_doubt_has_its_reason(changes: dict[str, object], reason: str) -> None:
    assert reasons(**changes) == (reason,)  # type: ignore[arg-type]  # any field, for tests


def test_reasons_stand_with_the_most_serious_first() -> None:
    doubts = {"language_probability": 0.1, "words": DOUBTFUL_WORDS}
    assert reasons(None, **doubts) == ("uncertain_language", "uncertain_transcript", "low_confidence")
    assert reasons(None, is_suspect=True, **doubts) == (
        "suspect_hallucination",
        "uncertain_language",
        "uncertain_transcript",
    )


def test_a_segment_carries_what_the_sentence_says() -> None:
    segment = make_segment(3, SENTENCE, Translation("How scary!", "bergamot"), SCORES, THRESHOLDS)
    assert (segment.index, segment.start_ms, segment.end_ms, segment.text) == (3, 1000, 1700, "Que medo!")
    assert [(word.text, word.start_ms) for word in segment.words] == [("Que", 1000), ("medo!", 1200)]
    assert (segment.text_en, segment.translation_engine) == ("How scary!", "bergamot")
    assert segment.emotion is not None
    assert (segment.emotion.label, segment.emotion.confidence, segment.emotion.mixed) == ("fear", 0.4, ("fear",))
