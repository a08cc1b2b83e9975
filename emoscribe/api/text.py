"""Texts, answered at once: emotions and translations. Nothing is kept."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal, Self, TypeVar

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from emoscribe.api.auth import TextUser
from emoscribe.api.bounded_body import BoundedRoute
from emoscribe.api.examples import MODEL, SCORES, TEXTS
from emoscribe.api.parts import Parts
from emoscribe.api.problem_docs import problems
from emoscribe.errors import InvalidRequestError
from emoscribe.texts import (
    ScoringOptions,
    TextEmotion,
    TextError,
    TextTranslation,
    language_of_texts,
    score_texts,
    translate_texts,
)
from emoscribe.types import STATEMENT, ModelInfo

MAX_TEXTS: Final = 256
MAX_TEXT_CHARACTERS: Final = 5000
MAX_EXPLAINED_TEXTS: Final = 32  # an explanation costs about ten times as much as a label

router = APIRouter(tags=["texts"], route_class=BoundedRoute)

_Row = TypeVar("_Row")


def _check_is_unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair") from None
    return text


Text = Annotated[str, AfterValidator(_check_is_unicode)]


class Texts(BaseModel):
    """Texts of one language."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [TEXTS]})

    texts: Annotated[tuple[Text, ...], Field(max_length=MAX_TEXTS)] = Field(
        description=f"Sentences or short paragraphs; one of more than {MAX_TEXT_CHARACTERS} characters fails."
    )
    language: Annotated[Text, Field(min_length=2, max_length=35)] = Field(
        default="en", description="Of all of them, ISO 639-1."
    )


class EmotionTexts(Texts):
    """Texts of one language whose emotions are asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [TEXTS]})

    contexts: Annotated[tuple[Text, ...], Field(max_length=MAX_TEXTS)] = Field(
        default=(),
        description="Nothing, or one for each text: the sentences said before it, in the same language, one a line, "
        "the nearest last. The last two have a say, if the model hears any; `context_used` tells.",
    )
    explain: bool = Field(
        default=False, description=f"With the weights of the words; then at most {MAX_EXPLAINED_TEXTS} texts."
    )

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        if self.contexts and len(self.contexts) != len(self.texts):
            raise ValueError("contexts must be as many as texts, or none")
        if self.explain and len(self.texts) > MAX_EXPLAINED_TEXTS:
            raise ValueError(f"no more than {MAX_EXPLAINED_TEXTS} texts can be explained at once")
        return self

    @property
    def with_contexts(self) -> list[tuple[str, str]]:
        """Each text with its context, empty for none; of one that is too long its end."""
        contexts = self.contexts or ("",) * len(self.texts)
        return [(text, context[-MAX_TEXT_CHARACTERS:]) for text, context in zip(self.texts, contexts, strict=True)]


class EmotionList(BaseModel):
    """A row for each text, in order."""

    statement: str = Field(default=STATEMENT, description="What the labels mean.")
    modalities: tuple[Literal["text"], ...] = Field(default=("text",), description="What the labels were derived from.")
    language: str = Field(description="Language of the texts.")
    emotions: tuple[TextEmotion, ...] = Field(description="One row a text.")
    models: tuple[ModelInfo, ...] = Field(description="The models that may have taken part.")


class TranslationList(BaseModel):
    """A row for each text, in order."""

    language: str = Field(description="Language of the texts.")
    translations: tuple[TextTranslation, ...] = Field(description="One row a text.")
    models: tuple[ModelInfo, ...] = Field(description="The models that may have taken part.")


_EMOTIONS: Final = {
    "statement": STATEMENT,
    "modalities": ["text"],
    "language": "pt",
    "emotions": [
        {
            "text": "Que alegria te ver!",
            "text_en": "What a joy to see you!",
            "label": "happiness",
            "mixed": ["happiness"],
            "scores": SCORES,
            "confidence": 0.93,
            "needs_review": False,
            "context_used": False,
        }
    ],
    "models": [{"role": "emotion", "name": "emotion", **MODEL}],
}
_TRANSLATIONS: Final = {
    "language": "pt",
    "translations": [
        {
            "text": "Que alegria te ver!",
            "text_en": "What a joy to see you!",
            "engine": "bergamot",
            "model": "bergamot-pt-en",
        }
    ],
    "models": [{"role": "translation", "name": "bergamot-pt-en", **MODEL}],
}


@router.post(
    "/v1/emotions",
    summary="Score texts",
    operation_id="score_texts",
    responses={
        200: {"description": "The scores.", "content": {"application/json": {"example": _EMOTIONS}}},
        **problems(400, 401, 403, 413, 422, 429, 503),
    },
)
def post_emotions(parts: Parts, _caller: TextUser, body: EmotionTexts) -> EmotionList:
    """The emotion that each text expresses in its words, from the words alone: not what anybody feels.

    A text that cannot be scored carries an `error`; the others are not affected. Blank texts have no label.
    """
    translator, classifier = parts.stages.translator, parts.stages.classifier
    language = language_of_texts(body.language, translator)
    options = ScoringOptions(language, parts.settings.review_emotion_confidence, body.explain)

    def score(texts: Sequence[tuple[str, str]]) -> Sequence[TextEmotion]:
        return score_texts([text for text, _ in texts], [one for _, one in texts], translator, classifier, options)

    rows = _rows(body.with_contexts, score, lambda text, error: TextEmotion(text=text, text_en="", error=error))
    models = (*_translation_models(parts, language), *classifier.models)
    return EmotionList(language=language, emotions=tuple(rows), models=models)


@router.post(
    "/v1/translations",
    summary="Put texts into English",
    operation_id="translate_texts",
    responses={
        200: {"description": "The English.", "content": {"application/json": {"example": _TRANSLATIONS}}},
        **problems(400, 401, 403, 413, 422, 429, 503),
    },
)
def post_translations(parts: Parts, _caller: TextUser, body: Texts) -> TranslationList:
    """English for each text. One that cannot be translated carries an `error`; the others are not affected."""
    translator = parts.stages.translator
    language = language_of_texts(body.language, translator)
    rows = _rows(
        [(text, "") for text in body.texts],
        lambda texts: translate_texts([text for text, _ in texts], language, translator),
        lambda text, error: TextTranslation(text=text, text_en="", engine="none", error=error),
    )
    return TranslationList(
        language=language, translations=tuple(rows), models=tuple(_translation_models(parts, language))
    )


def _translation_models(parts: Parts, language: str) -> Sequence[ModelInfo]:
    return () if language == "en" else parts.stages.translator.models


def _rows(
    texts: Sequence[tuple[str, str]],
    work: Callable[[Sequence[tuple[str, str]]], Sequence[_Row]],
    fail: Callable[[str, TextError], _Row],
) -> list[_Row]:
    """A row for each text (with its context): those that are too long fail, the others are worked on together."""
    too_long = TextError.of(InvalidRequestError(f"The text has more than {MAX_TEXT_CHARACTERS} characters."))
    rows = iter(work([one for one in texts if len(one[0]) <= MAX_TEXT_CHARACTERS]))
    return [next(rows) if len(text) <= MAX_TEXT_CHARACTERS else fail(text, too_long) for text, _ in texts]
