"""What a job is, and what crosses the boundary between a job store and those who use it.

A job is one recording analysed with one set of options for one tenant. Its id is a hash of exactly
that, so submitting the same again is the same job. Nothing here knows where jobs are kept.
"""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from emoscribe.errors import EmoScribeError, JobConflictError, JobNotFoundError, MediaNotFoundError
from emoscribe.types import Segment

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
CallbackState = Literal["none", "pending", "delivered", "failed"]
FINAL_STATES: Final[frozenset[JobState]] = frozenset({"done", "failed", "cancelled"})
ANALYSIS_FILE: Final = "analysis.json"  # written last: its presence means that all results are there

_RESULT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_HASH_BLOCK_BYTES: Final = 2**20


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # ignore: what a later version wrote stays readable


def _printable(text: str) -> str:
    """Without control characters and lone surrogates, which deceive terminals and which JSON cannot carry."""
    return "".join("\ufffd" if unicodedata.category(one) in {"Cc", "Cs"} else one for one in text)


def _printable_if_text(value: object) -> object:
    return _printable(value) if isinstance(value, str) else value


Name = Annotated[str, Field(max_length=4096), BeforeValidator(_printable_if_text)]
TENANT_PATTERN: Final = "^[a-z0-9][a-z0-9_-]{0,63}$"  # becomes part of keys: no dots, no slashes
Tenant = Annotated[str, Field(pattern=TENANT_PATTERN)]


# --- where a recording lies ---------------------------------------------------------------------


class LocalFile(_Record):
    """A file on this machine, known by its content."""

    kind: Literal["file"] = "file"
    path: Path
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)
    name: Name = Field(description="What the user calls it. Never becomes a path.")
    modified_ns: int | None = Field(default=None, description="Time of the last change, where others may change it.")
    owned: bool = Field(description="True: an upload, moved into the store and erased with the job. False: left alone.")

    @property
    def identity(self) -> dict[str, str]:
        """What makes it the same recording, wherever it lies."""
        return {"sha256": self.sha256}


class S3Object(_Record):
    """One version of an object. Reading it is pinned to `etag`, and to `version_id` where the bucket keeps versions."""

    kind: Literal["s3"] = "s3"
    bucket: str = Field(min_length=3, max_length=255)
    key: str = Field(min_length=1, max_length=1024)
    etag: str = Field(min_length=1, description="Without quotes. Other bytes have another one.")
    version_id: str | None = None
    bytes: int = Field(ge=0)

    @property
    def name(self) -> str:
        """What the user calls it."""
        return _printable(self.key)

    @property
    def identity(self) -> dict[str, str]:
        """What makes it the same recording. Not the version: some events lack it, and the ETag tells bytes apart."""
        return {"bucket": self.bucket, "key": self.key, "etag": self.etag}


Source = Annotated[LocalFile | S3Object, Field(discriminator="kind")]


def local_file(path: Path) -> LocalFile:
    """A user's own file: hashed now, read in place later, never moved or erased. Raises MediaNotFoundError."""
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
            status = os.fstat(file.fileno())
    except OSError as error:
        raise MediaNotFoundError(f"{path.name} cannot be read: {error.strerror}.") from None
    return LocalFile(
        path=path.absolute(),
        sha256=digest.hexdigest(),
        bytes=status.st_size,
        name=path.name,
        modified_ns=status.st_mtime_ns,
        owned=False,
    )


# --- what is asked for --------------------------------------------------------------------------


def _sorted_set(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


class JobOptions(_Record):
    """What the user chose for one analysis."""

    language: str | None = Field(default=None, description="Pinned, ISO 639-1.")
    audio_track: int | None = Field(default=None, ge=0, description="From 0.")
    formats: Annotated[tuple[str, ...], AfterValidator(_sorted_set)] = Field(
        default=("json",), description="Formats of emoscribe.report; JSON is always made."
    )
    explain: bool = Field(default=False, description="With the weights of each sentence's words.")


class JobRequest(_Record):
    """A submission."""

    source: Source
    options: JobOptions = JobOptions()
    settings: str = Field(default="", description="Fingerprint of the settings and models that shape the result.")
    tenant: Tenant = "default"
    callback_url: str | None = Field(
        default=None, max_length=2048, description="Told when the job ends. Not part of the id."
    )
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=255)

    @property
    def job_id(self) -> str:
        """SHA-256 over source identity, options, settings and tenant, hexadecimal."""
        return fingerprint(
            {
                "source": self.source.identity,
                "options": self.options.model_dump(mode="json"),
                "settings": self.settings,
                "tenant": self.tenant,
            }
        )


def fingerprint(values: Mapping[str, object]) -> str:
    """SHA-256 of JSON-able values, independent of their order, hexadecimal."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


# --- what is known about it ---------------------------------------------------------------------


class JobFailure(_Record):
    """Why a job failed, or why its last attempt did."""

    code: str
    message: str
    fix: str = ""

    @classmethod
    def of(cls, error: EmoScribeError) -> "JobFailure":
        """The part of an error that users see."""
        return cls(code=error.code, message=error.message, fix=error.fix)


class Job(_Record):
    """What a user may know about a job."""

    id: str
    tenant: str
    source_name: str
    source_bytes: int
    options: JobOptions
    state: JobState = "queued"
    stage: str | None = Field(default=None, description="Stage of the pipeline that was heard of last.")
    progress: float = Field(
        default=0.0, ge=0, le=1, description="Never falls, except when a failed job is retried by hand."
    )
    attempts: int = Field(default=0, ge=0, description="Times work was begun.")
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: JobFailure | None = None
    results: tuple[str, ...] = Field(default=(), description="File names, once the job is done.")
    callback: CallbackState = "none"

    @property
    def is_final(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state in FINAL_STATES


def check_result_exists(job: Job, name: str) -> None:
    """Raises JobConflictError before the job is done, JobNotFoundError if it has no such result."""
    if job.state != "done":
        raise JobConflictError(f"The job is {job.state}: it has no results.", fix="Wait until it is done.")
    if name not in job.results:
        raise JobNotFoundError(f"The job has no result {name!r}.", fix=f"It has {', '.join(job.results)}.")


def check_results(results: Mapping[str, bytes]) -> None:
    """Results are files with plain names, ANALYSIS_FILE among them. Raises ValueError."""
    if ANALYSIS_FILE not in results:
        raise ValueError(f"The results must hold {ANALYSIS_FILE}.")
    for name in results:
        if not _RESULT_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a result.")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list, newest first. A page may be short: only a missing cursor means the end."""

    tenant: str = "default"
    states: frozenset[JobState] = frozenset()  # empty: all
    limit: int = 50  # 1 to 200
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of a list."""

    jobs: tuple[Job, ...]
    cursor: str | None  # of the next page


# --- what a worker holds ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one worker to one job, until its lease ends.

    `job.state` is "running": the recording is to be analysed. Or it is final: the callback is due.
    """

    job: Job
    request: JobRequest
    token: str  # unique to this claim
    media: Path | S3Object  # where to read the recording
    callback_attempts: int = 0
    after_loss: bool = False  # the worker that held the job before has vanished


@dataclass(frozen=True, slots=True)
class Update:
    """What has happened since the last heartbeat."""

    stage: str | None = None
    progress: float = 0.0
    segments: tuple[Segment, ...] = ()  # new ones, in order of index, without gaps
