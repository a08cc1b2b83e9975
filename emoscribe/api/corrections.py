"""What reviewers say of sentences: decided, taken back, listed, exported. The model's answers stay as they are."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from emoscribe.api.analysis_id import AnalysisId
from emoscribe.api.auth import Caller, Reader, Reviewer
from emoscribe.api.parts import ApiParts, Parts
from emoscribe.api.problem_docs import problems
from emoscribe.api.problems import error_problem, problem_response
from emoscribe.corrections import Correction, corrections_csv, corrections_jsonl
from emoscribe.errors import CorrectionConflictError, InvalidRequestError, JobNotFoundError, PreconditionMissingError
from emoscribe.jobs import Decision
from emoscribe.labels import Label
from emoscribe.review import (
    PastDecision,
    Progress,
    QueueItem,
    SentenceReview,
    as_corrections,
    history,
    progress,
    review_queue,
    sentence_review,
    sentence_reviews,
)
from emoscribe.types import Analysis

_REVISION: Final = re.compile('"?([0-9]{1,9})"?')
_FILES: Final[Mapping[str, tuple[str, Callable[[Iterable[Correction]], bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", corrections_csv),
    "jsonl": ("application/jsonl", corrections_jsonl),
}

_FILE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file.", "content": {kind.split(";")[0]: {} for kind, _ in _FILES.values()}}
}

router = APIRouter(tags=["review"])

Suffix = Annotated[Literal["csv", "jsonl"], Path(description="Format.")]
MayTrain = Annotated[bool | None, Query(description="Only those that models may learn from, or only the others.")]


class Verdict(BaseModel):
    """A reviewer's decision on a sentence. To accept the model's answer is to give its label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Label = Field(description="The strongest emotion expressed in the words.")
    mixed: tuple[Label, ...] = Field(default=(), max_length=7, description="Further emotions in the words.")
    may_train: bool = Field(
        default=False, description="Whether the owner of the recording lets models learn from this sentence."
    )


class Corrections(BaseModel):
    """The review of one analysis."""

    analysis_id: str = Field(description="The analysis.")
    corrections: tuple[SentenceReview, ...] = Field(
        description="How each sentence that was ever decided on stands now, in order of the timeline."
    )
    history: tuple[PastDecision, ...] = Field(description="Every decision, oldest first.")
    progress: Progress = Field(description="How far the review is.")


class ReviewQueue(BaseModel):
    """What should be looked at next."""

    flagged: int = Field(description="Sentences that a person should look at.")
    left: int = Field(description="How many of them wait for a decision.")
    items: tuple[QueueItem, ...] = Field(description="The most informative of those, in order.")


# --- one analysis -------------------------------------------------------------------------------


@router.get(
    "/v1/analyses/{analysis_id}/corrections",
    summary="See what reviewers said",
    operation_id="list_corrections",
    response_model=Corrections,
    responses={
        304: {"description": "It is what the client has (If-None-Match)."},
        **problems(401, 403, 404, 409, 503),
    },
)
def list_corrections(
    parts: Parts,
    caller: Reader,
    analysis_id: AnalysisId,
    if_none_match: Annotated[str | None, Header(description="ETag of what the client has.")] = None,
) -> Response:
    """The decisions that stand, all that were ever made, the progress of the review, and how often reviewers agree with
    the model. Cheap to ask again with `If-None-Match`.
    """
    analysis, decisions = _load(parts, caller, analysis_id)
    headers = {"ETag": _etag(analysis, decisions), "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if if_none_match is not None and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    reviews = sentence_reviews(analysis, decisions)
    found = Corrections(
        analysis_id=analysis_id,
        corrections=tuple(reviews.values()),
        history=history(decisions),
        progress=progress(analysis, reviews),
    )
    return Response(found.model_dump_json(), headers=headers, media_type="application/json")


# --- deciding -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """A decision that is asked for: on what, by whom, and which revision they saw."""

    request: Request
    parts: ApiParts
    caller: Caller
    analysis_id: str
    segment_index: int
    seen: int

    def decide(self, **verdict: Any) -> Response:
        """How the sentence stands with this decision; a problem if somebody else was faster."""
        tenant, store = self.caller.tenant, self.parts.store
        analysis, decisions = _load(self.parts, self.caller, self.analysis_id)
        if self.segment_index >= len(analysis.segments):
            raise JobNotFoundError(
                f"The analysis has no sentence {self.segment_index}.", fix=f"It has {len(analysis.segments)}, from 0."
            )
        now = sentence_review(analysis, decisions, self.segment_index)
        if verdict["label"] is None and now.label is None and now.revision == self.seen:
            return self._answer(now)  # nothing to take back
        decision = Decision(
            segment_index=self.segment_index, reviewer=self.caller.name, decided_at=datetime.now(UTC), **verdict
        )
        try:
            decisions = store.reviews.decide(tenant, self.analysis_id, decision, self.seen)
        except CorrectionConflictError as error:
            decisions = store.reviews.decisions(tenant, self.analysis_id)
            current = sentence_review(analysis, decisions, self.segment_index)
            problem = error_problem(error).model_copy(update={"current": current})
            return problem_response(self.request, problem, {"ETag": f'"{current.revision}"'})
        return self._answer(sentence_review(analysis, decisions, self.segment_index))

    def _answer(self, review: SentenceReview) -> Response:
        headers = {"ETag": f'"{review.revision}"', "Cache-Control": "no-store"}
        return Response(review.model_dump_json(), headers=headers, media_type="application/json")


def _asked(
    request: Request,
    parts: Parts,
    caller: Reviewer,
    analysis_id: AnalysisId,
    segment_index: Annotated[
        int, Path(ge=0, le=10**9, description="Position of the sentence in the timeline, from 0.")
    ],
    if_match: Annotated[
        str | None, Header(description='Revision of the sentence that the reviewer saw; `"0"`: no decision yet.')
    ] = None,
) -> _Asked:
    parts.store.get(caller.tenant, analysis_id)  # whoever may not see it is told nothing else
    if if_match is None:
        raise PreconditionMissingError(
            "It is not said which revision of the sentence was seen.", fix='Send If-Match: "<revision>", "0" at first.'
        )
    found = _REVISION.fullmatch(if_match.strip())
    if found is None:
        raise InvalidRequestError("If-Match is no revision.", fix='Send If-Match: "<revision>", "0" at first.')
    return _Asked(request, parts, caller, analysis_id, segment_index, int(found[1]))


Asked = Annotated[_Asked, Depends(_asked)]


@router.put(
    "/v1/analyses/{analysis_id}/segments/{segment_index}/correction",
    summary="Decide on a sentence",
    operation_id="put_correction",
    response_model=SentenceReview,
    responses=problems(400, 401, 403, 404, 409, 412, 428, 503),
)
def put_correction(
    asked: Asked,
    verdict: Verdict,
) -> Response:
    """The label a reviewer gives, accepting or correcting the model's. It is kept beside the model's answer, with who
    and when; earlier decisions stay in the history. 412 `correction_conflict` if somebody decided since; `current` in
    the problem says what.
    """
    mixed = tuple(label for label in dict.fromkeys(verdict.mixed) if label != verdict.label)
    return asked.decide(label=verdict.label, mixed=mixed, may_train=verdict.may_train)


@router.delete(
    "/v1/analyses/{analysis_id}/segments/{segment_index}/correction",
    summary="Take a decision back",
    operation_id="delete_correction",
    response_model=SentenceReview,
    responses=problems(400, 401, 403, 404, 409, 412, 428, 503),
)
def delete_correction(
    asked: Asked,
) -> Response:
    """The sentence is undecided again. The history keeps that, too: who took it back, and when."""
    return asked.decide(label=None)


def _load(parts: ApiParts, caller: Caller, analysis_id: str) -> tuple[Analysis, tuple[Decision, ...]]:
    job = parts.store.get(caller.tenant, analysis_id)
    analysis = parts.analyses.get(parts.store, job)
    return analysis, parts.store.reviews.decisions(caller.tenant, analysis_id)


def _etag(analysis: Analysis, decisions: tuple[Decision, ...]) -> str:
    """Another one with each decision, as they are only ever added; and for a recording that was analysed anew."""
    last = decisions[-1].model_dump_json() if decisions else ""
    digest = hashlib.sha256(f"{analysis.created_at.isoformat()} {last}".encode()).hexdigest()
    return f'"{len(decisions)}-{digest[:16]}"'


# --- what next, and what was said -----------------------------------------------------------------


@router.get(
    "/v1/analyses/{analysis_id}/review-queue",
    summary="See what should be looked at next",
    operation_id="get_review_queue",
    responses=problems(401, 403, 404, 409, 503),
)
def get_review_queue(
    parts: Parts,
    caller: Reader,
    analysis_id: AnalysisId,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 100,
) -> ReviewQueue:
    """Flagged sentences without a decision, the most informative first: where the model hesitates between two labels,
    and labels that are rare in the recording (docs/corrections.md).
    """
    analysis, decisions = _load(parts, caller, analysis_id)
    reviews = sentence_reviews(analysis, decisions)
    waiting = review_queue(analysis, reviews)
    return ReviewQueue(flagged=progress(analysis, reviews).flagged, left=len(waiting), items=tuple(waiting[:limit]))


@router.get(
    "/v1/analyses/{analysis_id}/corrections.{suffix}",
    summary="Take the corrections of an analysis along",
    operation_id="export_corrections",
    response_class=Response,
    responses=_FILE_RESPONSES | problems(401, 403, 404, 409, 503),
)
def export_corrections(
    parts: Parts, caller: Reader, analysis_id: AnalysisId, suffix: Suffix, may_train: MayTrain = None
) -> Response:
    """What stands now, in the form that `emoscribe audit` and `emoscribe train --add` read."""
    analysis, decisions = _load(parts, caller, analysis_id)
    found = as_corrections(analysis_id, analysis, sentence_reviews(analysis, decisions))
    return _file(found, suffix, may_train, f"corrections-{analysis_id[:12]}")


@router.get(
    "/v1/corrections.{suffix}",
    summary="Take all corrections along",
    operation_id="export_all_corrections",
    response_class=Response,
    responses=_FILE_RESPONSES | problems(401, 403, 503),
)
def export_all_corrections(parts: Parts, caller: Reader, suffix: Suffix, may_train: MayTrain = None) -> Response:
    """Those of all analyses of the tenant."""
    found: list[Correction] = []
    for analysis_id in sorted(parts.store.reviews.decided_jobs(caller.tenant)):
        with suppress(JobNotFoundError):  # deleted meanwhile
            analysis, decisions = _load(parts, caller, analysis_id)
            found += as_corrections(analysis_id, analysis, sentence_reviews(analysis, decisions))
    return _file(found, suffix, may_train, "corrections")


def _file(found: Iterable[Correction], suffix: str, may_train: bool | None, name: str) -> Response:
    media_type, write = _FILES[suffix]
    wanted = [one for one in found if may_train is None or one.may_train == may_train]
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="{name}.{suffix}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(write(wanted), headers=headers, media_type=media_type)
