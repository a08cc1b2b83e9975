"""A worker process that kills itself: `python -m tests.jobs_crash_child FOLDER`.

Forks a process for each point at which a worker can die: before each SQL statement and each change to the file
system. Process n works in FOLDER/n and kills itself with SIGKILL at its n-th point, until one gets through its
work. Prints how many have died.
"""

import os
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

from emoscribe.jobs import Attempt, JobRequest, LeaseOptions, LocalJobStore, Worker, WorkerOptions
from emoscribe.pipeline import Progress, SegmentReady
from tests.job_cases import result_set, segment, upload

CONTENT, OTHER_CONTENT = b"the recording", b"another recording"
LEASE = LeaseOptions(lease_s=60, max_attempts=3, max_losses=3)
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "open"}


class Bomb:
    """Ends this process at the n-th dangerous moment."""

    def __init__(self, moments: int) -> None:
        self._moments = moments

    def tick(self, *_: object) -> None:
        self._moments -= 1
        if self._moments == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES and "/jobs/" in str(arguments[0]) and arguments[1] != "r":
            self.tick()

    def arm(self) -> None:
        """Every statement counts, and every change to files."""
        connect = sqlite3.connect

        def connect_traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            db: sqlite3.Connection = connect(*arguments, **options)
            db.set_trace_callback(self.tick)
            return db

        sqlite3.connect = connect_traced  # type: ignore[assignment]  # in this process only, which is about to die
        sys.addaudithook(self.audit)


def work(attempt: Attempt) -> dict[str, bytes]:
    """Reports something, waits until a heartbeat has told it, and delivers."""
    store, claim = attempt._store, attempt.claim  # what was told can be seen there
    attempt.report(Progress("reading", 1000, 2000))
    attempt.report(SegmentReady(segment(0)))
    waiting = threading.Event()
    while not store.read_segments("default", claim.job.id):
        waiting.wait(0.002)
    return result_set(claim.token)


def live(folder: Path) -> None:
    """All that happens to jobs, once."""
    store = LocalJobStore(folder / "jobs", LEASE)
    job = store.submit(JobRequest(source=upload(store.spool, CONTENT), idempotency_key="key"))
    other = store.submit(JobRequest(source=upload(store.spool, OTHER_CONTENT)))
    Worker(store, work, WorkerOptions(concurrency=1, heartbeat_s=0.002)).run_until_idle()
    store.get("default", job.id)
    store.delete("default", other.id)
    store.sweep(retention_s=10**6)
    store.close()


def main() -> None:
    """One process for each moment."""
    folder = Path(sys.argv[1])
    moments = 1
    while True:
        (place := folder / str(moments)).mkdir()
        if (child := os.fork()) == 0:
            Bomb(moments).arm()
            live(place)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(moments - 1)  # the answer
            sys.exit(os.waitstatus_to_exitcode(status))
        moments += 1


if __name__ == "__main__":
    main()
