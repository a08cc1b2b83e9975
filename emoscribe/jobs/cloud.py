"""The job store of a cloud: records and results in S3, SQS to lead workers to them. Any number of machines.

S3 holds the truth: every change of a job is one conditional write. A message in the queue says no more than "look
at this job", so lost, repeated and reordered messages do no harm.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from emoscribe.errors import EmoScribeError, JobNotFoundError, JobStoreError
from emoscribe.jobs import record as life
from emoscribe.jobs.aws import ServerClock
from emoscribe.jobs.cloud_claims import Cloud, CloudClaims, HeartbeatPace
from emoscribe.jobs.cloud_documents import MAX_TRIES, CloudDocuments, JobDocument, Version
from emoscribe.jobs.cloud_files import CloudFiles
from emoscribe.jobs.cloud_reviews import CloudReviews
from emoscribe.jobs.cloud_sweep import CloudSweeper
from emoscribe.jobs.job_queue import JobQueue, Message
from emoscribe.jobs.model import Claim, Job, JobPage, JobQuery, JobRequest, LocalFile, Update, check_result_exists
from emoscribe.jobs.record import JobRecord
from emoscribe.jobs.s3_events import EventRules, JobNote, Unusable, read_message
from emoscribe.jobs.s3_objects import S3Objects
from emoscribe.jobs.store import Backlog, LeaseOptions
from emoscribe.types import Segment

_log = logging.getLogger(__name__)

DEFAULT_LEASE: Final = LeaseOptions(lease_s=60)
DEFAULT_PACE: Final = HeartbeatPace()


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """Where jobs are kept and how they come in."""

    bucket: str
    queue_url: str
    dead_letter_url: str | None = None
    prefix: str = "emoscribe/"  # everything the service writes
    lease: LeaseOptions = DEFAULT_LEASE
    pace: HeartbeatPace = DEFAULT_PACE
    events: EventRules | None = None  # which uploads to S3 become jobs


class CloudJobStore:
    """See `store.JobStore`, which says what each method promises. `s3` and `sqs` are clients, see aws.py."""

    def __init__(self, s3: Any, sqs: Any, options: CloudOptions, clock: ServerClock | None = None) -> None:
        objects = S3Objects(s3, options.bucket)
        self._clock = clock or ServerClock(s3)
        self._documents = CloudDocuments(objects, options.prefix)
        self._files = CloudFiles(objects, options.prefix)
        self._queue = JobQueue(sqs, options.queue_url, options.dead_letter_url)
        self._options = options
        cloud = Cloud(self._documents, self._files, self._queue, self._clock, options.lease, options.pace)
        self._claims = CloudClaims(cloud)
        self._sweeper = CloudSweeper(cloud)
        self.reviews = CloudReviews(objects, self._documents, self._files, options.prefix)

    # --- for users ---

    def submit(self, request: JobRequest) -> Job:
        """The job of this request, new or not."""
        tenant, job_id, key_place = request.tenant, request.job_id, None
        if request.idempotency_key is not None:
            key_place = self._documents.remember_key(tenant, request.idempotency_key, job_id)
        job = self._find_or_create(request, key_place).record.job
        if job.state == "queued":  # also if it was there: whoever made it may have died before saying so
            self._documents.add_to_index(job)
            self._queue.send(JobNote(tenant, job_id))
        if isinstance(request.source, LocalFile) and request.source.owned:
            request.source.path.unlink(missing_ok=True)
        return job

    def _find_or_create(self, request: JobRequest, key_place: str | None) -> JobDocument:
        tenant, job_id = request.tenant, request.job_id
        made: JobDocument | None = None
        for _ in range(MAX_TRIES):
            there = self._documents.find(tenant, job_id)
            if there is not None:
                break
            if made is None:
                self._documents.mark_open(tenant, job_id)
                made = self._new_document(request, key_place)
            there = self._documents.write(tenant, job_id, made, etag=None)
            if there is not None:
                break
        if there is None:
            raise JobStoreError("The job is being submitted by too many at once.", fix="Try again.")
        if made is not None and there.document.life != made.life and made.media is not None:
            self._files.erase(self._files.folder(tenant, job_id, made.life))  # another submission was faster
        if key_place is not None and key_place not in there.document.key_places:
            return self._note_key(tenant, job_id, key_place, there)
        return there.document

    def _note_key(self, tenant: str, job_id: str, key_place: str, there: Version) -> JobDocument:
        """So that the key is forgotten with the job."""

        def step(document: JobDocument) -> JobDocument | None:
            return document.model_copy(update={"key_places": (*document.key_places, key_place)})

        version, _ = self._documents.change(tenant, job_id, step)
        return (version or there).document

    def _new_document(self, request: JobRequest, key_place: str | None) -> JobDocument:
        document = JobDocument(
            record=life.new_record(request, self._clock.now()), key_places=() if key_place is None else (key_place,)
        )
        if not isinstance(request.source, LocalFile):
            return document
        folder = self._files.folder(request.tenant, request.job_id, document.life)
        return document.model_copy(update={"media": self._files.upload(folder, request.source.path)})

    def get(self, tenant: str, job_id: str) -> Job:
        """The job."""
        return self._documents.load(tenant, job_id).document.record.job

    def list(self, query: JobQuery) -> JobPage:
        """One page, newest first; short where the filter leaves out jobs."""
        return self._documents.page(query)

    def cancel(self, tenant: str, job_id: str) -> Job:
        """Cancelled, unless it had ended."""
        version, _ = self._change(tenant, job_id, lambda record: life.cancelled(record, self._clock.now()))
        record = version.document.record
        if record.job.state == "cancelled":  # even if it was before: whoever did it may have died
            folder = self._files.folder(tenant, job_id, version.document.life)
            self._files.erase_segments(folder)
            self._files.erase_results(folder, record.request)
        return record.job

    def retry(self, tenant: str, job_id: str) -> Job:
        """Queued again."""
        version, changed = self._change(tenant, job_id, life.retried)
        if changed:
            self._documents.mark_open(tenant, job_id)
            self._queue.send(JobNote(tenant, job_id))
        return version.document.record.job

    def _change(self, tenant: str, job_id: str, step: Callable[[JobRecord], JobRecord]) -> tuple[Version, bool]:
        """Step a record on; the outcome, and whether the step changed it. Raises JobNotFoundError."""

        def on_document(document: JobDocument) -> JobDocument | None:
            after = step(document.record)
            if after is document.record:
                return None
            return document.model_copy(update={"record": after, "due_s": 0.0, "to_bury": False})

        version, changed = self._documents.change(tenant, job_id, on_document)
        return version or self._documents.load(tenant, job_id), changed

    def delete(self, tenant: str, job_id: str) -> None:
        """Erased."""
        self._sweeper.delete(tenant, job_id)

    def read_result(self, tenant: str, job_id: str, name: str) -> bytes:
        """The content of a result file."""
        version = self._documents.load(tenant, job_id)
        record = version.document.record
        check_result_exists(record.job, name)
        content = self._files.read_result(record.request, name)
        if content is None:  # removed by somebody else
            folder = self._files.folder(tenant, job_id, version.document.life)
            content = (self._files.decided(folder) or {}).get(name)
        if content is None:
            raise JobNotFoundError("The result was deleted.")
        return content

    def read_segments(self, tenant: str, job_id: str, first: int = 0) -> tuple[Segment, ...]:
        """Segments reported so far."""
        version = self._documents.load(tenant, job_id)
        record = version.document.record
        if record.job.state != "running":
            return ()
        folder = self._files.folder(tenant, job_id, version.document.life)
        return self._files.read_segments(folder, record.token, first)

    # --- for workers ---

    def claim(self, worker: str, wait_s: float = 0.0) -> Claim | None:
        """The next job that is due."""
        give_up_s = time.monotonic() + wait_s
        while True:
            message = self._queue.receive(max(give_up_s - time.monotonic(), 0), self._options.lease.lease_s)
            if message is not None and (claim := self._consider(message)) is not None:
                _log.info("job claimed", extra={"job_id": claim.job.id, "worker": worker})
                return claim
            if message is None and give_up_s - time.monotonic() < 1:  # SQS waits whole seconds
                return None

    def _consider(self, message: Message) -> Claim | None:
        content = read_message(message.body, self._options.events, (self._options.bucket, self._options.prefix))
        if isinstance(content, JobNote):
            if content.retry:
                self._retry_buried(content)
            return self._claims.consider(content, message)
        is_complete = [self._take_in(one) for one in content]
        if all(is_complete):
            self._queue.delete(message)
        return None

    def _take_in(self, found: JobRequest | Unusable) -> bool:
        """One upload becomes a job; one that cannot does not keep the others. False: the message must come again."""
        if isinstance(found, Unusable):
            self._queue.bury(found.content, found.reason)
            return True
        try:
            self.submit(found)
        except JobStoreError as error:
            _log.warning("an upload was not taken in: %s", error.message)
            return False
        except EmoScribeError as error:
            self._queue.bury(found.model_dump_json(), f"{error.code}: {error.message}")
        return True

    def _retry_buried(self, note: JobNote) -> None:
        """An operator has sent a message of the dead-letter queue back."""

        def step(record: JobRecord) -> JobRecord:
            return life.retried(record) if record.job.state == "failed" else record

        with suppress(JobNotFoundError):
            _, changed = self._change(note.tenant, note.job_id, step)
            if changed:
                self._documents.mark_open(note.tenant, note.job_id)

    def heartbeat(self, claim: Claim, update: Update) -> bool:
        """Extend the lease; False if the claim has ended."""
        return self._claims.heartbeat(claim, update)

    def finish(self, claim: Claim, results: Mapping[str, bytes]) -> bool:
        """Publish the results; False if the claim has ended."""
        return self._claims.finish(claim, results)

    def fail(self, claim: Claim, error: EmoScribeError, *, retry: bool) -> bool:
        """End the attempt; False if the claim has ended."""

        def step(record: JobRecord) -> JobRecord:
            attempts, now = self._options.lease.max_attempts, self._clock.now()
            return life.attempt_failed(record, error, retry=retry, max_attempts=attempts, now=now)

        return self._claims.end(claim, step, life.retry_delay_s(claim.job.attempts))

    def release(self, claim: Claim, waits_for: EmoScribeError | None = None) -> bool:
        """Give the job back; False if the claim has ended."""
        delay_s = life.WAITING_DELAY_S if waits_for else 0.0
        return self._claims.end(claim, lambda record: life.given_back(record, waits_for), delay_s)

    def callback_tried(self, claim: Claim, *, delivered: bool, give_up: bool = False) -> bool:
        """End the claim on a callback; False if it has ended before."""

        def step(record: JobRecord) -> JobRecord:
            return life.callback_tried(record, delivered=delivered, give_up=give_up)

        return self._claims.end(claim, step, life.retry_delay_s(claim.callback_attempts))

    # --- upkeep ---

    def backlog(self) -> Backlog:
        """Messages that nobody has received; SQS does not tell their age, CloudWatch does."""
        return Backlog(self._queue.waiting(), None)

    def sweep(self, retention_s: float) -> int:
        """Delete what is too old, and what crashes left."""
        deleted = self._sweeper.delete_old(timedelta(seconds=retention_s))
        self._sweeper.complete_erasures()
        self._sweeper.remind_of_open_jobs()
        self._sweeper.remove_orphans()
        return deleted
