"""Erasing jobs in the cloud, by hand and by age, and making up for what crashes left undone."""

from datetime import timedelta
from typing import Final

from emoscribe.errors import JobNotFoundError, JobStoreError
from emoscribe.jobs.cloud_claims import Cloud
from emoscribe.jobs.cloud_documents import MAX_TRIES, Erasure, Version
from emoscribe.jobs.s3_events import JobNote

LATE_WRITES: Final = timedelta(hours=1)  # a worker whose job was deleted has heard of it by then
ORPHAN_AGE: Final = timedelta(days=1)  # a file that belongs to no job is left alone so long: it may be arriving
REMINDER_AGE: Final = timedelta(hours=6)  # a job that waits so long may have lost its message


class CloudSweeper:
    """Deletes; the only one that lists everything."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    # --- deleting ---

    def delete(self, tenant: str, job_id: str) -> None:
        """First note what is to be erased, then make the job disappear, then erase. Raises JobNotFoundError."""
        for _ in range(MAX_TRIES):
            version = self._cloud.documents.load(tenant, job_id)
            erasure = self._erasure(version)
            self._cloud.documents.note_erasure(erasure)
            if self._cloud.documents.delete(tenant, job_id, version.etag):
                self._erase(erasure, is_over=not erasure.was_running)
                return
        raise JobStoreError("The job is being changed by too many at once.", fix="Try again.")

    def _erasure(self, version: Version) -> Erasure:
        document, files, documents = version.document, self._cloud.files, self._cloud.documents
        job = document.record.job
        return Erasure(
            tenant=job.tenant,
            job_id=job.id,
            life=document.life,
            folder=files.folder(job.tenant, job.id, document.life),
            places=(
                files.results_place(document.record.request),
                documents.index_key(job),
                documents.open_key(job.tenant, job.id),
                *document.key_places,
            ),
            was_running=job.state == "running",
        )

    def _erase(self, erasure: Erasure, *, is_over: bool) -> None:
        self._cloud.files.erase(erasure.folder)
        if self._cloud.documents.find(erasure.tenant, erasure.job_id) is None:
            for place in erasure.places:
                self._cloud.files.erase(place)
        if is_over:
            self._cloud.documents.forget_erasure(erasure)

    def complete_erasures(self) -> None:
        """Of deletions whose author died, or whose worker may have written after it."""
        for erasure, listed in list(self._cloud.documents.all_erasures()):
            version = self._cloud.documents.find(erasure.tenant, erasure.job_id)
            if version is not None and version.document.life == erasure.life:
                self._delete_if_there(erasure.tenant, erasure.job_id)
            else:
                is_over = not erasure.was_running or self._cloud.clock.now() - listed.modified > LATE_WRITES
                self._erase(erasure, is_over=is_over)

    def delete_old(self, retention: timedelta) -> int:
        """Delete jobs that ended longer ago. Returns how many."""
        now, deleted = self._cloud.clock.now(), 0
        for tenant, job_id, listed in list(self._cloud.documents.all_states()):
            if now - listed.modified <= retention:
                continue
            version = self._cloud.documents.find(tenant, job_id)
            record = version.document.record if version else None
            if (
                record
                and not record.needs_worker
                and record.job.finished_at
                and now - record.job.finished_at > retention
            ):
                deleted += self._delete_if_there(tenant, job_id)
        return deleted

    def _delete_if_there(self, tenant: str, job_id: str) -> bool:
        try:
            self.delete(tenant, job_id)
        except JobNotFoundError:
            return False
        return True

    # --- making up ---

    def remind_of_open_jobs(self, older_than: timedelta = REMINDER_AGE) -> int:
        """Whoever submitted them may have died before the message was sent. Returns how many there were."""
        reminded = 0
        for tenant, job_id, listed in list(self._cloud.documents.all_open()):
            if older_than and self._cloud.clock.now() - listed.modified <= older_than:
                continue
            version = self._cloud.documents.find(tenant, job_id)
            if version is None or not version.document.record.needs_worker:
                self._cloud.documents.mark_closed(tenant, job_id)
            else:
                self._cloud.documents.mark_open(tenant, job_id)  # anew: not to be reminded of at every sweep
                self._cloud.queue.send(JobNote(tenant, job_id))
                reminded += 1
        return reminded

    def remove_orphans(self) -> None:
        """Files of submissions that died before there was a job."""
        now = self._cloud.clock.now()
        known = {job_id for _, job_id, _ in self._cloud.documents.all_states()}
        for job_id, folder, listed in list(self._cloud.files.all_files()):
            if job_id not in known and now - listed.modified > ORPHAN_AGE:
                self._cloud.files.erase(folder)
