"""Job records in S3: one small JSON object each, changed only by conditional writes.

Under the prefix of the service, all of it in one bucket:

    state/<tenant>/<id>.json                     the record
    index/<tenant>/<time, newest first>-<id>     for lists
    open/<tenant>/<id>                           there is something left to do
    keys/<tenant>/<hash of idempotency key>      the job's id
    erasing/<tenant>/<id>/<life>                 what a deletion has to erase
    files/<tenant>/<id>/...                      see cloud_files.py, cloud_reviews.py
    link-secret                                  see cloud_reviews.py
    results/<tenant>/<source>/<id>/...           what users read; analysis.json last
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from emoscribe.errors import InvalidRequestError, JobNotFoundError, JobStoreError
from emoscribe.jobs.model import TENANT_PATTERN, Job, JobPage, JobQuery, S3Object
from emoscribe.jobs.record import JobRecord
from emoscribe.jobs.s3_objects import Listed, S3Objects
from emoscribe.jobs.sqlite_records import key_conflict

MAX_PAGE: Final = 200
MAX_TRIES: Final = 20  # of one change, while others change the same record
READERS: Final = 8
LAST_MS: Final = 10**15  # after the year 30000; time counted down from here sorts newest first

_JOB_ID = re.compile("[0-9a-f]{64}")
_TENANT = re.compile(TENANT_PATTERN)
_CURSOR = re.compile("[0-9]{15}-[0-9a-f]{64}")


class JobDocument(BaseModel):
    """What is kept about a job."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    record: JobRecord
    life: str = Field(default_factory=lambda: uuid4().hex, description="Another one after a deletion.")
    due_s: float = Field(default=0.0, description="It waits, or is leased, until then; by the server's clock.")
    media: S3Object | None = Field(default=None, description="The upload.")
    to_bury: bool = Field(default=False, description="It failed, and the dead-letter queue does not know yet.")
    key_places: tuple[str, ...] = Field(default=(), description="Of idempotency keys that are bound to the job.")
    revision: str = Field(default="", description="Unique to each write.")


class Erasure(BaseModel):
    """A deletion under way."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant: str
    job_id: str
    life: str
    folder: str = Field(description="Files of this life of the job.")
    places: tuple[str, ...] = Field(description="Further prefixes; a job submitted again has them, too.")
    was_running: bool = Field(description="A worker may still write, for a while.")


@dataclass(frozen=True, slots=True)
class Version:
    """A document as it was read or written."""

    document: JobDocument
    etag: str


Step = Callable[[JobDocument], JobDocument | None]  # None: leave it as it is


class CloudDocuments:
    """Reads and writes documents; the rules of what may follow what are not here."""

    def __init__(self, objects: S3Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix

    def _key(self, tenant: str, job_id: str) -> str:
        return f"{self._prefix}state/{tenant}/{job_id}.json"

    def find(self, tenant: str, job_id: str) -> Version | None:
        """The document, if there is one."""
        if not _JOB_ID.fullmatch(job_id) or not _TENANT.fullmatch(tenant):  # never part of a key unseen
            return None
        stored = self._objects.get(self._key(tenant, job_id))
        return None if stored is None else Version(JobDocument.model_validate_json(stored.content), stored.etag)

    def load(self, tenant: str, job_id: str) -> Version:
        """The document. Raises JobNotFoundError."""
        version = self.find(tenant, job_id)
        if version is None:
            raise JobNotFoundError("There is no such job.", fix="It may have been deleted, by hand or by its age.")
        return version

    def write(self, tenant: str, job_id: str, document: JobDocument, etag: str | None) -> Version | None:
        """Write over the version with that ETag (None: there is none). None: somebody else was faster."""
        document = document.model_copy(update={"revision": uuid4().hex})
        content = document.model_dump_json().encode()
        written = self._objects.put_if(self._key(tenant, job_id), content, etag)
        return None if written is None else Version(document, written)

    def change(self, tenant: str, job_id: str, step: Step) -> tuple[Version | None, bool]:
        """Apply the step to the document as it is; the outcome, and whether anything was changed."""
        for attempt in range(MAX_TRIES):
            version = self.find(tenant, job_id)
            after = None if version is None else step(version.document)
            if version is None or after is None:
                return version, False
            if written := self.write(tenant, job_id, after, version.etag):
                return written, True
            time.sleep(0.02 * attempt)
        raise JobStoreError("The job is being changed by too many at once.", fix="Try again.")

    def etag(self, tenant: str, job_id: str) -> str | None:
        """Of the document as it is now."""
        return self._objects.etag(self._key(tenant, job_id))

    def delete(self, tenant: str, job_id: str, etag: str) -> bool:
        """Delete the document, if it still is that version."""
        key = self._key(tenant, job_id)
        if not self._objects.delete_if(key, etag):
            return False
        self._objects.erase_former_versions(key)
        return True

    # --- lists ---

    def add_to_index(self, job: Job) -> None:
        """Have the job listed."""
        self._objects.put(self.index_key(job), b"")

    def index_key(self, job: Job) -> str:
        """Where it is listed."""
        return f"{self._prefix}index/{job.tenant}/{LAST_MS - _milliseconds(job.created_at):015d}-{job.id}"

    def page(self, query: JobQuery) -> JobPage:
        """Newest first. Short where a filter leaves out jobs."""
        limit = min(max(query.limit, 1), MAX_PAGE)
        if query.cursor is not None and not _CURSOR.fullmatch(query.cursor):
            raise InvalidRequestError(
                "The cursor is not one that a list returned.", fix="Start again without a cursor."
            )
        prefix = f"{self._prefix}index/{query.tenant}/"
        listed = self._objects.list(prefix, after=prefix + (query.cursor or ""), limit=limit)
        entries = [one.key.removeprefix(prefix) for one in listed]
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(lambda entry: self._listed_job(query.tenant, entry), entries))
        jobs = tuple(job for job in found if job is not None and (not query.states or job.state in query.states))
        return JobPage(jobs, cursor=entries[-1] if len(entries) == limit else None)

    def _listed_job(self, tenant: str, entry: str) -> Job | None:
        time_left, _, job_id = entry.partition("-")
        version = self.find(tenant, job_id)
        if version is None:
            return None
        job = version.document.record.job
        if f"{LAST_MS - _milliseconds(job.created_at):015d}" != time_left:
            return None  # of an earlier life
        return job

    def all_states(self) -> Iterator[tuple[str, str, Listed]]:
        """Tenant, id and object of every document."""
        prefix = f"{self._prefix}state/"
        for listed in self._objects.list_all(prefix):
            tenant, _, name = listed.key.removeprefix(prefix).partition("/")
            yield tenant, name.removesuffix(".json"), listed

    # --- jobs with something left to do ---

    def open_key(self, tenant: str, job_id: str) -> str:
        """Where it stands that there is something left to do."""
        return f"{self._prefix}open/{tenant}/{job_id}"

    def mark_open(self, tenant: str, job_id: str) -> None:
        """There is something left to do."""
        self._objects.put(self.open_key(tenant, job_id), b"")

    def mark_closed(self, tenant: str, job_id: str) -> None:
        """Nothing is left to do."""
        self._objects.erase(self.open_key(tenant, job_id))

    def all_open(self) -> Iterator[tuple[str, str, Listed]]:
        """Tenant, id and object of every mark."""
        prefix = f"{self._prefix}open/"
        for listed in self._objects.list_all(prefix):
            tenant, _, job_id = listed.key.removeprefix(prefix).partition("/")
            yield tenant, job_id, listed

    # --- deletions ---

    def note_erasure(self, erasure: Erasure) -> None:
        """Have it carried out, whatever happens to who began it."""
        self._objects.put(self._erasure_key(erasure), erasure.model_dump_json().encode())

    def forget_erasure(self, erasure: Erasure) -> None:
        """It is complete."""
        self._objects.erase(self._erasure_key(erasure))

    def _erasure_key(self, erasure: Erasure) -> str:
        return f"{self._prefix}erasing/{erasure.tenant}/{erasure.job_id}/{erasure.life}"

    def all_erasures(self) -> Iterator[tuple[Erasure, Listed]]:
        """Deletions that may not be complete."""
        for listed in self._objects.list_all(f"{self._prefix}erasing/"):
            if stored := self._objects.get(listed.key):
                yield Erasure.model_validate_json(stored.content), listed

    # --- idempotency keys ---

    def remember_key(self, tenant: str, key: str, job_id: str) -> str:
        """Bind the key to the job. Returns where that is kept. Raises JobConflictError if it is bound to another."""
        place = f"{self._prefix}keys/{tenant}/{hashlib.sha256(key.encode()).hexdigest()}"
        if self._objects.put_if(place, job_id.encode(), etag=None) is None:
            stored = self._objects.get(place)
            if stored is not None and stored.content != job_id.encode():
                raise key_conflict()
        return place


def _milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)
