"""The results of an analysis, in every format. What was not made with the analysis is made from it now."""

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Response

from emoscribe.api.analysis_id import AnalysisId
from emoscribe.api.auth import Reader
from emoscribe.api.parts import Parts
from emoscribe.api.problem_docs import problems
from emoscribe.errors import JobNotFoundError
from emoscribe.jobs import ANALYSIS_FILE, Job, JobStore
from emoscribe.report import FORMATS, Format, read_analysis, render

_BY_SUFFIX: Final = {one.suffix.removeprefix("."): one for one in FORMATS.values()}
_LONGEST_STEM: Final = 100
# The page's own policy, inside it, allows its script and nothing else. This one keeps the page away from the service:
# in a sandbox it has an origin of its own, so it could not use the reader's access whatever it held.
_PAGE_POLICY: Final = "; ".join(
    [
        "sandbox allow-scripts allow-downloads",
        "base-uri 'none'",
        "form-action 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    ]
)

router = APIRouter(tags=["analyses"])


@router.get(
    "/v1/analyses/{analysis_id}/result.{suffix}",
    summary="Get the result in one format",
    operation_id="get_result",
    response_class=Response,
    responses={
        200: {
            "description": "The result.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Analysis"}},
                **{one.media_type.split(";")[0]: {} for one in FORMATS.values() if one.name != "json"},
            },
        },
        304: {"description": "It is the one the client has (If-None-Match)."},
        **problems(401, 403, 404, 409, 503),
    },
)
def get_result(
    parts: Parts,
    caller: Reader,
    analysis_id: AnalysisId,
    suffix: Annotated[str, Path(description="Format.", json_schema_extra={"enum": list(_BY_SUFFIX)})],
    if_none_match: Annotated[str | None, Header(description="ETag of the result the client has.")] = None,
) -> Response:
    """The whole result: what is said and which emotion the words express. 409 `job_conflict` until it is done.

    JSON holds everything and is described by `docs/analysis.schema.json`; CSV and Parquet have a row per sentence; SRT
    and VTT are subtitles (`en.srt`, `en.vtt`: in English); HTML is a page that needs nothing else.
    """
    wanted = _BY_SUFFIX.get(suffix)
    if wanted is None:
        raise JobNotFoundError("There is no such format.", fix=f"The formats are {', '.join(_BY_SUFFIX)}.")
    job, content = _read(parts.store, caller.tenant, analysis_id, wanted)
    headers = _headers(job, wanted, content)
    if _is_known(headers["ETag"], if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=wanted.media_type)


def _read(store: JobStore, tenant: str, job_id: str, wanted: Format) -> tuple[Job, bytes]:
    job = store.get(tenant, job_id)
    name = f"analysis{wanted.suffix}"
    if name in job.results:
        return job, store.read_result(tenant, job_id, name)
    return job, render(read_analysis(store.read_result(tenant, job_id, ANALYSIS_FILE)), wanted.name)


def _headers(job: Job, wanted: Format, content: bytes) -> dict[str, str]:
    headers = {
        "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": _disposition(job.source_name, wanted),
    }
    if wanted.name == "html":
        headers |= {"Content-Security-Policy": _PAGE_POLICY, "Referrer-Policy": "no-referrer"}
    return headers


def _disposition(source_name: str, wanted: Format) -> str:
    """A name for the file: the recording's, in letters that no system minds, and as it is for those who can."""
    stem = PurePosixPath(source_name.replace("\\", "/")).stem[:_LONGEST_STEM]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._") or "analysis"
    full = quote((stem.strip(". ") or "analysis") + wanted.suffix, safe="")
    kind = "inline" if wanted.name in {"html", "json"} else "attachment"
    return f"{kind}; filename=\"{plain}{wanted.suffix}\"; filename*=UTF-8''{full}"


def _is_known(etag: str, if_none_match: str | None) -> bool:
    known = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return etag in known or known == ["*"]
