"""What the OpenAPI document says about problems."""

from collections.abc import Mapping
from typing import Any, Final

from emoscribe.api.problems import MEDIA_TYPE, ProblemDetails, coded_problem, status_problem

_EXAMPLES: Final[Mapping[int, ProblemDetails]] = {
    400: coded_problem("invalid_request", "The request is not valid: body.formats.", "Correct the fields named."),
    401: coded_problem("unauthenticated", "A token is needed.", "Send the header `Authorization: Bearer <token>`."),
    403: coded_problem("forbidden", "This token lacks the scope analyses:write.", "Use a token that has it."),
    404: coded_problem("job_not_found", "There is no such analysis.", "`GET /v1/analyses` lists them."),
    409: coded_problem("job_conflict", "The job is running: it has no results.", "Wait until it is done."),
    410: coded_problem("media_not_kept", "The recording is not kept any more."),
    412: coded_problem("correction_conflict", "Sentence 3 was decided on meanwhile.", "Look at the decision first."),
    413: coded_problem("media_too_large", "The upload is larger than 5368709120 bytes.", "Send only the sound."),
    415: coded_problem("unsupported_media", "The file is none of the containers that are read."),
    416: status_problem(416),
    422: coded_problem("unsupported_language", "No engine of this profile translates texts from 'xx'."),
    428: coded_problem("precondition_required", "It is not said which revision was seen.", "Send If-Match."),
    429: status_problem(429),
    502: coded_problem("source_unreachable", "The recording could not be read from S3.", "Try again later."),
    503: coded_problem("job_store_unavailable", "The job store cannot be used now."),
}
_REF: Final = {"$ref": "#/components/schemas/ProblemDetails"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that are problems, with an example each; `default` stands for all others."""
    shown: dict[int | str, dict[str, Any]] = {status: _response(_EXAMPLES[status]) for status in statuses}
    return shown | {"default": {"description": "Any other problem.", "content": {MEDIA_TYPE: {"schema": _REF}}}}


def _response(problem: ProblemDetails) -> dict[str, Any]:
    example = problem.model_copy(update={"request_id": "4be0643f1d98573b97cdca98a65347dd"})
    shown = example.model_dump(mode="json", exclude={"errors", "analysis_id", "current"})
    return {"description": problem.title, "content": {MEDIA_TYPE: {"schema": _REF, "example": shown}}}
