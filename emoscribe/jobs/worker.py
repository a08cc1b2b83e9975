"""The worker: claims jobs, several at once, and hands each to a thread.

Kill it at any time: its jobs are tried again when their leases have run out.
"""

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from emoscribe.errors import JobStoreError
from emoscribe.jobs.attempt import Attempt
from emoscribe.jobs.callbacks import CallbackSender
from emoscribe.jobs.claim_handler import AttemptRun, ClaimHandler, Observer
from emoscribe.jobs.store import JobStore

_log = logging.getLogger(__name__)

LONGEST_PAUSE_S: Final = 30.0  # between claims while the store fails


def _worker_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works."""

    name: str = field(default_factory=_worker_name)
    concurrency: int = 4  # jobs at once: enough to fill the runners' batches, few enough for the memory
    heartbeat_s: float = 1.0  # also how soon a job learns that it was cancelled
    poll_s: float = 1.0  # how long to wait for a job before looking whether to stop
    stall_s: float = 1800.0  # a job without any event for this long is given up
    grace_s: float = 20.0  # when told to stop: for running jobs to end
    give_back_s: float = 5.0  # and then for giving back those that have not
    retention_s: float = 30 * 24 * 3600.0  # ended jobs are deleted after this time
    sweep_every_s: float = 600.0


class Worker:
    """Works until `stop` is called, from a signal handler for instance. Use it once."""

    def __init__(
        self,
        store: JobStore,
        run: AttemptRun,
        options: WorkerOptions | None = None,
        *,
        callbacks: CallbackSender | None = None,
        observe: Observer | None = None,
    ) -> None:
        self._store = store
        self._options = options or WorkerOptions()
        self._handler = ClaimHandler(store, run, callbacks, observe)
        self._observe = observe
        self._stopping = threading.Event()
        self._free_slots = threading.Semaphore(self._options.concurrency)
        self._lock = threading.Lock()  # of what is running
        self._running: dict[Attempt, threading.Thread] = {}

    def stop(self) -> None:
        """Take no more jobs; let the running ones end, or give them back. Returns at once."""
        self._stopping.set()

    @property
    def running(self) -> int:
        """Claims being handled now."""
        with self._lock:
            return len(self._running)

    def run_forever(self) -> None:
        """Work until stopped; returns when the last job has ended or was given back."""
        upkeep = threading.Thread(target=self._keep_up, name="job-upkeep", daemon=True)
        upkeep.start()
        failures = 0
        while not self._stopping.is_set():
            if not self._free_slots.acquire(timeout=self._options.poll_s):
                continue
            try:
                is_taken = self._take_one(self._options.poll_s)
                failures = 0
            except JobStoreError as error:
                is_taken = False
                failures += 1
                _log.warning("no job can be claimed: %s", error.message)
                self._stopping.wait(min(2.0**failures, LONGEST_PAUSE_S))
            if not is_taken:
                self._free_slots.release()
        self._drain()

    def run_until_idle(self) -> None:
        """Work until no job is due and none is running. Raises JobStoreError."""
        while not self._stopping.is_set():
            self._free_slots.acquire()
            if not self._take_one(wait_s=0.0):
                self._free_slots.release()
                threads = self._threads()
                if not threads:
                    return
                threads[0].join()
        self._drain()

    def _take_one(self, wait_s: float) -> bool:
        claim = self._store.claim(self._options.name, wait_s)
        if claim is None:
            return False
        options = self._options
        attempt = Attempt(
            self._store, claim, heartbeat_s=options.heartbeat_s, stall_s=options.stall_s, observe=self._observe
        )
        thread = threading.Thread(target=self._handle, args=(attempt,), name=f"job-{claim.job.id[:8]}", daemon=True)
        with self._lock:
            self._running[attempt] = thread
        thread.start()
        return True

    def _handle(self, attempt: Attempt) -> None:
        try:
            self._handler.handle(attempt)
        finally:
            with self._lock:
                del self._running[attempt]
            self._free_slots.release()

    def _threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._running.values())

    def _drain(self) -> None:
        self._join_until(time.monotonic() + self._options.grace_s)
        with self._lock:
            attempts = list(self._running)
        for attempt in attempts:
            attempt.stopping.set()
        self._join_until(time.monotonic() + self._options.give_back_s)
        if left := self.running:
            _log.warning("%d jobs were not given back in time; they wait for their leases to run out", left)

    def _join_until(self, time_s: float) -> None:
        for thread in self._threads():
            thread.join(max(time_s - time.monotonic(), 0.0))

    def _keep_up(self) -> None:
        """Deletes what is too old, now and then."""
        while True:
            try:
                deleted = self._store.sweep(self._options.retention_s)
                _log.info("%d old jobs were deleted", deleted)
            except JobStoreError as error:
                _log.warning("old jobs were not deleted: %s", error.message)
            if self._stopping.wait(self._options.sweep_every_s):
                return
