"""Texts without media: put into English, and their emotions scored. One bad text does not fail the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from emoscribe.errors import EmoScribeError, UnsupportedLanguageError
from emoscribe.explanations import Explained, explain_texts
from emoscribe.labels import Label
from emoscribe.stages import Classifier, Translator
from emoscribe.types import (
    EmotionExplanation,
    EmotionRequest,
    EmotionScores,
    Explanation,
    Probability,
    Translation,
    TranslationRequest,
)


class TextError(BaseModel):
    """Why there is no result for one text."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="Stable code, as in docs/errors.md.")
    message: str = Field(description="Cause.")

    @classmethod
    def of(cls, error: EmoScribeError) -> Self:
        """The part of an error that users see."""
        return cls(code=error.code, message=error.message)


def _is_none(value: object) -> bool:
    return value is None


class TextEmotion(BaseModel):
    """The emotion that one text expresses in its words; not what its writer feels."""

    model_config = ConfigDict(frozen=True)

    text: str = Field(description="As it was given.")
    text_en: str = Field(description="In English; empty if it could not be translated.")
    label: Label | None = Field(default=None, description="The strongest emotion expressed in the words.")
    mixed: tuple[Label, ...] = Field(
        default=(), description="All emotions at or above their class threshold, strongest first."
    )
    scores: dict[Label, Probability] | None = Field(
        default=None, description="Probability of each of the seven labels; independent of each other."
    )
    confidence: Probability | None = Field(default=None, description="Probability that the label is right.")
    needs_review: bool = Field(default=True, description="Whether a person should look.")
    context_used: bool = Field(default=False, description="Whether the sentences before took part in the judgement.")
    explanation: EmotionExplanation | None = Field(
        default=None,
        exclude_if=_is_none,
        description="Weights of the words, if asked for. `source_words` are what white space parts in `text`.",
    )
    error: TextError | None = Field(
        default=None, exclude_if=_is_none, description="Only where this text, or its explanation, failed."
    )


class TextTranslation(BaseModel):
    """One text in English."""

    model_config = ConfigDict(frozen=True)

    text: str = Field(description="As it was given.")
    text_en: str = Field(description="In English; empty if it could not be translated.")
    engine: str = Field(description="What made text_en: bergamot, opus-mt, transformers, phrases, none.")
    model: str = Field(default="", description="Name of the model in the catalogue, if one took part.")
    error: TextError | None = Field(default=None, exclude_if=_is_none, description="Only where this text failed.")


def language_of_texts(tag: str, translator: Translator) -> str:
    """The ISO 639-1 code in a tag such as pt or pt-BR.

    Raises UnsupportedLanguageError for a language whose texts the translator cannot put into English.
    """
    language = tag.lower().replace("_", "-").partition("-")[0]
    if language != "en" and language not in translator.languages:
        known = ", ".join(sorted({"en", *translator.languages}))
        raise UnsupportedLanguageError(
            f"No engine of this profile translates texts from {tag!r}.", fix=f"Languages of texts here: {known}."
        )
    return language


def translate_texts(texts: Sequence[str], language: str, translator: Translator) -> list[TextTranslation]:
    """One row a text, in order. `language` is ISO 639-1."""
    outcomes = translator.translate([TranslationRequest(text, language) for text in texts])
    return [_translation_row(text, outcome) for text, outcome in zip(texts, outcomes, strict=True)]


def _translation_row(text: str, outcome: Translation | EmoScribeError) -> TextTranslation:
    if isinstance(outcome, EmoScribeError):
        return TextTranslation(text=text, text_en="", engine="none", error=TextError.of(outcome))
    return TextTranslation(text=text, text_en=outcome.text_en, engine=outcome.engine, model=outcome.model)


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """How texts are scored."""

    language: str = "en"  # ISO 639-1, of texts and contexts
    review_confidence: float | None = None  # below it a person should look; None: what the model asks
    explain: bool = False


def score_texts(
    texts: Sequence[str],
    contexts: Sequence[str],
    translator: Translator,
    classifier: Classifier,
    options: ScoringOptions,
) -> list[TextEmotion]:
    """One row a text, in order; blank texts have no label. `contexts`: the sentences before each, one a line."""
    english = translate_texts(texts, options.language, translator)
    contexts_en = _contexts_in_english(contexts, options.language, translator)
    asked = [EmotionRequest(row.text_en, context) for row, context in zip(english, contexts_en, strict=True)]
    outcomes = iter(classifier.classify([request for request in asked if request.text.strip()]))
    rows = [
        _emotion_row(row, next(outcomes) if row.text_en.strip() else None, options.review_confidence) for row in english
    ]
    if not options.explain:
        return rows
    labelled = [number for number, row in enumerate(rows) if row.label]
    explanations = classifier.explain([asked[number] for number in labelled])
    explained = _explained([rows[number] for number in labelled], explanations, options.language, translator)
    return [next(explained) if row.label else row for row in rows]


def _explained(
    rows: Sequence[TextEmotion],
    explanations: Sequence[Explanation | EmoScribeError],
    language: str,
    translator: Translator,
) -> Iterator[TextEmotion]:
    """The rows with their explanations; one that could not be explained keeps its label and has an error."""
    good = [
        Explained(row.text, tuple(row.text.split()), language, explanation)
        for row, explanation in zip(rows, explanations, strict=True)
        if isinstance(explanation, Explanation)
    ]
    records = iter(explain_texts(good, translator))
    for row, explanation in zip(rows, explanations, strict=True):
        if isinstance(explanation, EmoScribeError):
            yield row.model_copy(update={"error": TextError.of(explanation)})
        else:
            yield row.model_copy(update={"explanation": next(records)})


def _contexts_in_english(contexts: Sequence[str], language: str, translator: Translator) -> list[str]:
    """Sentence by sentence; what cannot be translated is left out."""
    lines = [line for context in contexts for line in context.splitlines() if line.strip()]
    rows = iter(translate_texts(lines, language, translator) if lines else ())
    return [
        "\n".join(filter(None, [next(rows).text_en for line in context.splitlines() if line.strip()]))
        for context in contexts
    ]


def _emotion_row(
    english: TextTranslation, outcome: EmotionScores | EmoScribeError | None, review_confidence: float | None
) -> TextEmotion:
    text, text_en = english.text, english.text_en
    if isinstance(outcome, EmotionScores):
        return TextEmotion(
            text=text,
            text_en=text_en,
            label=outcome.label,
            mixed=outcome.mixed,
            scores={label: round(score, 4) for label, score in outcome.scores.items()},
            confidence=round(outcome.confidence, 4),
            needs_review=outcome.is_below(review_confidence),
            context_used=outcome.context_used,
        )
    error = TextError.of(outcome) if outcome else english.error
    return TextEmotion(text=text, text_en=text_en, error=error)
