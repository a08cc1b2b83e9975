"""Analyses: submitted as an upload or an S3 address, listed, watched, cancelled, retried, erased."""

from contextlib import ExitStack
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from emoscribe.api.analysis_id import AnalysisId
from emoscribe.api.auth import Caller, Reader, Writer
from emoscribe.api.bounded_body import read_bounded
from emoscribe.api.examples import JOB, JOB_DONE, S3_SUBMISSION
from emoscribe.api.parts import ApiParts, Parts
from emoscribe.api.problem_docs import problems
from emoscribe.api.problems import coded_problem, problem_response
from emoscribe.api.submission_fields import parse_json
from emoscribe.api.upload_form import SpoolOptions, receive_form
from emoscribe.api.waiting import LONGEST_WAIT_S, preferred_wait_s, wait_until_ended
from emoscribe.errors import JobConflictError
from emoscribe.jobs import ANALYSIS_FILE, Job, JobQuery, JobState

MAX_PAGE: Final = 200
_JSON_REF: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}, "example": JOB}}

router = APIRouter(tags=["analyses"])


class JobList(BaseModel):
    """One page of analyses, newest first."""

    analyses: tuple[Job, ...] = Field(description="May be fewer than asked for, even none, before the last page.")
    next: str | None = Field(description="Cursor of the next page; null: this is the last one.")


@router.post(
    "/v1/analyses",
    summary="Submit a recording",
    operation_id="submit_analysis",
    status_code=202,
    response_class=Response,
    responses={
        200: {
            "description": "It has ended: the job or, with `Prefer: wait` and success, the result itself "
            "(`Content-Location` names it).",
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [{"$ref": "#/components/schemas/Job"}, {"$ref": "#/components/schemas/Analysis"}]
                    },
                    "example": JOB_DONE,
                }
            },
        },
        202: {
            "description": "Accepted. `Location` leads to it.",
            "content": _JSON_REF,
            "headers": {"Location": {"schema": {"type": "string"}, "description": "/v1/analyses/{id}"}},
        },
        **problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": {"$ref": "#/components/schemas/UploadSubmission"}},
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/S3Submission"},
                    "example": S3_SUBMISSION,
                },
            },
        }
    },
)
async def submit_analysis(
    request: Request,
    parts: Parts,
    caller: Writer,
    prefer: Annotated[
        str | None, Header(description=f"`wait=N`: wait up to N seconds for the result, {LONGEST_WAIT_S} at most.")
    ] = None,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="Refused (409) if it was used for another analysis.")
    ] = None,
) -> Response:
    """Upload a recording as a form, or name one in S3 as JSON.

    The same recording with the same options is the same analysis: submitting it again answers with it, in whatever
    state it is. `Prefer: wait` is for short recordings: the result comes at once if it is ready in time, a problem if
    the analysis failed, and 202 otherwise.
    """
    job = await _submit(request, parts, caller, idempotency_key)
    wait_s = preferred_wait_s(prefer)
    headers = {"Location": f"/v1/analyses/{job.id}"}
    if wait_s is None:
        return _job_response(job, headers)
    headers["Preference-Applied"] = f"wait={wait_s}"
    job = await wait_until_ended(parts.store, job, wait_s, parts.closing)
    return await _ended_response(request, parts, job, headers) if job.is_final else _job_response(job, headers)


async def _submit(request: Request, parts: ApiParts, caller: Caller, key: str | None) -> Job:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    submissions = parts.submissions
    with ExitStack() as cleanup:
        if kind == "multipart/form-data":
            spool = SpoolOptions(submissions.spool, parts.settings.max_upload_bytes)
            upload, form = await receive_form(request, spool, cleanup)
            wanted = await to_thread.run_sync(submissions.from_upload, upload, form.asked(caller.tenant, key))
        elif kind == "application/json":
            fields = parse_json(await read_bounded(request))
            asked = fields.asked(caller.tenant, key)
            wanted = await to_thread.run_sync(submissions.from_s3, fields.source, asked)
        else:
            raise HTTPException(415, "Send multipart/form-data with a recording, or application/json with its source.")
        return await to_thread.run_sync(parts.store.submit, wanted)


def _job_response(job: Job, headers: dict[str, str]) -> Response:
    return Response(job.model_dump_json(), 200 if job.is_final else 202, headers, "application/json")


async def _ended_response(request: Request, parts: ApiParts, job: Job, headers: dict[str, str]) -> Response:
    """Of a job whose result was waited for."""
    if job.state == "done":
        content = await to_thread.run_sync(parts.store.read_result, job.tenant, job.id, ANALYSIS_FILE)
        headers["Content-Location"] = f"/v1/analyses/{job.id}/result.json"
        return Response(content, 200, headers, "application/json")
    if job.error is None:
        raise JobConflictError("The analysis was cancelled.", fix=f"POST /v1/analyses/{job.id}/retry starts it again.")
    problem = coded_problem(job.error.code, job.error.message, job.error.fix)
    return problem_response(request, problem.model_copy(update={"analysis_id": job.id}), headers)


def _example(example: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


@router.get(
    "/v1/analyses",
    summary="List analyses",
    operation_id="list_analyses",
    responses={
        200: _example({"analyses": [JOB_DONE, JOB], "next": "42"}, "One page; `Link` with rel=next leads on."),
        **problems(400, 401, 403, 503),
    },
)
def list_analyses(
    parts: Parts,
    caller: Reader,
    response: Response,
    state: Annotated[list[JobState] | None, Query(description="Only in these states; may be repeated.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Longest page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=2048, description="`next` of the page before.")] = None,
) -> JobList:
    """The tenant's analyses, newest first."""
    query = JobQuery(tenant=caller.tenant, states=frozenset(state or ()), limit=limit, cursor=cursor)
    page = parts.store.list(query)
    if page.cursor is not None:
        again = [("state", one) for one in state or ()] + [("limit", str(limit)), ("cursor", page.cursor)]
        response.headers["Link"] = f'</v1/analyses?{urlencode(again)}>; rel="next"'
    return JobList(analyses=page.jobs, next=page.cursor)


@router.get(
    "/v1/analyses/{analysis_id}",
    summary="See how far an analysis is",
    operation_id="get_analysis",
    responses={200: _example(JOB_DONE, "The analysis."), **problems(401, 403, 404, 503)},
)
def get_analysis(parts: Parts, caller: Reader, analysis_id: AnalysisId) -> Job:
    """State, stage, progress, times, and the error of one that failed."""
    return parts.store.get(caller.tenant, analysis_id)


@router.delete(
    "/v1/analyses/{analysis_id}",
    summary="Erase an analysis",
    operation_id="delete_analysis",
    status_code=204,
    responses={204: {"description": "Erased."}, **problems(401, 403, 404, 503)},
)
def delete_analysis(parts: Parts, caller: Writer, analysis_id: AnalysisId) -> None:
    """Cancels it if it runs, and erases all of it: upload, text, results, corrections. Objects in your bucket stay."""
    parts.store.delete(caller.tenant, analysis_id)
    parts.forget(caller.tenant, analysis_id)


@router.post(
    "/v1/analyses/{analysis_id}/cancel",
    summary="Cancel an analysis",
    operation_id="cancel_analysis",
    responses={200: _example(JOB | {"state": "cancelled"}, "The analysis."), **problems(401, 403, 404, 503)},
)
def cancel_analysis(parts: Parts, caller: Writer, analysis_id: AnalysisId) -> Job:
    """No result will appear; work stops within seconds. One that has ended stays as it is, and is told as it is."""
    return parts.store.cancel(caller.tenant, analysis_id)


@router.post(
    "/v1/analyses/{analysis_id}/retry",
    summary="Try a failed or cancelled analysis again",
    operation_id="retry_analysis",
    status_code=202,
    responses={202: _example(JOB, "The analysis, queued."), **problems(401, 403, 404, 409, 503)},
)
def retry_analysis(parts: Parts, caller: Writer, analysis_id: AnalysisId, response: Response) -> Job:
    """Queue it again, as if new. 409 `job_conflict` for one that is done."""
    response.headers["Location"] = f"/v1/analyses/{analysis_id}"
    return parts.store.retry(caller.tenant, analysis_id)
