"""From the settings to the parts of the job system: store, submissions, worker.

The API, the command line and S3 events all make their requests through `Submissions` or the rules below it,
so the same recording with the same options is the same job, whichever way it came in.
"""

import errno
import stat
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from emoscribe.errors import InvalidRequestError, JobStoreError, MediaLimitError, MediaNotFoundError, SettingsError
from emoscribe.jobs import (
    AnalysisRun,
    AwsOptions,
    CallbackOptions,
    CallbackSender,
    Claim,
    CloudJobStore,
    CloudOptions,
    EventRules,
    JobOptions,
    JobRequest,
    JobStore,
    LocalFile,
    LocalJobStore,
    S3Object,
    Worker,
    WorkerOptions,
    local_file,
    make_client,
    open_claimed_file,
    open_from_s3,
)
from emoscribe.jobs.callbacks import read_secret
from emoscribe.jobs.claim_handler import AttemptRun, Observer
from emoscribe.jobs.s3_address import S3Place, is_allowed, parse_s3_address
from emoscribe.jobs.spool import PrivateSpool
from emoscribe.local_stages import analysis_options
from emoscribe.media import Source
from emoscribe.request_rules import Asked, RequestRules
from emoscribe.s3_source import find_object
from emoscribe.settings import Settings
from emoscribe.stages import Stages

__all__ = [
    "Asked",
    "Submissions",
    "analysis_run",
    "callback_sender",
    "make_worker",
    "open_store",
    "own_prefix",
    "s3_client",
]

CLOUD_POLL_S: Final = 10.0  # one long poll of SQS
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
CLOUD_SWEEP_EVERY_S: Final = 3600.0  # it lists the whole prefix


# --- the store ----------------------------------------------------------------------------------


def open_store(settings: Settings) -> JobStore:
    """The jobs in the bucket that the settings name, else those of this machine. Raises SettingsError, JobStoreError.

    A store that was opened may be shared by threads, not by processes.
    """
    if settings.jobs_bucket is None and settings.jobs_queue_url is None:
        if settings.s3_uploads is not None:
            raise SettingsError(
                "EMOSCRIBE_S3_UPLOADS needs a queue that tells of them.",
                fix="Set EMOSCRIBE_JOBS_BUCKET and EMOSCRIBE_JOBS_QUEUE_URL, or unset it.",
            )
        return LocalJobStore(settings.jobs_dir)
    if settings.jobs_bucket is None or settings.jobs_queue_url is None:
        missing = "EMOSCRIBE_JOBS_BUCKET" if settings.jobs_bucket is None else "EMOSCRIBE_JOBS_QUEUE_URL"
        raise SettingsError(
            f"{missing} is not set: jobs in the cloud need a bucket and a queue.",
            fix="Set both, or neither to keep jobs on this machine.",
        )
    options = CloudOptions(
        bucket=settings.jobs_bucket,
        queue_url=settings.jobs_queue_url,
        dead_letter_url=settings.jobs_dead_letter_url,
        prefix=own_prefix(settings),
        events=_event_rules(settings),
    )
    return CloudJobStore(s3_client(settings), _client("sqs", settings.sqs_endpoint_url, settings), options)


def s3_client(settings: Settings) -> Any:
    """The boto3 client for recordings in S3. Raises SettingsError where boto3 is not installed."""
    return _client("s3", settings.s3_endpoint_url, settings)


def _client(service: str, endpoint_url: str | None, settings: Settings) -> Any:
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise SettingsError(
            "S3 needs boto3, which is not installed.", fix="Run `pip install 'emoscribe[s3]'`."
        ) from None
    try:
        return make_client(service, AwsOptions(endpoint_url, settings.aws_region))
    except (ValueError, BotoCoreError) as error:  # an endpoint that is no URL; no region
        raise SettingsError(
            f"No connection can be made to {service.upper()}: {error}.",
            fix=f"Check EMOSCRIBE_{service.upper()}_ENDPOINT_URL and EMOSCRIBE_AWS_REGION.",
        ) from error


def own_prefix(settings: Settings) -> str:
    """Of what the service writes to its bucket."""
    return f"{prefix}/" if (prefix := settings.jobs_prefix.strip("/")) else ""


def _event_rules(settings: Settings) -> EventRules | None:
    """S3 uploads become the requests that the API would make for them."""
    if settings.s3_uploads is None:
        return None
    place = _settings_place("EMOSCRIBE_S3_UPLOADS", settings.s3_uploads)
    rules = RequestRules(settings)
    options = JobOptions(formats=settings.s3_upload_formats)
    asked = Asked(rules.checked_options(options), tenant=settings.jobs_tenant)
    return EventRules(place.bucket, place.prefix, lambda source: rules.request(source, asked))


def _settings_place(variable: str, text: str) -> S3Place:
    try:
        return S3Place.parse(text)
    except InvalidRequestError as error:
        raise SettingsError(f"{variable}: {error.message}", fix="Write s3://bucket/prefix/.") from None


# --- submissions --------------------------------------------------------------------------------


class Submissions:
    """Builds requests; `store.submit` makes jobs of them. Blocks: reads files, asks S3, resolves names."""

    def __init__(self, settings: Settings, store: JobStore, *, any_object: bool = False) -> None:
        """`any_object`: read whatever the credentials allow, for the operator's own commands. Raises SettingsError."""
        self._settings = settings
        self._rules = RequestRules(settings)
        self._allowed = [_settings_place("EMOSCRIBE_S3_SOURCES", text) for text in settings.s3_sources]
        self._any_object = any_object
        self._store = store
        self._private: PrivateSpool | None = None
        self._making_spool = threading.Lock()

    @property
    def spool(self) -> Path:
        """Where uploads are received. Raises SettingsError if there is no place for it."""
        if isinstance(self._store, LocalJobStore):
            return self._store.spool
        with self._making_spool:
            self._private = self._private or _private_spool(self._settings)
        return self._private.folder

    def close(self) -> None:
        """Remove uploads that were never submitted."""
        if self._private is not None:
            self._private.close()

    def from_upload(self, upload: LocalFile, asked: Asked) -> JobRequest:
        """For an upload received in `spool`."""
        return self._rules.request(upload, asked)

    def from_path(self, path: Path, asked: Asked) -> JobRequest:
        """For a file of this machine, read in place; never for a path that came over the network.

        Raises MediaNotFoundError, MediaLimitError, and what `RequestRules.request` raises.
        """
        _check_file(path, self._settings.max_source_bytes)
        return self._rules.request(local_file(path), asked)

    def from_s3(self, address: str, asked: Asked) -> JobRequest:
        """For the object as it is now.

        Raises InvalidRequestError (also for a place that may not be read), MediaNotFoundError, MediaError,
        SourceUnreachableError, and what `RequestRules.request` raises.
        """
        place = parse_s3_address(address)
        self._check_allowed(place.bucket, place.key)
        found = find_object(self.s3, str(place))
        source = S3Object(
            bucket=found.bucket,
            key=found.key,
            etag=found.etag,
            version_id=found.version_id,
            bytes=found.size_bytes,
        )
        return self._rules.request(source, asked)

    def _check_allowed(self, bucket: str, key: str) -> None:
        settings = self._settings
        is_own = bucket == settings.jobs_bucket and key.startswith(own_prefix(settings))
        if is_own or not (self._any_object or is_allowed(self._allowed, bucket, key)):
            raise InvalidRequestError(
                "This place in S3 may not be read." if self._allowed else "This service reads nothing from S3.",
                fix="Upload the recording, or ask the operator to add the place to EMOSCRIBE_S3_SOURCES.",
            )

    @cached_property
    def s3(self) -> Any:
        """The client for recordings in S3. Raises SettingsError where boto3 is not installed."""
        return s3_client(self._settings)


def _private_spool(settings: Settings) -> PrivateSpool:
    try:
        return PrivateSpool(settings.jobs_dir / "uploads")
    except OSError as error:
        if error.errno in DISK_FULL:
            raise JobStoreError("Uploads cannot be received: the disk is full.", fix="Try again later.") from None
        raise SettingsError(
            f"Uploads cannot be received in {settings.jobs_dir}: {error.strerror}.", fix="Set EMOSCRIBE_JOBS_DIR."
        ) from None


def _check_file(path: Path, max_bytes: int) -> None:
    """Before hours are spent on hashing it, or for ever on waiting for a pipe."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        cause = error.strerror if isinstance(error, OSError) else "no file has this name"
        raise MediaNotFoundError(f"{path.name} cannot be read: {cause}.", fix="Check its path.") from None
    if not stat.S_ISREG(status.st_mode):
        raise MediaNotFoundError(f"{path.name} is not a file.", fix="Give a recording.")
    if status.st_size > max_bytes:
        raise MediaLimitError(
            f"{path.name} has {status.st_size} bytes, the limit is {max_bytes}.",
            fix="Raise EMOSCRIBE_MAX_SOURCE_BYTES.",
        )


# --- the worker ---------------------------------------------------------------------------------


def analysis_run(settings: Settings, stages: Stages) -> AnalysisRun:
    """What a worker does with a claim, under these settings."""
    return AnalysisRun(
        stages=stages,
        options=lambda chosen: analysis_options(
            settings, language=chosen.language, audio_track=chosen.audio_track, explain=chosen.explain
        ),
        open_source=_SourceOpener(settings),
    )


class _SourceOpener:
    """Opens files, and objects with a client that is made when the first one comes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _s3(self) -> Any:
        return s3_client(self._settings)

    def __call__(self, claim: Claim) -> Source:
        return open_claimed_file(claim) if isinstance(claim.media, Path) else open_from_s3(self._s3)(claim)


def make_worker(
    settings: Settings,
    store: JobStore,
    stages: Stages,
    observe: Observer | None = None,
    wrap: Callable[[AttemptRun], AttemptRun] = lambda run: run,
) -> Worker:
    """The worker as the settings want it; `wrap` goes around each attempt. Raises SettingsError."""
    is_local = isinstance(store, LocalJobStore)
    defaults = WorkerOptions()
    options = WorkerOptions(
        concurrency=settings.jobs_at_once,
        poll_s=defaults.poll_s if is_local else CLOUD_POLL_S,
        grace_s=settings.job_grace_s,
        retention_s=settings.job_retention_s,
        sweep_every_s=defaults.sweep_every_s if is_local else CLOUD_SWEEP_EVERY_S,
    )
    if isinstance(store, LocalJobStore):
        store.announce_worker()
    run = wrap(analysis_run(settings, stages))
    return Worker(store, run, options, callbacks=callback_sender(settings), observe=observe)


def callback_sender(settings: Settings) -> CallbackSender | None:
    """None where no secret is configured. Raises SettingsError for one that cannot be used."""
    if settings.callback_secret_file is None:
        return None
    secret = read_secret(settings.callback_secret_file)
    return CallbackSender(CallbackOptions(secret, allow_loopback=settings.callback_loopback))
