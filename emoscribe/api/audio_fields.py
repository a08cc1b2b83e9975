"""The form fields of OpenAI's audio API: which are used, which are accepted without effect, which are refused."""

from typing import Annotated, Any, Literal, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emoscribe.errors import InvalidRequestError

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity = Literal["word", "segment"]
Fields = TypeVar("Fields", bound=BaseModel)


def _empty_is_none(value: object) -> object:
    return None if value == "" else value  # what a form sends for a field that was left empty


Language = Annotated[Annotated[str, Field(max_length=35)] | None, BeforeValidator(_empty_is_none)]
NO_EFFECT = "Accepted, without effect."


class AudioFields(BaseModel):
    """What both routes take."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    model: str = Field(max_length=256, description="Any name; the answer names the model that was used.")
    language: Language = Field(None, description="Language spoken, ISO 639-1; absent or `auto`: detected.")
    prompt: str = Field("", description="Text that shows names and spelling; its last 223 tokens count.")
    response_format: ResponseFormat = Field("json", description="Form of the answer.")
    temperature: float = Field(
        0, ge=0, le=1, description=f"{NO_EFFECT} Decoding starts at 0 and gets warmer by itself where it fails."
    )


class TranslationFields(AudioFields):
    """What /v1/audio/translations takes. `language` is an addition of ours, and `prompt` has no effect."""


class TranscriptionFields(AudioFields):
    """What /v1/audio/transcriptions takes."""

    timestamp_granularities: tuple[Granularity, ...] = Field(
        ("segment",), alias="timestamp_granularities[]", description="For `verbose_json`: which times it has."
    )
    stream: bool = Field(False, description="Send the text while it is made, as server-sent events.")
    include: tuple[str, ...] = Field((), alias="include[]", description=NO_EFFECT)
    chunking_strategy: str | None = Field(None, description=f"{NO_EFFECT} Recordings are cut where nobody speaks.")
    chunking_type: str | None = Field(None, alias="chunking_strategy[type]", description=NO_EFFECT)
    chunking_padding: str | None = Field(None, alias="chunking_strategy[prefix_padding_ms]", description=NO_EFFECT)
    chunking_silence: str | None = Field(None, alias="chunking_strategy[silence_duration_ms]", description=NO_EFFECT)
    chunking_threshold: str | None = Field(None, alias="chunking_strategy[threshold]", description=NO_EFFECT)


def field_names(kind: type[BaseModel]) -> tuple[str, ...]:
    """The names that the fields have in a form."""
    return tuple(field.alias or name for name, field in kind.model_fields.items())


def parse_fields(kind: type[Fields], values: dict[str, Any]) -> Fields:
    """Raises InvalidRequestError, and RequestValidationError for fields that do not validate."""
    if values.get("response_format") == "diarized_json":
        raise InvalidRequestError(
            "There is no diarized_json: speakers are not told apart.", fix="Use json, text, srt, verbose_json or vtt."
        )
    try:
        fields = kind.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None
    _check_streamable(fields)
    return fields


def _check_streamable(fields: BaseModel) -> None:
    if isinstance(fields, TranscriptionFields) and fields.stream and fields.response_format not in {"json", "text"}:
        raise InvalidRequestError(
            f"There is no stream of {fields.response_format}.", fix="Ask for json, or leave out `stream`."
        )
