"""The job store of one machine: a SQLite file and a folder. Any number of processes may share it.

Each change is one transaction that reads a record, steps it on through `record.py`, and writes it back. Files
change their places inside the transaction, by renaming: a crash leaves either the old state, or one that the
next claim recognises (results in place but the job still running: it is done).
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from emoscribe.errors import EmoScribeError, JobNotFoundError, JobStoreError
from emoscribe.jobs import record as life
from emoscribe.jobs.job_files import JobFiles
from emoscribe.jobs.lease_clock import LeaseClock, system_clock
from emoscribe.jobs.local_reviews import LocalReviews
from emoscribe.jobs.model import (
    Claim,
    Job,
    JobPage,
    JobQuery,
    JobRequest,
    LocalFile,
    S3Object,
    Update,
    check_result_exists,
    check_results,
)
from emoscribe.jobs.record import JobRecord
from emoscribe.jobs.sqlite_records import SqliteRecords, store_failed
from emoscribe.jobs.store import Backlog, LeaseOptions
from emoscribe.jobs.worker_sign import WorkerSign
from emoscribe.types import Segment

_log = logging.getLogger(__name__)

POLL_S: Final = 0.2  # how often a waiting claim looks again


class LocalJobStore:
    """See `store.JobStore`, which says what each method promises."""

    def __init__(self, folder: Path, options: LeaseOptions | None = None, clock: LeaseClock | None = None) -> None:
        self._options = options or LeaseOptions()
        self._clock = clock or system_clock()
        try:
            self._files = JobFiles(folder)
            self._sign = WorkerSign(folder / "worker.lock")
            self._records = SqliteRecords(folder / "jobs.sqlite3", self._clock)
        except (OSError, sqlite3.Error) as error:
            raise JobStoreError(f"The job store in {folder} cannot be opened: {error}.") from error
        self.reviews = LocalReviews(self._records, self._files, folder / "link-secret")

    @property
    def spool(self) -> Path:
        """Folder for uploads that are to be submitted; moving from there costs nothing."""
        return self._files.spool

    def close(self) -> None:
        """Let go of the file. Nothing is lost without it."""
        self._records.close()
        self._sign.take_down()

    def announce_worker(self) -> None:
        """This process works on the jobs, as long as it lives or until `close`."""
        self._sign.put_up()

    @property
    def has_worker(self) -> bool:
        """Whether any process of this machine works on the jobs."""
        return self._sign.is_seen

    # --- for users ---

    def submit(self, request: JobRequest) -> Job:
        """The job of this request, new or not."""
        source = request.source
        upload = source.path if isinstance(source, LocalFile) and source.owned else None
        with self._records.transaction():
            self._records.remember_key(request)
            record = self._records.find(request.job_id)
            if record is None:
                record = life.new_record(request, self._clock.now())
                self._files.create(record.job.id, upload)
                self._records.write(record)
        if upload is not None:
            upload.unlink(missing_ok=True)
        return record.job

    def get(self, tenant: str, job_id: str) -> Job:
        """The job."""
        return self._records.load(tenant, job_id).job

    def list(self, query: JobQuery) -> JobPage:
        """One page, newest first."""
        return self._records.page(query)

    def cancel(self, tenant: str, job_id: str) -> Job:
        """Cancelled, unless it had ended."""
        return self._change(tenant, job_id, lambda record: life.cancelled(record, self._clock.now())).job

    def retry(self, tenant: str, job_id: str) -> Job:
        """Queued again."""
        return self._change(tenant, job_id, life.retried).job

    def _change(self, tenant: str, job_id: str, step: Callable[[JobRecord], JobRecord]) -> JobRecord:
        with self._records.transaction():
            before = self._records.load(tenant, job_id)
            after = step(before)
            if after is not before:
                self._files.tidy(job_id, keep_results=False)
                self._records.write(after)
        self._files.empty_trash()
        return after

    def delete(self, tenant: str, job_id: str) -> None:
        """Erased."""
        with self._records.transaction():
            self._records.load(tenant, job_id)
            self._erase(job_id)
        self._scrub()

    def _erase(self, job_id: str) -> None:
        self._records.delete(job_id)
        self._files.erase(job_id)

    def _scrub(self) -> None:
        self._files.empty_trash()
        self._records.scrub()

    def read_result(self, tenant: str, job_id: str, name: str) -> bytes:
        """The content of a result file."""
        job = self.get(tenant, job_id)
        check_result_exists(job, name)
        try:
            return self._files.read_result(job_id, name)
        except FileNotFoundError:
            raise JobNotFoundError("The job was deleted meanwhile.") from None

    def read_segments(self, tenant: str, job_id: str, first: int = 0) -> tuple[Segment, ...]:
        """Segments reported so far."""
        record = self._records.load(tenant, job_id)
        return self._files.read_segments(job_id, record.token, first) if record.job.state == "running" else ()

    # --- for workers ---

    def claim(self, worker: str, wait_s: float = 0.0) -> Claim | None:
        """The next job that is due."""
        give_up_s = time.monotonic() + wait_s
        while True:
            claim = self._claim_now(worker)
            remaining_s = give_up_s - time.monotonic()
            if claim is not None or remaining_s <= 0:
                return claim
            time.sleep(min(POLL_S, remaining_s))

    def _claim_now(self, worker: str) -> Claim | None:
        if self._records.next_due() is None:  # most looks find nothing: they need not keep writers away
            return None
        with self._records.transaction():
            claim = self._claim_first_due()
        self._files.empty_trash()
        if claim is not None:
            _log.info("job claimed", extra={"job_id": claim.job.id, "worker": worker})
        return claim

    def _claim_first_due(self) -> Claim | None:
        while (found := self._records.next_due()) is not None:
            names = self._files.result_names(found.job.id) if found.job.state == "running" else ()
            if names:  # its worker died between publishing and saying so
                ended: JobRecord | None = life.done(found, names, self._clock.now())
            else:
                ended = life.lost(found, self._options.max_losses, self._clock.now())
            self._files.tidy(found.job.id)
            if ended is None:
                record = life.claimed(found, uuid4().hex, self._clock.now())
                self._records.write(record, due_in_s=self._options.lease_s)
                return self._as_claim(record)
            self._records.write(ended)
        return None

    def _as_claim(self, record: JobRecord) -> Claim:
        source = record.request.source
        media: Path | S3Object = source if isinstance(source, S3Object) else source.path
        if isinstance(source, LocalFile) and source.owned:
            media = self._files.media(record.job.id)
        return Claim(record.job, record.request, record.token, media, record.callback_attempts)

    def heartbeat(self, claim: Claim, update: Update) -> bool:
        """Extend the lease; False if the claim has ended."""
        with self._held(claim) as record:
            if record is None:
                return False
            self._records.write(life.advanced(record, update), due_in_s=self._options.lease_s)
            if update.segments:
                self._files.append_segments(claim.job.id, claim.token, update.segments)
            return True

    def finish(self, claim: Claim, results: Mapping[str, bytes]) -> bool:
        """Publish the results; False if the claim has ended."""
        check_results(results)
        try:
            self._files.stage(claim.job.id, claim.token, results)
        except FileNotFoundError:  # deleted meanwhile
            return False
        except OSError as error:
            raise store_failed(str(error.strerror)) from error
        with self._held(claim) as record:
            if record is None:
                self._files.unstage(claim.job.id, claim.token)
            else:
                self._files.publish(claim.job.id, claim.token)
                self._files.tidy(claim.job.id)
                self._records.write(life.done(record, tuple(sorted(results)), self._clock.now()))
        self._files.empty_trash()
        return record is not None

    def fail(self, claim: Claim, error: EmoScribeError, *, retry: bool) -> bool:
        """End the attempt; False if the claim has ended."""

        def step(record: JobRecord) -> JobRecord:
            attempts, now = self._options.max_attempts, self._clock.now()
            return life.attempt_failed(record, error, retry=retry, max_attempts=attempts, now=now)

        return self._end_claim(claim, step, delay_s=life.retry_delay_s(claim.job.attempts))

    def release(self, claim: Claim, waits_for: EmoScribeError | None = None) -> bool:
        """Give the job back; False if the claim has ended."""
        delay_s = life.WAITING_DELAY_S if waits_for else 0.0
        return self._end_claim(claim, lambda record: life.given_back(record, waits_for), delay_s)

    def callback_tried(self, claim: Claim, *, delivered: bool, give_up: bool = False) -> bool:
        """End the claim on a callback; False if it has ended before."""

        def step(record: JobRecord) -> JobRecord:
            return life.callback_tried(record, delivered=delivered, give_up=give_up)

        return self._end_claim(claim, step, delay_s=life.retry_delay_s(claim.callback_attempts))

    def _end_claim(self, claim: Claim, step: Callable[[JobRecord], JobRecord], delay_s: float) -> bool:
        with self._held(claim) as record:
            if record is None:
                return False
            after = step(record)
            has_just_ended = after.job.is_final and not record.job.is_final  # its callback is due at once
            self._records.write(after, due_in_s=0 if has_just_ended else delay_s)
            self._files.tidy(claim.job.id)
        self._files.empty_trash()
        return True

    @contextmanager
    def _held(self, claim: Claim) -> Iterator[JobRecord | None]:
        """A transaction with the record, or None if the claim has ended."""
        with self._records.transaction():
            record = self._records.find(claim.job.id)
            yield record if record is not None and record.is_held_by(claim.token) else None

    # --- upkeep ---

    def backlog(self) -> Backlog:
        """What waits now."""
        waiting, oldest = self._records.queued()
        if oldest is None:
            return Backlog(waiting, None)
        return Backlog(waiting, max((self._clock.now() - oldest.job.created_at).total_seconds(), 0.0))

    def sweep(self, retention_s: float) -> int:
        """Delete what is too old, and what crashes left."""
        limit_s = (self._clock.now() - timedelta(seconds=retention_s)).timestamp()
        with self._records.transaction():
            old = self._records.ended_before(limit_s)
            for job_id in old:
                self._erase(job_id)
            self._files.sweep(self._records.all_ids())
        self._scrub()
        return len(old)
