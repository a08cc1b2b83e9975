"""Texts without media: put into English, and their emotions scored. One bad text does not fail the others."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from emoscribe.errors import EmoScribeError, UnsupportedLanguageError
from emoscribe.labels import Label
from emoscribe.stages import Classifier, Translator
from emoscribe.types import EmotionScores, Probability, Translation, TranslationRequest


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
    error: TextError | None = Field(default=None, exclude_if=_is_none, description="Only where this text failed.")


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


def score_texts(
    texts: Sequence[str], language: str, translator: Translator, classifier: Classifier, review_confidence: float
) -> list[TextEmotion]:
    """One row a text, in order. Below `review_confidence` a person should look; blank texts have no label."""
    english = translate_texts(texts, language, translator)
    outcomes = iter(classifier.classify([row.text_en for row in english if row.text_en.strip()]))
    return [_emotion_row(row, next(outcomes) if row.text_en.strip() else None, review_confidence) for row in english]


def _emotion_row(
    english: TextTranslation, outcome: EmotionScores | EmoScribeError | None, review_confidence: float
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
            needs_review=outcome.confidence < review_confidence,
        )
    error = TextError.of(outcome) if outcome else english.error
    return TextEmotion(text=text, text_en=text_en, error=error)
