"""A backlog under way: submits its recordings, follows their jobs, fetches what came of them. Shows nothing.

Calls of the store and of S3 happen in threads, several at once; everything else in the thread that calls `step`.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Literal, Self

from emoscribe.backlog import Recording
from emoscribe.cli.whole_file import write_whole
from emoscribe.errors import EmoScribeError, InvalidRequestError, JobNotFoundError, JobStoreError, SettingsError
from emoscribe.job_setup import Asked, Submissions
from emoscribe.jobs import ANALYSIS_FILE, Job, JobFailure, JobState, JobStore

THREADS: Final = 8  # requests to S3 at once
LOOKED_AT_ONCE: Final = 32  # of the jobs next in line, and as many of the others in turn, at each look
TAKEN_AT_ONCE: Final = 50  # of what the threads have done, before anything is shown
LOOKS_THAT_MAY_FAIL: Final = 60  # one after the other, while the store does not answer

State = Literal["new"] | JobState


@dataclass(slots=True)
class Entry:
    """One recording of the backlog and what became of it."""

    recording: Recording
    stem: PurePosixPath  # of its results
    job: Job | None = None
    failure: JobFailure | None = None  # of what was done here: submitting it, or fetching its results
    had_ended: bool = False  # before this run
    audio_ms: int | None = None  # once its results were looked at

    @property
    def state(self) -> State:
        """new: not submitted yet."""
        if self.failure is not None:
            return "failed"
        return self.job.state if self.job else "new"

    @property
    def error(self) -> JobFailure | None:
        """Why it failed."""
        if self.failure is not None:
            return self.failure
        return self.job.error if self.job and self.job.state == "failed" else None


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What is asked for."""

    tenant: str
    suffixes: tuple[str, ...] = ()  # of the results that are fetched
    out: Path | None = None  # where to
    retry_failed: bool = False
    waits: bool = True  # until every job has ended
    look_every_s: float = 0.5


class BatchRun:
    """A context; call `step` until `is_over`."""

    def __init__(
        self, entries: Sequence[Entry], store: JobStore, submissions: Submissions, options: BatchOptions
    ) -> None:
        self.entries = entries
        self._store = store
        self._submissions = submissions
        self._options = options
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="batch")
        self._finished: SimpleQueue[tuple[Entry, Future[None]]] = SimpleQueue()
        self._in_pool = 0
        self._open: dict[int, Entry] = {}  # by id(): jobs that have not ended, in order of submission
        self._next_look_s = 0.0
        self._failed_looks = 0
        self._turn = 0

    def __enter__(self) -> Self:
        for entry in self.entries:
            self._start(self._submit, entry)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    @property
    def has_open_jobs(self) -> bool:
        """Whether a worker is needed."""
        return bool(self._open)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self._in_pool == 0 and not (self._open and self._options.waits)

    def step(self) -> list[Entry]:
        """Move on for a moment; the entries to which nothing more will happen. Raises JobStoreError."""
        settled = self._take_finished()
        if self._options.waits and time.monotonic() >= self._next_look_s:
            settled += self._look()
            self._next_look_s = time.monotonic() + self._options.look_every_s
        return settled

    def _start(self, work: Callable[[Entry], None], entry: Entry) -> None:
        self._in_pool += 1
        future = self._pool.submit(work, entry)
        future.add_done_callback(lambda done: self._finished.put((entry, done)))

    def _take_finished(self) -> list[Entry]:
        """What the threads have done, waiting a moment if they have done nothing."""
        settled: list[Entry] = []
        wait_s = self._options.look_every_s
        with suppress(Empty):
            for _ in range(TAKEN_AT_ONCE):
                if self.is_over:
                    break
                entry, done = self._finished.get(timeout=wait_s)
                wait_s = 0.0
                self._in_pool -= 1
                done.result()
                settled += self._sort(entry)
        return settled

    def _sort(self, entry: Entry) -> list[Entry]:
        """After something happened to it: to be followed, to be fetched, or settled."""
        if entry.state in {"queued", "running"}:
            self._open[id(entry)] = entry
            return []
        self._open.pop(id(entry), None)
        if entry.state == "done" and entry.audio_ms is None:
            self._start(self._fetch, entry)
            return []
        return [entry]

    # --- following ---

    def _look(self) -> list[Entry]:
        """At the jobs next in line and at some of the others: with thousands a look at all would take too long."""
        settled: list[Entry] = []
        try:
            for entry in self._due_for_a_look():
                settled += self._look_at(entry)
        except JobStoreError:
            self._failed_looks += 1
            if self._failed_looks >= LOOKS_THAT_MAY_FAIL:
                raise
        else:
            self._failed_looks = 0
        return settled

    def _due_for_a_look(self) -> list[Entry]:
        entries = sorted(self._open.values(), key=lambda entry: entry.state != "running")  # stable: then oldest first
        others = entries[LOOKED_AT_ONCE:]
        self._turn = self._turn + LOOKED_AT_ONCE if self._turn + LOOKED_AT_ONCE < len(others) else 0
        return [*entries[:LOOKED_AT_ONCE], *others[self._turn : self._turn + LOOKED_AT_ONCE]]

    def _look_at(self, entry: Entry) -> list[Entry]:
        if entry.job is None:
            return []
        try:
            entry.job = self._store.get(entry.job.tenant, entry.job.id)
        except JobNotFoundError:
            entry.failure = JobFailure(code=JobNotFoundError.code, message="The job was deleted.")
        return self._sort(entry) if entry.state not in {"queued", "running"} else []

    # --- in the threads ---

    def _submit(self, entry: Entry) -> None:
        """Raises JobStoreError and SettingsError, which concern all entries."""
        recording = entry.recording
        asked = Asked(recording.options, self._options.tenant, recording.callback_url)
        try:
            if recording.error is not None:
                raise recording.error
            if recording.source.startswith("s3://"):
                request = self._submissions.from_s3(recording.source, asked)
            else:
                request = self._submissions.from_path(Path(recording.source), asked)
            job = self._store.submit(request)
            entry.had_ended = job.is_final
            if job.state == "failed" and self._options.retry_failed:
                entry.had_ended = False
                job = self._store.retry(job.tenant, job.id)
            entry.job = job
        except (JobStoreError, SettingsError):
            raise
        except EmoScribeError as error:
            entry.failure = JobFailure.of(error)

    def _fetch(self, entry: Entry) -> None:
        """Write the results where they are wanted, and see how long the recording is."""
        try:
            entry.audio_ms = self._fetch_results(entry)
        except JobStoreError:
            raise
        except EmoScribeError as error:
            entry.failure = JobFailure.of(error)
        except OSError as error:
            cause = InvalidRequestError(f"Its results cannot be written: {error.strerror}.", fix="See to --out.")
            entry.failure = JobFailure.of(cause)

    def _fetch_results(self, entry: Entry) -> int:
        job, out = entry.job, self._options.out
        if job is None:
            return 0
        if out is None:
            return audio_ms(self._store.read_result(job.tenant, job.id, ANALYSIS_FILE))
        stem = out / entry.stem
        stem.parent.mkdir(parents=True, exist_ok=True)
        if not stem.parent.resolve().is_relative_to(out.resolve()):  # through a link that lay there
            raise InvalidRequestError("Its results would lie outside of --out.", fix="See to links in that folder.")
        wanted = [(f"analysis{suffix}", stem.with_name(f"{stem.name}{suffix}")) for suffix in self._options.suffixes]
        for name, path in wanted:
            if not _is_from(path, job):
                write_whole(path, self._store.read_result(job.tenant, job.id, name))
                _mark(path, job)
        analysis = dict(wanted).get(ANALYSIS_FILE)
        content = analysis.read_bytes() if analysis else self._store.read_result(job.tenant, job.id, ANALYSIS_FILE)
        return audio_ms(content)


def audio_ms(analysis: bytes) -> int:
    """Length of the sound that was analysed, from the JSON result."""
    return int(json.loads(analysis)["source"]["duration_ms"])


# --- files that are there already ---------------------------------------------------------------


def _mark(path: Path, job: Job) -> None:
    """The file is as old as the result in it: a later run knows it again, and does not fetch it once more."""
    os.utime(path, ns=(_ended_ns(job), _ended_ns(job)))


def _is_from(path: Path, job: Job) -> bool:
    return path.is_file() and path.stat().st_mtime_ns == _ended_ns(job)


def _ended_ns(job: Job) -> int:
    since = (job.finished_at or job.created_at) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000
