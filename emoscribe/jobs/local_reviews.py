"""Decisions and recordings of the local job store. See `reviews.JobReviews`."""

import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Final
from uuid import uuid4

from emoscribe.errors import JobStoreError
from emoscribe.jobs.job_files import JobFiles
from emoscribe.jobs.model import LocalFile
from emoscribe.jobs.reviews import Decision, KeptRecording, with_decision
from emoscribe.jobs.sqlite_records import SqliteRecords

SECRET_BYTES: Final = 32


class LocalReviews:
    """See `reviews.JobReviews`, which says what each method promises."""

    def __init__(self, records: SqliteRecords, files: JobFiles, secret_file: Path) -> None:
        self._records = records
        self._files = files
        self._secret_file = secret_file

    def decide(self, tenant: str, job_id: str, decision: Decision, seen: int) -> tuple[Decision, ...]:
        """With one more."""
        with self._records.transaction():
            job = self._records.load(tenant, job_id).job
            after = with_decision(job, self._records.decisions(job_id), decision, seen)
            self._records.add_decision(job_id, len(after), decision)
        return after

    def decisions(self, tenant: str, job_id: str) -> tuple[Decision, ...]:
        """All of a job."""
        self._records.load(tenant, job_id)
        return self._records.decisions(job_id)

    def decided_jobs(self, tenant: str) -> frozenset[str]:
        """Those that have any."""
        return self._records.decided_jobs(tenant)

    def recording(self, tenant: str, job_id: str) -> KeptRecording:
        """The upload, the user's file, or the object."""
        source = self._records.load(tenant, job_id).request.source
        if not isinstance(source, LocalFile):
            return KeptRecording(source.name, source, source.bytes)
        path = self._files.media(job_id) if source.owned else source.path
        return KeptRecording(source.name, path, source.bytes, source.modified_ns)

    def link_secret(self) -> bytes:
        """Read once by each process."""
        return self._secret

    @cached_property
    def _secret(self) -> bytes:
        """Of a file that only its owner can read."""
        try:
            if not self._secret_file.exists():
                self._make_secret()
            return self._secret_file.read_bytes()
        except OSError as error:
            raise JobStoreError(f"The secret for links cannot be kept: {error.strerror}.") from error

    def _make_secret(self) -> None:
        """Appears whole or not at all, whoever else makes one."""
        draft = self._secret_file.with_name(f".{uuid4().hex}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
        try:
            os.link(draft, self._secret_file)
        except FileExistsError:  # another process was faster
            pass
        finally:
            draft.unlink()
