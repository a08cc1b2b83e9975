"""Across analyses: search in all sentences, and the table that compares recordings."""

from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from emoscribe.api.auth import Reader
from emoscribe.api.parts import ApiParts, Parts
from emoscribe.api.problem_docs import problems
from emoscribe.comparison import AnalysisSummary, summaries
from emoscribe.done_jobs import Place, done_jobs, named_jobs, place_of
from emoscribe.errors import JobNotFoundError
from emoscribe.jobs import Decision
from emoscribe.labels import Label
from emoscribe.query import MAX_ROWS, FoundSegment, Paging, SegmentFilter

MOST_NAMED: Final = 100
LATEST_MS: Final = 10**9

router = APIRouter(tags=["search"])

NamedId = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Cursor = Annotated[str | None, Field(max_length=4096, description="`next` of the page before.")]
Named = Annotated[
    tuple[NamedId, ...], Field(max_length=MOST_NAMED, description="Only these analyses; may be repeated.")
]
Probability = Annotated[float | None, Field(ge=0, le=1)]
Moment = Annotated[int | None, Field(ge=0, le=LATEST_MS)]


class SearchRequest(BaseModel):
    """What to look for. What is left out is not looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    text: str | None = Field(
        None,
        max_length=500,
        description="Words that must all occur, in the original or in English; words in quotes, together. Case and "
        "accents do not matter.",
    )
    label: Label | None = Field(
        None, description="The model's label or, with `min_score`, any sentence with that score of it."
    )
    min_score: Probability = Field(None, description="Least score of `label`.")
    min_confidence: Probability = Field(None, description="Least confidence of the model's label.")
    needs_review: bool | None = Field(None, description="Only what a person should look at, or only the rest.")
    language: str | None = Field(None, max_length=35, description="Of the sentence, ISO 639-1.")
    from_ms: Moment = Field(None, description="Sentences that end after this moment of their recording.")
    to_ms: Moment = Field(None, description="Sentences that begin before it.")
    analysis_id: Named = ()
    limit: int = Field(50, ge=1, le=MAX_ROWS, description="Longest page.")
    cursor: Cursor = None


class SearchResult(BaseModel):
    """One page of what was found: newest analysis first, then in order of time."""

    rows: tuple[FoundSegment, ...] = Field(description="May be fewer than asked for, even none, before the last page.")
    next: str | None = Field(description="Cursor of the next page; null: this is the last one.")
    analyses: int = Field(description="Analyses that were searched for this page.")


class SummaryRequest(BaseModel):
    """Which analyses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    analysis_id: Named = ()
    limit: int = Field(50, ge=1, le=MOST_NAMED, description="Longest page.")
    cursor: Cursor = None


class SummaryList(BaseModel):
    """One page of the table."""

    analyses: tuple[AnalysisSummary, ...] = Field(description="Those that are done, newest first.")
    next: str | None = Field(description="Cursor of the next page; null: this is the last one.")


@router.get(
    "/v1/search",
    summary="Search in all sentences",
    operation_id="search_segments",
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def search_segments(parts: Parts, caller: Reader, asked: Annotated[SearchRequest, Query()]) -> SearchResult:
    """Sentences of all analyses of the tenant, by what was said and which emotion the words express.

    "disgust above 0.6, mentions preço": `?label=disgust&min_score=0.6&text=preço`.
    """
    names = ("text", "label", "min_score", "min_confidence", "needs_review", "language", "from_ms", "to_ms")
    wanted = SegmentFilter(**{name: getattr(asked, name) for name in names})
    paging = Paging(asked.limit, asked.cursor, asked.analysis_id)
    search = partial(parts.search.search, caller.tenant, wanted, paging)
    found = await to_thread.run_sync(search, limiter=parts.search_turns)
    return SearchResult(rows=found.rows, next=found.cursor, analyses=found.analyses)


@router.get(
    "/v1/analyses/summary",
    summary="Compare analyses",
    operation_id="summarise_analyses",
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def summarise_analyses(parts: Parts, caller: Reader, asked: Annotated[SummaryRequest, Query()]) -> SummaryList:
    """A row for each that is done: length, language, which emotions the words express, how far its review is."""
    return await to_thread.run_sync(partial(_summarise, parts, caller.tenant, asked), limiter=parts.search_turns)


def _summarise(parts: ApiParts, tenant: str, asked: SummaryRequest) -> SummaryList:
    begin = Place.parse(asked.cursor) if asked.cursor else None
    if asked.analysis_id:
        jobs = named_jobs(parts.store, tenant, asked.analysis_id, begin)
    else:
        jobs = done_jobs(parts.store, tenant, begin)
    found = list(islice(jobs, asked.limit + 1))
    tables = []
    for _, job in found[: asked.limit]:
        with suppress(JobNotFoundError):  # deleted meanwhile
            tables.append(parts.tables.get(parts.store, job))
    rows = summaries(parts.duck, tables, _decisions(parts, tenant, [table.job.id for table in tables]))
    is_more = len(found) > asked.limit
    return SummaryList(analyses=rows, next=str(place_of(*found[asked.limit - 1])) if is_more else None)


def _decisions(parts: ApiParts, tenant: str, analysis_ids: list[str]) -> dict[str, tuple[Decision, ...]]:
    reviews = parts.store.reviews
    found = {}
    for analysis_id in reviews.decided_jobs(tenant) & set(analysis_ids):
        with suppress(JobNotFoundError):
            found[analysis_id] = reviews.decisions(tenant, analysis_id)
    return found
