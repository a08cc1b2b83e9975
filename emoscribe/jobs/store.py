"""The contract of a job store. `local.py` and `cloud.py` implement it; one test suite runs on both.

What every implementation promises:

- A job is worked on by one claim at a time. A claim ends when the worker finishes, fails or releases it, when the
  job is cancelled or deleted, or when its lease runs out because heartbeats stopped. A claim that has ended
  changes nothing any more: its calls return False.
- Results appear as a whole, once. Whatever dies or races, there is one set of results, and never half of one.
- An accepted job (`submit` has returned) is worked on until it is final, whatever dies meanwhile.
- What has been deleted is gone: recording, text, results, decisions, everything that was derived.
- A tenant sees its own jobs only; for others there is no such job.

All methods may be called from any thread. JobStoreError means that the store itself cannot be used now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from emoscribe.errors import EmoScribeError
from emoscribe.jobs.model import Claim, Job, JobPage, JobQuery, JobRequest, Update
from emoscribe.jobs.reviews import JobReviews
from emoscribe.types import Segment


@dataclass(frozen=True, slots=True)
class LeaseOptions:
    """When a silent worker loses its job, and how often a job may be tried."""

    lease_s: float = 30.0  # heartbeats must come at least this often
    max_attempts: int = 3  # that end with an error
    max_losses: int = 10  # attempts whose worker vanished: more, because what kills workers is rarely the job


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits for a worker, of all tenants. In the cloud roughly, as SQS counts."""

    waiting: int  # jobs, those waiting for another try included
    oldest_s: float | None  # since the oldest of them was submitted; None: nothing waits, or not known


class JobStore(Protocol):
    """Jobs, durably."""

    # --- for users ---

    def submit(self, request: JobRequest) -> Job:
        """The job of this request: a new one, or the one that exists, in whatever state it is.

        Takes over an upload (`LocalFile.owned`): its file is moved or removed. The first submission's callback
        stands. Raises JobConflictError if the idempotency key was used for another job.
        """
        ...

    def get(self, tenant: str, job_id: str) -> Job:
        """Raises JobNotFoundError."""
        ...

    def list(self, query: JobQuery) -> JobPage:
        """Newest first. Raises InvalidRequestError for a cursor that is not one."""
        ...

    def cancel(self, tenant: str, job_id: str) -> Job:
        """Cancelled at once; its worker learns of it at its next heartbeat. A job that has ended stays as it is."""
        ...

    def retry(self, tenant: str, job_id: str) -> Job:
        """Queue a failed or cancelled job again, as if new. Raises JobConflictError for a job that is done."""
        ...

    def delete(self, tenant: str, job_id: str) -> None:
        """Erase the job and everything that belongs to it, in any state. Raises JobNotFoundError."""
        ...

    def read_result(self, tenant: str, job_id: str, name: str) -> bytes:
        """Raises JobConflictError before the job is done, JobNotFoundError if it has no such result."""
        ...

    def read_segments(self, tenant: str, job_id: str, first: int = 0) -> tuple[Segment, ...]:
        """What a running job has reported so far, from index `first` on. Empty in all other states."""
        ...

    @property
    def reviews(self) -> JobReviews:
        """For reviewers: decisions on sentences, and the recording."""
        ...

    # --- for workers ---

    def claim(self, worker: str, wait_s: float = 0.0) -> Claim | None:
        """The next job that is due, waiting up to `wait_s` for one. Jobs whose workers kept vanishing become failed."""
        ...

    def heartbeat(self, claim: Claim, update: Update) -> bool:
        """Extend the lease and tell how far the work is. False: stop, the claim has ended."""
        ...

    def finish(self, claim: Claim, results: Mapping[str, bytes]) -> bool:
        """Publish the results (file name -> content, ANALYSIS_FILE among them) and end the job."""
        ...

    def fail(self, claim: Claim, error: EmoScribeError, *, retry: bool) -> bool:
        """End the attempt. With `retry` and attempts left the job is tried again after a while, else it is failed."""
        ...

    def release(self, claim: Claim, waits_for: EmoScribeError | None = None) -> bool:
        """Give an unfinished job back; the attempt does not count. For a callback: try it again at once.

        It is due at once or, with what the job `waits_for`, after a while; that is then shown as its error.
        """
        ...

    def callback_tried(self, claim: Claim, *, delivered: bool, give_up: bool = False) -> bool:
        """End a claim on a callback; one not delivered is tried again after a while, a bounded number of times."""
        ...

    # --- upkeep ---

    def backlog(self) -> Backlog:
        """What waits now. Cheap: asked every few seconds."""
        ...

    def sweep(self, retention_s: float) -> int:
        """Delete jobs that ended longer ago than `retention_s`, and what crashes left behind. Returns jobs deleted."""
        ...
