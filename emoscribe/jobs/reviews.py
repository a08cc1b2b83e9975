"""What a store keeps for reviewers: the decisions on a job's sentences, and the recording to listen to.

Decisions are only ever added, so nothing that a reviewer said gets lost, and taking one back is one more. A sentence's
revision is the number of decisions on it: whoever decides names the revision they saw, and is told if there is a
newer one. Two reviewers at different sentences never disturb each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from emoscribe.errors import CorrectionConflictError, JobConflictError
from emoscribe.jobs.model import Job, S3Object
from emoscribe.labels import Label
from emoscribe.types import well_formed

MAX_DECISIONS: Final = 100_000  # on one job: 12 hours of speech have about 10,000 sentences


class Decision(BaseModel):
    """What one reviewer decided on one sentence."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    segment_index: int = Field(ge=0, description="The sentence's position in the timeline, from 0.")
    label: Label | None = Field(description="The reviewer's label; null: the decision before was taken back.")
    mixed: tuple[Label, ...] = Field(default=(), description="Further emotions the reviewer found in the words.")
    may_train: bool = Field(default=False, description="Whether models may learn from it.")
    reviewer: Annotated[str, AfterValidator(well_formed)] = Field(description="Who decided: the name of the token.")
    decided_at: datetime = Field(description="When, UTC.")


@dataclass(frozen=True, slots=True)
class KeptRecording:
    """Where the recording of a job lies."""

    name: str
    media: Path | S3Object
    bytes: int
    modified_ns: int | None = None  # of a user's own file, which they may change


class JobReviews(Protocol):
    """The part of a job store for reviewers; see `store.py` for what holds of all methods."""

    def decide(self, tenant: str, job_id: str, decision: Decision, seen: int) -> tuple[Decision, ...]:
        """Add a decision; returns all of the job's, in order. `seen`: the sentence's revision the reviewer saw.

        Raises CorrectionConflictError if it has another one, JobConflictError before the job is done,
        JobNotFoundError.
        """
        ...

    def decisions(self, tenant: str, job_id: str) -> tuple[Decision, ...]:
        """All decisions on a job, in the order they were made. Raises JobNotFoundError."""
        ...

    def decided_jobs(self, tenant: str) -> frozenset[str]:
        """Ids of the tenant's jobs that have decisions."""
        ...

    def recording(self, tenant: str, job_id: str) -> KeptRecording:
        """The recording of a job in any state; it may have gone from where it lay. Raises JobNotFoundError."""
        ...

    def link_secret(self) -> bytes:
        """32 random bytes, the same for all processes that share the store: made when first asked for."""
        ...


def revision(decisions: Iterable[Decision], segment_index: int) -> int:
    """How many decisions there are on the sentence."""
    return sum(one.segment_index == segment_index for one in decisions)


def with_decision(job: Job, decisions: tuple[Decision, ...], decision: Decision, seen: int) -> tuple[Decision, ...]:
    """The decisions with one more. Raises JobConflictError, CorrectionConflictError."""
    if job.state != "done":
        raise JobConflictError(f"The job is {job.state}: there is nothing to correct.", fix="Wait until it is done.")
    if revision(decisions, decision.segment_index) != seen:
        raise CorrectionConflictError(
            f"Sentence {decision.segment_index} was decided on meanwhile.",
            fix="Look at the decision that stands now, then decide again.",
        )
    if len(decisions) >= MAX_DECISIONS:
        raise JobConflictError(f"The job has {MAX_DECISIONS} decisions, no more are kept.")
    return (*decisions, decision)
