"""What comes with a recording: the fields of a submission, as JSON or as parts of a form."""

from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emoscribe.errors import InvalidRequestError
from emoscribe.job_setup import Asked
from emoscribe.jobs import JobOptions
from emoscribe.report import FORMATS


def _split(value: object) -> object:
    return [name for part in value.split(",") if (name := part.strip())] if isinstance(value, str) else value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value  # what a form sends for a field that was left empty


class SubmissionFields(BaseModel):
    """Options of an analysis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Annotated[str | None, BeforeValidator(_empty_is_none)] = Field(
        default=None, max_length=35, description="Language spoken, ISO 639-1; absent or `auto`: detected."
    )
    audio_track: Annotated[int | None, BeforeValidator(_empty_is_none)] = Field(
        default=None, ge=0, description="Which audio track to analyse, from 0; absent: the first."
    )
    formats: Annotated[tuple[str, ...], BeforeValidator(_split, json_schema_input_type=str | tuple[str, ...])] = Field(
        default=("json",),
        max_length=100,
        description=f"Formats to make at once, as a list or separated by commas: {', '.join(FORMATS)}, all. JSON is "
        "always made, and every other format can be had later.",
    )
    explain: bool = Field(
        default=False,
        description="With the weights of each sentence's words; the explanation of one sentence can be had later too.",
    )
    callback_url: Annotated[str | None, BeforeValidator(_empty_is_none)] = Field(
        default=None, max_length=2048, description="Public https or http address that is told when the analysis ends."
    )
    idempotency_key: Annotated[str | None, BeforeValidator(_empty_is_none)] = Field(
        default=None, max_length=255, description="As the header Idempotency-Key."
    )

    def asked(self, tenant: str, header_key: str | None) -> Asked:
        """What is asked of the job system. Raises InvalidRequestError if header and field name different keys."""
        if header_key and self.idempotency_key and header_key != self.idempotency_key:
            raise InvalidRequestError(
                "The header Idempotency-Key and the field idempotency_key differ.", fix="Send one of them."
            )
        options = JobOptions(
            language=self.language, audio_track=self.audio_track, formats=self.formats, explain=self.explain
        )
        return Asked(options, tenant, self.callback_url, header_key or self.idempotency_key)


class S3Submission(SubmissionFields):
    """A recording in S3, to be analysed."""

    source: str = Field(max_length=1500, description="s3://bucket/key, in a place the operator allows.")


class UploadSubmission(SubmissionFields):
    """A recording to be analysed, as a form. The fields may come in any order."""

    file: str = Field(
        description="The recording: mp4, mov, mkv, webm, avi, mpeg-ts, mp3, wav, flac, ogg or m4a; its content counts.",
        json_schema_extra={"format": "binary"},
    )


def parse_json(body: bytes) -> S3Submission:
    """Raises RequestValidationError."""
    try:
        return S3Submission.model_validate_json(body)
    except ValidationError as error:
        raise _as_request_error(error) from None


def parse_form(values: dict[str, Any]) -> SubmissionFields:
    """The fields beside the file. Raises RequestValidationError."""
    try:
        return SubmissionFields.model_validate(values)
    except ValidationError as error:
        raise _as_request_error(error) from None


def _as_request_error(error: ValidationError) -> RequestValidationError:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found])
