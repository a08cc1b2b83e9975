"""What workers do with jobs in the cloud: claim, keep, end.

The record in S3 says who holds a job and until when. The SQS message only leads a worker to look at it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from emoscribe.jobs import record as life
from emoscribe.jobs.aws import ServerClock
from emoscribe.jobs.cloud_documents import MAX_TRIES, CloudDocuments, JobDocument, Version
from emoscribe.jobs.cloud_files import CloudFiles
from emoscribe.jobs.job_queue import GIVE_BACK_AFTER_S, JobQueue, Message
from emoscribe.jobs.model import Claim, S3Object, Update, check_results
from emoscribe.jobs.record import JobRecord
from emoscribe.jobs.s3_events import JobNote
from emoscribe.jobs.store import LeaseOptions
from emoscribe.types import Segment


@dataclass(frozen=True, slots=True)
class HeartbeatPace:
    """How often a heartbeat costs a request."""

    write_every_s: float = 5.0  # progress and segments; the lease alone is written at a third of its length
    look_every_s: float = 2.0  # whether the job was cancelled
    give_back_after_s: float = GIVE_BACK_AFTER_S  # a message that has been held so long


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where everything is kept."""

    documents: CloudDocuments
    files: CloudFiles
    queue: JobQueue
    clock: ServerClock
    lease: LeaseOptions
    pace: HeartbeatPace


@dataclass(slots=True)
class Held:
    """A claim of this process: the record as it last wrote it, and the message that led to it."""

    note: JobNote
    version: Version
    message: Message | None  # None: given back to the queue
    token: str
    received_s: float = field(default_factory=time.monotonic)
    hidden_s: float = field(default_factory=time.monotonic)  # when the message was last extended
    written_s: float = field(default_factory=time.monotonic)
    looked_s: float = field(default_factory=time.monotonic)
    segments: tuple[Segment, ...] = ()  # not written yet
    has_ended: bool = False  # the record says so; what follows may have to be repeated

    @property
    def record(self) -> JobRecord:
        """The record."""
        return self.version.document.record


class CloudClaims:
    """The claims of one process."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._held: dict[str, Held] = {}  # by token; single operations on a dict are atomic

    # --- claiming ---

    def consider(self, note: JobNote, message: Message) -> Claim | None:
        """Look at the job a message speaks of; a claim if it is due. The message is dealt with either way."""
        cloud = self._cloud
        for _ in range(MAX_TRIES):
            version = cloud.documents.find(note.tenant, note.job_id)
            if version is None:
                cloud.queue.delete(message)
                return None
            record = version.document.record
            if version.document.to_bury:
                self._bury(note, version)
            elif not record.needs_worker:
                self._close(version)
                cloud.queue.delete(message)
                return None
            elif (wait_s := version.document.due_s - cloud.clock.now_s()) > 0:
                cloud.queue.postpone(message, note, wait_s)
                return None
            elif (held := self._take(note, version, record, message)) is not None:
                self._held[held.token] = held
                return self._as_claim(held, after_loss=record.job.state == "running")
        cloud.queue.postpone(message, note, cloud.lease.lease_s)
        return None

    def _take(self, note: JobNote, version: Version, record: JobRecord, message: Message) -> Held | None:
        """Hold the job, or step it on; None: look again."""
        cloud, folder = self._cloud, self._folder(version)
        if not record.job.is_final and record.job.attempts:
            if results := cloud.files.decided(folder):  # its worker died while it published
                cloud.files.publish(record.request, results)
                self._settle(note, version.document.life, tuple(sorted(results)))
                return None
            cloud.files.erase_segments(folder)
        if ended := life.lost(record, cloud.lease.max_losses, cloud.clock.now()):
            self._write(note, version, ended, to_bury=True)
            return None
        taken = life.claimed(record, uuid4().hex, cloud.clock.now())
        written = self._write(note, version, taken, due_in_s=cloud.lease.lease_s)
        return None if written is None else Held(note, written, message, taken.token)

    def _as_claim(self, held: Held, *, after_loss: bool) -> Claim:
        record, document = held.record, held.version.document
        source = record.request.source
        media = self._cloud.files.here(document.media) or (source if isinstance(source, S3Object) else source.path)
        return Claim(record.job, record.request, held.token, media, record.callback_attempts, after_loss)

    def _folder(self, version: Version) -> str:
        record = version.document.record
        return self._cloud.files.folder(record.job.tenant, record.job.id, version.document.life)

    def _write(
        self, note: JobNote, version: Version, record: JobRecord, *, due_in_s: float = 0.0, to_bury: bool | None = None
    ) -> Version | None:
        document = version.document
        changed = document.model_copy(
            update={
                "record": record,
                "due_s": self._cloud.clock.now_s() + due_in_s if due_in_s else 0.0,
                "to_bury": document.to_bury if to_bury is None else to_bury,
            }
        )
        return self._cloud.documents.write(note.tenant, note.job_id, changed, version.etag)

    def _bury(self, note: JobNote, version: Version) -> None:
        """Tell the dead-letter queue why the job failed; sent from there to the queue again, it is retried."""
        record = version.document.record
        error = record.job.error
        reason = f"{error.code}: {error.message}" if error else "unknown"
        self._cloud.queue.bury(JobNote(note.tenant, note.job_id, retry=True).as_text(), reason)
        self._write(note, version, record, to_bury=False)

    def _close(self, version: Version) -> None:
        """There is nothing left to do, but to clear away what somebody may have left who died."""
        record, folder = version.document.record, self._folder(version)
        if record.job.state != "done":  # published too late
            self._cloud.files.erase_results(folder, record.request)
        self._cloud.files.erase_segments(folder)
        self._cloud.documents.mark_closed(record.job.tenant, record.job.id)

    # --- keeping ---

    def heartbeat(self, claim: Claim, update: Update) -> bool:
        """Extend the lease, now and then; False if the claim has ended. If it raises, nothing has been taken."""
        held = self._held.get(claim.token)
        if held is None:
            return False
        self._keep_message(held)
        now_s, pace = time.monotonic(), self._cloud.pace
        segments = (*held.segments, *update.segments)
        silence_s = now_s - held.written_s
        told = held.record.job
        has_news = bool(segments) or update.progress > told.progress or update.stage not in {None, told.stage}
        if silence_s >= self._cloud.lease.lease_s / 3 or (has_news and silence_s >= pace.write_every_s):
            return self._tell(held, update, segments)
        held.segments = segments
        if now_s - held.looked_s < pace.look_every_s:
            return True
        held.looked_s = now_s
        if self._cloud.documents.etag(held.note.tenant, held.note.job_id) == held.version.etag:
            return True
        return self._refresh(held) or self._lose(held)

    def _tell(self, held: Held, update: Update, segments: tuple[Segment, ...]) -> bool:
        """Segments first: if the record then turns out to be another's, they are erased again."""
        folder = self._folder(held.version)
        if segments:
            self._cloud.files.add_segments(folder, held.token, segments)
        if not self._change(held, lambda record: life.advanced(record, update), self._cloud.lease.lease_s):
            return self._lose(held)
        held.segments = ()
        held.written_s = held.looked_s = time.monotonic()
        return True

    def _keep_message(self, held: Held) -> None:
        """Keep it from others, at a third of the time it is hidden; give it back before SQS's own limit."""
        lease_s, now_s = self._cloud.lease.lease_s, time.monotonic()
        if held.message is None or now_s - held.hidden_s < lease_s / 3:
            return
        held.hidden_s = now_s
        if now_s - held.received_s >= self._cloud.pace.give_back_after_s:
            self._cloud.queue.replace(held.message, held.note, lease_s)
            held.message = None
        else:
            self._cloud.queue.hide(held.message, lease_s)

    def _change(self, held: Held, step: Callable[[JobRecord], JobRecord], due_in_s: float) -> bool:
        """Step the record on; False if it is no longer ours. The callback of a job that ends is due at once."""
        for _ in range(MAX_TRIES):
            after = step(held.record)
            has_just_ended = after.job.is_final and not held.record.job.is_final
            to_bury = True if has_just_ended and after.job.state == "failed" else None
            due_s = 0.0 if has_just_ended else due_in_s
            written = self._write(held.note, held.version, after, due_in_s=due_s, to_bury=to_bury)
            if written is not None:
                held.version = written
                return True
            if not self._refresh(held):
                return False
        return False

    def _refresh(self, held: Held) -> bool:
        """Read the record again; False if it is no longer ours."""
        version = self._cloud.documents.find(held.note.tenant, held.note.job_id)
        if version is None or not version.document.record.is_held_by(held.token):
            return False
        held.version = version
        return True

    def _lose(self, held: Held) -> bool:
        """The claim has ended; whoever looks at the message finds out what there is to do."""
        self._cloud.files.erase_segments(self._folder(held.version), held.token)
        self._held.pop(held.token, None)
        if held.message is not None:
            self._cloud.queue.hide(held.message, 0)
        return False

    # --- ending ---

    def finish(self, claim: Claim, results: Mapping[str, bytes]) -> bool:
        """Publish the results; False if the claim has ended. May be repeated if it raises."""
        check_results(results)
        held = self._held.get(claim.token)
        if held is None:
            return False
        if held.has_ended:
            return self._let_go(held, delay_s=0)
        files, folder = self._cloud.files, self._folder(held.version)
        is_ours = self._change(held, lambda record: record, self._cloud.lease.lease_s)
        if not is_ours or not files.decide(folder, held.token, results):
            return self._lose(held)
        files.publish(claim.request, results)
        settled = self._settle(held.note, held.version.document.life, tuple(sorted(results)))
        if settled is None:
            files.erase_results(folder, claim.request)
            return self._lose(held)
        held.version, held.has_ended = settled, True
        return self._let_go(held, delay_s=0)

    def _settle(self, note: JobNote, of_life: str, names: tuple[str, ...]) -> Version | None:
        """Say that the job is done, whoever holds it: its results are decided. None: it was cancelled or deleted."""
        cloud = self._cloud

        def step(document: JobDocument) -> JobDocument | None:
            if document.life != of_life or document.record.job.is_final:
                return None
            record = life.done(document.record, names, cloud.clock.now())
            return document.model_copy(update={"record": record, "due_s": 0.0})

        version, _ = cloud.documents.change(note.tenant, note.job_id, step)
        return version if version is not None and version.document.record.job.state == "done" else None

    def end(self, claim: Claim, step: Callable[[JobRecord], JobRecord], delay_s: float) -> bool:
        """End the claim by this step; False if it has ended before. The job is due again after the delay.

        May be repeated if it raises.
        """
        held = self._held.get(claim.token)
        if held is None:
            return False
        if not held.has_ended:
            if not self._change(held, step, delay_s):
                return self._lose(held)
            held.has_ended = True
        if held.record.job.is_final and not claim.job.is_final:
            delay_s = 0.0
        if held.version.document.to_bury:
            self._bury(held.note, held.version)
        return self._let_go(held, delay_s)

    def _let_go(self, held: Held, delay_s: float) -> bool:
        """Forget the claim; the message comes again if there is more to do. Returns True."""
        needs_worker, message = held.record.needs_worker, held.message
        if not needs_worker:
            self._close(held.version)
        else:
            self._cloud.files.erase_segments(self._folder(held.version))
        if message is None and needs_worker:
            self._cloud.queue.send(held.note, delay_s)
        elif message is not None and needs_worker:
            self._cloud.queue.postpone(message, held.note, delay_s)
        elif message is not None:
            self._cloud.queue.delete(message)
        self._held.pop(held.token, None)
        return True
