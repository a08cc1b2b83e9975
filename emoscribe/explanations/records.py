"""From the classifier's weights to what stands in a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emoscribe.errors import EmoScribeError
from emoscribe.explanations.alignment import align_by_dictionary, align_same_text, to_look_up
from emoscribe.stages import Stages, Translator
from emoscribe.types import (
    EmotionExplanation,
    EmotionRequest,
    ExplainedWord,
    Explanation,
    Segment,
    Translation,
    TranslationRequest,
    Word,
)

WEIGHT_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class Explained:
    """A text whose English was explained."""

    text: str
    words: tuple[str, ...]  # of the text
    language: str  # ISO 639-1
    explanation: Explanation


def explain_segments(
    segments: Sequence[Segment], requests: Sequence[EmotionRequest | None], stages: Stages
) -> list[EmotionExplanation | EmoScribeError | None]:
    """Why each segment has its label; None for one that has no emotion. `requests`: as they were classified."""
    asked = [
        (number, request)
        for number, (segment, request) in enumerate(zip(segments, requests, strict=True))
        if segment.emotion and request
    ]
    outcomes = stages.classifier.explain([request for _, request in asked])
    found: dict[int, EmotionExplanation | EmoScribeError] = {}
    good: dict[int, Explained] = {}
    for (number, _), outcome in zip(asked, outcomes, strict=True):
        if isinstance(outcome, EmoScribeError):
            found[number] = outcome
        else:
            one = segments[number]
            words = tuple(word.text for word in one.words)
            good[number] = Explained(one.text, words, one.language, outcome)
    records = explain_texts(list(good.values()), stages.translator)
    found |= {n: _with_times(record, segments[n].words) for n, record in zip(good, records, strict=True)}
    return [found.get(number) for number in range(len(segments))]


def with_explanation(segment: Segment, outcome: EmotionExplanation | EmoScribeError | None) -> Segment:
    """The segment with its explanation, if there is one."""
    if segment.emotion is None or not isinstance(outcome, EmotionExplanation):
        return segment
    emotion = segment.emotion.model_copy(update={"explanation": outcome})
    return segment.model_copy(update={"emotion": emotion})


def explain_texts(texts: Sequence[Explained], translator: Translator) -> list[EmotionExplanation]:
    """The explanation of each text, with the words of the text that its English words stand for."""
    meanings = _meanings(texts, translator)
    return [_record(one, meanings.get(one.language)) for one in texts]


def _meanings(texts: Sequence[Explained], translator: Translator) -> Mapping[str, Mapping[str, str]]:
    """The English of each word by itself, by language; a language that has no engine is missing."""
    asked = {
        TranslationRequest(entry, one.language): None
        for one in texts
        if one.language != "en" and one.language in translator.languages
        for entry in to_look_up(one.words)
    }
    found: dict[str, dict[str, str]] = {}
    for request, outcome in zip(asked, translator.translate(list(asked)), strict=True):
        words = found.setdefault(request.language, {})
        if isinstance(outcome, Translation):
            words[request.text] = outcome.text_en
    return found


def _record(one: Explained, meanings: Mapping[str, str] | None) -> EmotionExplanation:
    weights = one.explanation.words
    places: list[tuple[int, ...]] = [()] * len(weights)
    if one.language == "en":
        places = align_same_text(one.text, one.words, [(word.start, word.end) for word in weights])
    elif meanings is not None:
        places = align_by_dictionary(one.words, [word.text for word in weights], meanings)
    return EmotionExplanation(
        label=one.explanation.label,
        method=one.explanation.method,
        alignment="same_text" if one.language == "en" else "none" if meanings is None else "lexical",
        words=tuple(
            ExplainedWord(text=word.text, weight=round(word.weight, WEIGHT_DECIMALS), source_words=place)
            for word, place in zip(weights, places, strict=True)
        ),
        context_weight=round(one.explanation.context_weight, WEIGHT_DECIMALS),
    )


def _with_times(record: EmotionExplanation, words: Sequence[Word]) -> EmotionExplanation:
    """With the time from the first to the last of each word's source words."""
    return record.model_copy(update={"words": tuple(_timed(word, words) for word in record.words)})


def _timed(word: ExplainedWord, words: Sequence[Word]) -> ExplainedWord:
    if not word.source_words:
        return word
    spoken = [words[number] for number in word.source_words]
    times = {"start_ms": min(one.start_ms for one in spoken), "end_ms": max(one.end_ms for one in spoken)}
    return word.model_copy(update=times)
