"""Job records in one SQLite file. Any number of processes may share it; within one, any number of threads."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from emoscribe.errors import InvalidRequestError, JobConflictError, JobNotFoundError, JobStoreError
from emoscribe.jobs.lease_clock import LeaseClock
from emoscribe.jobs.model import JobPage, JobQuery, JobRequest
from emoscribe.jobs.record import JobRecord
from emoscribe.jobs.reviews import Decision

SCHEMA_VERSION: Final = 1
BUSY_TIMEOUT_S: Final = 30.0  # other processes hold the file for milliseconds
LONGEST_DEADLINE_S: Final = 24 * 3600.0  # one further ahead is of another boot
MAX_PAGE: Final = 200

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of submission
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  state TEXT NOT NULL,
  needs_worker INTEGER NOT NULL,
  boot TEXT NOT NULL,       -- of due_s
  due_s REAL NOT NULL,      -- seconds since boot: waits, or is leased, until then
  finished_s REAL,          -- seconds since 1970, for retention
  record TEXT NOT NULL      -- JobRecord as JSON; the columns repeat what is searched for
);
CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs (number) WHERE needs_worker;
CREATE INDEX IF NOT EXISTS jobs_listed ON jobs (tenant, number);
CREATE TABLE IF NOT EXISTS idempotency_keys (
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  job_id TEXT NOT NULL,
  PRIMARY KEY (tenant, key)
);
CREATE INDEX IF NOT EXISTS keys_of_job ON idempotency_keys (job_id);
CREATE TABLE IF NOT EXISTS decisions (
  job_id TEXT NOT NULL,
  number INTEGER NOT NULL,  -- order in which they were made
  decision TEXT NOT NULL,   -- Decision as JSON
  PRIMARY KEY (job_id, number)
) WITHOUT ROWID;
"""

_UPSERT = """
INSERT INTO jobs (id, tenant, state, needs_worker, boot, due_s, finished_s, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, needs_worker = excluded.needs_worker, boot = excluded.boot,
  due_s = excluded.due_s, finished_s = excluded.finished_s, record = excluded.record
"""

_DUE = """
SELECT record FROM jobs
WHERE needs_worker AND (boot != :boot OR due_s <= :now_s OR due_s > :now_s + :longest_s)
ORDER BY number LIMIT 1
"""

_PAGE = """
SELECT number, record FROM jobs
WHERE tenant = :tenant AND number < :before AND (:states = '' OR instr(:states, ' ' || state || ' '))
ORDER BY number DESC LIMIT :limit
"""


class SqliteRecords:
    """Reads and writes records; the rules of what may follow what are not here."""

    def __init__(self, file: Path, clock: LeaseClock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._db = _open(file)

    def close(self) -> None:
        """Let go of the file. Nothing is lost without it."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What happens inside, happens whole or not at all, with no other writer in between."""
        with self._errors_translated(), self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise store_failed(str(error)) from error
        except OSError as error:  # files change their places inside transactions
            raise store_failed(str(error.strerror)) from error

    def find(self, job_id: str) -> JobRecord | None:
        """The record, if there is one."""
        return self._one("SELECT record FROM jobs WHERE id = ?", (job_id,))

    def load(self, tenant: str, job_id: str) -> JobRecord:
        """The record. Raises JobNotFoundError, also if it is another tenant's."""
        record = self.find(job_id)
        if record is None or record.job.tenant != tenant:
            raise JobNotFoundError("There is no such job.", fix="It may have been deleted, by hand or by its age.")
        return record

    def next_due(self) -> JobRecord | None:
        """The oldest job that waits for a worker, or whose lease has run out."""
        now_s = self._clock.monotonic_s()
        return self._one(_DUE, {"boot": self._clock.boot, "now_s": now_s, "longest_s": LONGEST_DEADLINE_S})

    def _one(self, statement: str, values: tuple[str, ...] | dict[str, str | float]) -> JobRecord | None:
        with self._errors_translated(), self._lock:
            row = self._db.execute(statement, values).fetchone()
        return None if row is None else JobRecord.model_validate_json(row[0])

    def write(self, record: JobRecord, due_in_s: float = 0.0) -> None:
        """Keep the record; it is due, or its lease runs out, in so many seconds."""
        job = record.job
        finished_s = job.finished_at.timestamp() if job.finished_at else None
        due_s = self._clock.monotonic_s() + due_in_s
        row = (job.id, job.tenant, job.state, record.needs_worker, self._clock.boot, due_s, finished_s)
        self._db.execute(_UPSERT, (*row, record.model_dump_json()))

    def delete(self, job_id: str) -> None:
        """Forget the job, what was decided on it, and that its idempotency keys were used."""
        self._db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        self._db.execute("DELETE FROM idempotency_keys WHERE job_id = ?", (job_id,))
        self._db.execute("DELETE FROM decisions WHERE job_id = ?", (job_id,))

    def scrub(self) -> None:
        """Remove deleted records from the disk; the write-ahead log still holds them. Not inside a transaction."""
        with self._errors_translated(), self._lock:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def remember_key(self, request: JobRequest) -> None:
        """Bind the idempotency key to the job. Raises JobConflictError if it is bound to another."""
        if request.idempotency_key is None:
            return
        key = (request.tenant, request.idempotency_key)
        self._db.execute("INSERT OR IGNORE INTO idempotency_keys VALUES (?, ?, ?)", (*key, request.job_id))
        row = self._db.execute("SELECT job_id FROM idempotency_keys WHERE tenant = ? AND key = ?", key).fetchone()
        if row[0] != request.job_id:
            raise key_conflict()

    def add_decision(self, job_id: str, number: int, decision: Decision) -> None:
        """Keep one more decision on the job, its `number`-th."""
        self._db.execute("INSERT INTO decisions VALUES (?, ?, ?)", (job_id, number, decision.model_dump_json()))

    def decisions(self, job_id: str) -> tuple[Decision, ...]:
        """All on the job, in order."""
        statement = "SELECT decision FROM decisions WHERE job_id = ? ORDER BY number"
        with self._errors_translated(), self._lock:
            rows = self._db.execute(statement, (job_id,)).fetchall()
        return tuple(Decision.model_validate_json(text) for (text,) in rows)

    def decided_jobs(self, tenant: str) -> frozenset[str]:
        """Ids of the tenant's jobs with decisions."""
        statement = "SELECT DISTINCT job_id FROM decisions JOIN jobs ON id = job_id WHERE tenant = ?"
        with self._errors_translated(), self._lock:
            return frozenset(job_id for (job_id,) in self._db.execute(statement, (tenant,)))

    def page(self, query: JobQuery) -> JobPage:
        """Newest first."""
        limit = min(max(query.limit, 1), MAX_PAGE)
        values = {
            "tenant": query.tenant,
            "before": _parse_cursor(query.cursor),
            "states": f" {' '.join(sorted(query.states))} " if query.states else "",
            "limit": limit + 1,
        }
        with self._errors_translated(), self._lock:
            rows = self._db.execute(_PAGE, values).fetchall()
        jobs = tuple(JobRecord.model_validate_json(text).job for _, text in rows[:limit])
        return JobPage(jobs, cursor=str(rows[limit - 1][0]) if len(rows) > limit else None)

    def ended_before(self, time_s: float) -> list[str]:
        """Ids of jobs with nothing left to do that ended before that time (seconds since 1970)."""
        with self._errors_translated(), self._lock:
            rows = self._db.execute(
                "SELECT id FROM jobs WHERE finished_s < ? AND NOT needs_worker", (time_s,)
            ).fetchall()
        return [job_id for (job_id,) in rows]

    def queued(self) -> tuple[int, JobRecord | None]:
        """How many jobs wait, and the oldest of them."""
        with self._errors_translated(), self._lock:
            count = self._db.execute("SELECT count(*) FROM jobs WHERE needs_worker AND state = 'queued'").fetchone()[0]
        oldest = "SELECT record FROM jobs WHERE needs_worker AND state = 'queued' ORDER BY number LIMIT 1"
        return count, self._one(oldest, ())

    def all_ids(self) -> list[str]:
        """Ids of all jobs."""
        with self._errors_translated(), self._lock:
            return [job_id for (job_id,) in self._db.execute("SELECT id FROM jobs").fetchall()]


def store_failed(cause: str) -> JobStoreError:
    """The error for a store that cannot be written or read now."""
    return JobStoreError(f"The job store failed: {cause}.", fix="Is the disk full or the folder gone?")


def key_conflict() -> JobConflictError:
    """The error for an idempotency key that was used before."""
    return JobConflictError("This idempotency key was used for another job.", fix="Use a new key for each submission.")


def _parse_cursor(cursor: str | None) -> int:
    if cursor is None:
        return 2**63 - 1
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidRequestError("The cursor is not one that a list returned.", fix="Start again without a cursor.")
    return int(cursor)


def _open(file: Path) -> sqlite3.Connection:
    """A connection without transactions of its own. FULL: what was accepted survives a power cut."""
    db = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, SCHEMA_VERSION):
        db.close()
        raise JobStoreError(
            f"{file.name} was written by another version of EmoScribe (schema {version}).",
            fix="Use that version, or another folder.",
        )
    db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return db
