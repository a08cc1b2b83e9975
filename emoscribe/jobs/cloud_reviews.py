"""Decisions and recordings of the cloud's job store. See `reviews.JobReviews`.

    files/<tenant>/<id>/<life>/decisions    all decisions on one job: one small object, changed by conditional writes
    link-secret                             signs links to recordings

A decision has about 150 bytes: it refers to a sentence, and does not repeat it.
"""

import secrets
import time
from functools import cached_property
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from emoscribe.errors import JobNotFoundError, JobStoreError
from emoscribe.jobs.cloud_documents import MAX_TRIES, CloudDocuments, JobDocument
from emoscribe.jobs.cloud_files import CloudFiles
from emoscribe.jobs.model import S3Object
from emoscribe.jobs.reviews import Decision, KeptRecording, with_decision
from emoscribe.jobs.s3_objects import S3Objects

SECRET_BYTES: Final = 32


class _Decisions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    decisions: tuple[Decision, ...] = ()
    write: str = Field(default_factory=lambda: uuid4().hex, description="Unique to each write, as `put_if` needs.")


class CloudReviews:
    """See `reviews.JobReviews`, which says what each method promises."""

    def __init__(self, objects: S3Objects, documents: CloudDocuments, files: CloudFiles, prefix: str) -> None:
        self._objects = objects
        self._documents = documents
        self._files = files
        self._prefix = prefix

    def decide(self, tenant: str, job_id: str, decision: Decision, seen: int) -> tuple[Decision, ...]:
        """With one more."""
        for attempt in range(MAX_TRIES):
            document = self._documents.load(tenant, job_id).document
            key = self._key(tenant, job_id, document)
            stored = self._objects.get(key)
            before = () if stored is None else _Decisions.model_validate_json(stored.content).decisions
            after = with_decision(document.record.job, before, decision, seen)
            content = _Decisions(decisions=after).model_dump_json().encode()
            if self._objects.put_if(key, content, None if stored is None else stored.etag) is not None:
                self._check_is_there(tenant, job_id, document)
                return after
            time.sleep(0.02 * attempt)
        raise JobStoreError("The job is being corrected by too many at once.", fix="Try again.")

    def _check_is_there(self, tenant: str, job_id: str, document: JobDocument) -> None:
        """A deletion may have come between: then what was written must go as well."""
        now = self._documents.find(tenant, job_id)
        if now is None or now.document.life != document.life:
            self._files.erase(self._key(tenant, job_id, document))
            raise JobNotFoundError("The job was deleted meanwhile.")

    def _key(self, tenant: str, job_id: str, document: JobDocument) -> str:
        return f"{self._files.folder(tenant, job_id, document.life)}decisions"

    def decisions(self, tenant: str, job_id: str) -> tuple[Decision, ...]:
        """All of a job."""
        document = self._documents.load(tenant, job_id).document
        stored = self._objects.get(self._key(tenant, job_id, document))
        return () if stored is None else _Decisions.model_validate_json(stored.content).decisions

    def decided_jobs(self, tenant: str) -> frozenset[str]:
        """Those that have any."""
        place = f"{self._prefix}files/{tenant}/"
        keys = (listed.key.removeprefix(place).split("/") for listed in self._objects.list_all(place))
        return frozenset(key[0] for key in keys if key[2:] == ["decisions"])

    def recording(self, tenant: str, job_id: str) -> KeptRecording:
        """The upload, or the object."""
        document = self._documents.load(tenant, job_id).document
        source = document.record.request.source
        media = self._files.here(document.media) or source
        if not isinstance(media, S3Object):
            raise JobNotFoundError("The job has no recording.")
        return KeptRecording(source.name, media, media.bytes)

    def link_secret(self) -> bytes:
        """Read once by each process."""
        return self._secret

    @cached_property
    def _secret(self) -> bytes:
        """Of an object that those can read who can read the recordings."""
        key = f"{self._prefix}link-secret"
        stored = self._objects.get(key)
        if stored is None:
            self._objects.put_if(key, secrets.token_bytes(SECRET_BYTES), etag=None)
            stored = self._objects.get(key)
        if stored is None:
            raise JobStoreError("The secret for links has vanished.", fix="Try again.")
        return stored.content
