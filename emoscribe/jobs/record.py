"""The life of a job, as pure functions from one record to the next.

    queued -> running -> done | failed | cancelled
       ^         |          (a final state with a callback still pending is also work for a worker)
       +---------+  given back, or failed with attempts left

Both stores keep these records and change them only through the functions below, inside a transaction
or a conditional write; so the rules of the state machine stand here once.
"""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from emoscribe.errors import EmoScribeError, JobConflictError, WorkerLostError
from emoscribe.jobs.model import CallbackState, Job, JobFailure, JobRequest, Update

FIRST_RETRY_DELAY_S: Final = 10.0
MAX_RETRY_DELAY_S: Final = 600.0  # below the 15 minutes that SQS can delay a message
WAITING_DELAY_S: Final = 15.0  # between looks whether what a job waits for is there again
MAX_CALLBACK_ATTEMPTS: Final = 12  # spread over about an hour


class JobRecord(BaseModel):
    """All that a store keeps about a job, apart from its files."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job: Job
    request: JobRequest
    token: str = ""  # of the claim that holds the job; "": nobody
    callback_attempts: int = 0
    failures: int = 0  # attempts that ended with an error; the others ended with their worker

    @property
    def needs_worker(self) -> bool:
        """Whether there is anything left to do."""
        return not self.job.is_final or self.job.callback == "pending"

    def is_held_by(self, token: str) -> bool:
        """Whether the claim with this token is still good."""
        return bool(token) and self.token == token


def retry_delay_s(attempts: int) -> float:
    """How long to wait after the `attempts`-th failure: doubling, bounded."""
    return float(min(FIRST_RETRY_DELAY_S * 2.0 ** (max(attempts, 1) - 1), MAX_RETRY_DELAY_S))


def new_record(request: JobRequest, now: datetime) -> JobRecord:
    """A job that waits for its first attempt."""
    job = Job(
        id=request.job_id,
        tenant=request.tenant,
        source_name=request.source.name,
        source_bytes=request.source.bytes,
        options=request.options,
        created_at=now,
    )
    return JobRecord(job=job, request=request)


def claimed(record: JobRecord, token: str, now: datetime) -> JobRecord:
    """Held by a worker: an attempt begins, or, for a job that has ended, the delivery of its callback."""
    job = record.job
    if job.is_final:
        return record.model_copy(update={"token": token, "callback_attempts": record.callback_attempts + 1})
    return _next(record, token, state="running", attempts=job.attempts + 1, started_at=job.started_at or now)


def advanced(record: JobRecord, update: Update) -> JobRecord:
    """Further on. Progress never falls, whatever a new attempt reports."""
    progress = min(max(record.job.progress, update.progress), 1.0)
    return _next(record, record.token, stage=update.stage or record.job.stage, progress=progress)


def done(record: JobRecord, results: tuple[str, ...], now: datetime) -> JobRecord:
    """Finished; all results are readable."""
    return _ended(record, now, state="done", progress=1.0, results=results, error=None)


def failed(record: JobRecord, error: EmoScribeError, now: datetime) -> JobRecord:
    """Failed for good."""
    return _ended(record, now, state="failed", error=JobFailure.of(error))


def cancelled(record: JobRecord, now: datetime) -> JobRecord:
    """Cancelled by a user, unless it had ended already."""
    return record if record.job.is_final else _ended(record, now, state="cancelled", error=None)


def set_back(record: JobRecord, error: EmoScribeError) -> JobRecord:
    """Failed, to be tried again; the error of the last attempt stays visible."""
    queued = _next(record, "", state="queued", error=JobFailure.of(error))
    return queued.model_copy(update={"failures": record.failures + 1})


def given_back(record: JobRecord, waits_for: EmoScribeError | None = None) -> JobRecord:
    """Returned unfinished, by a worker that stops or for want of what it needs: does not count as an attempt."""
    if record.job.is_final:
        return record.model_copy(update={"token": "", "callback_attempts": record.callback_attempts - 1})
    error = JobFailure.of(waits_for) if waits_for else record.job.error
    return _next(record, "", state="queued", attempts=record.job.attempts - 1, error=error)


def attempt_failed(
    record: JobRecord, error: EmoScribeError, *, retry: bool, max_attempts: int, now: datetime
) -> JobRecord:
    """Tried again, if that may help and attempts are left; else failed for good."""
    if retry and record.failures + 1 < max_attempts:
        return set_back(record, error)
    return failed(record, error, now)


def lost(record: JobRecord, max_losses: int, now: datetime) -> JobRecord | None:
    """What becomes of a job whose worker has vanished for the last time; None: it may be tried again."""
    losses = record.job.attempts - record.failures
    if record.job.state != "running" or losses < max_losses:
        return None
    error = WorkerLostError(
        f"The worker vanished in {losses} attempts.",
        fix="See the worker's log; the recording may need more memory or time than the worker has. Then retry the job.",
    )
    return failed(record, error, now)


def retried(record: JobRecord) -> JobRecord:
    """Put back in the queue by hand, as if new. Raises JobConflictError for a job that is done."""
    if not record.job.is_final:
        return record
    if record.job.state == "done":
        raise JobConflictError("The job is done.", fix="Delete it first to have the recording analysed again.")
    # as new_record makes it, but for the time of submission
    return new_record(record.request, record.job.created_at)


def callback_tried(record: JobRecord, *, delivered: bool, give_up: bool) -> JobRecord:
    """After an attempt to deliver the callback."""
    is_last = give_up or record.callback_attempts >= MAX_CALLBACK_ATTEMPTS
    state: CallbackState = "delivered" if delivered else "failed" if is_last else "pending"
    return _next(record, "", callback=state)


def _next(record: JobRecord, token: str, **job: object) -> JobRecord:
    changed = Job.model_validate({**dict(record.job), **job})
    return record.model_copy(update={"job": changed, "token": token})


def _ended(record: JobRecord, now: datetime, **job: object) -> JobRecord:
    callback: CallbackState = "pending" if record.request.callback_url else "none"
    return _next(record, "", finished_at=now, callback=callback, **job)
