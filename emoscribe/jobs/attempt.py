"""One attempt at a job in this process: keeps the lease while the work moves on, and learns when to stop."""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from emoscribe.errors import CancelledError, JobStoreError
from emoscribe.jobs.model import Claim, Job
from emoscribe.jobs.progress import ProgressMeter
from emoscribe.jobs.store import JobStore
from emoscribe.pipeline import Event

_log = logging.getLogger(__name__)


class Attempt:
    """What the function that does the work sees of its job. While the context is open, a thread sends heartbeats."""

    def __init__(
        self,
        store: JobStore,
        claim: Claim,
        *,
        heartbeat_s: float,
        stall_s: float,
        observe: Callable[[Job, Event], None] | None = None,
    ) -> None:
        self.claim = claim
        self.stopping = threading.Event()  # set: nobody wants the result; long waits should end early
        self.is_lost = False  # the claim has ended: there is nothing to give back
        self._store = store
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._observe = observe
        self._meter = ProgressMeter()
        self._lock = threading.Lock()  # of the meter and the time of the last event
        self._last_event_s = time.monotonic()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send_heartbeats, name=f"heartbeat-{claim.job.id[:8]}", daemon=True)

    def report(self, event: Event) -> None:
        """Pass an event of the pipeline on. Raises CancelledError when the work should stop."""
        with self._lock:
            self._meter.add(event)
            self._last_event_s = time.monotonic()
        if self._observe:
            self._observe(self.claim.job, event)
        if self.stopping.is_set():
            raise CancelledError("The job was cancelled, or the worker is stopping.")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _send_heartbeats(self) -> None:
        while not self._is_over.wait(self._heartbeat_s):
            if self._has_stalled():
                _log.warning("job made no progress, its lease is given up", extra={"job_id": self.claim.job.id})
                self._lose()
            elif not self._beat():
                _log.info("claim has ended", extra={"job_id": self.claim.job.id})
                self._lose()
            if self.is_lost:
                return

    def _has_stalled(self) -> bool:
        with self._lock:
            return time.monotonic() - self._last_event_s > self._stall_s

    def _lose(self) -> None:
        self.is_lost = True
        self.stopping.set()

    def _beat(self) -> bool:
        with self._lock:
            update = self._meter.take()
        try:
            return self._store.heartbeat(self.claim, update)
        except JobStoreError as error:  # the store says at a later heartbeat whether the lease outlived this
            _log.warning("heartbeat failed: %s", error.message, extra={"job_id": self.claim.job.id})
        except Exception as error:  # nobody foresaw it; a job whose lease nobody keeps is worked on twice
            _log.warning("heartbeat failed: unexpected %s", type(error).__name__, extra={"job_id": self.claim.job.id})
        with self._lock:
            self._meter.put_back(update)
        return True
