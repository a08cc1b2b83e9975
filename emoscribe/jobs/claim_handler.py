"""What a worker does with one claim, from the work to the word to the store that it is done."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from emoscribe.errors import EmoScribeError, JobStoreError, RunnerUnavailableError
from emoscribe.jobs.attempt import Attempt
from emoscribe.jobs.callbacks import CallbackSender
from emoscribe.jobs.model import Claim, Job, check_results
from emoscribe.jobs.store import JobStore
from emoscribe.log_format import current_job_id
from emoscribe.pipeline import Event

_log = logging.getLogger(__name__)

PERSISTENCE_DELAYS_S: Final = (1.0, 2.0, 4.0, 8.0)  # between tries to hand in work; together below a lease

Outcome = Literal["done", "failed", "released", "lost", "callback_delivered", "callback_failed"]


@dataclass(frozen=True, slots=True)
class ClaimEnded:
    """How a claim ended. "failed": this attempt; the job may be tried again."""

    outcome: Outcome
    seconds: float
    error: EmoScribeError | None = None


AttemptRun = Callable[[Attempt], Mapping[str, bytes]]  # does the work: result files by name, ANALYSIS_FILE among them
Observer = Callable[[Job, Event | ClaimEnded], None]  # for metrics; called in the job's thread, must be quick


class ClaimHandler:
    """Handles claims, any number at once, each in the thread that calls."""

    def __init__(
        self, store: JobStore, run: AttemptRun, callbacks: CallbackSender | None, observe: Observer | None
    ) -> None:
        self._store = store
        self._run = run
        self._callbacks = callbacks
        self._observe = observe
        self._pause = threading.Event()  # never set

    def handle(self, attempt: Attempt) -> None:
        """See the claim through. Never raises for what goes wrong with one job."""
        started_s = time.monotonic()
        job = attempt.claim.job
        current_job_id.set(job.id)  # for what the thread logs
        outcome, error = self._deliver(attempt.claim) if job.is_final else self._work(attempt)
        level = logging.WARNING if error else logging.INFO
        fields = {"job_id": job.id, "outcome": outcome, "error_code": error.code if error else None}
        _log.log(level, "claim ended: %s", outcome, extra=fields)
        if self._observe:
            self._observe(job, ClaimEnded(outcome, time.monotonic() - started_s, error))

    # --- the work ---

    def _work(self, attempt: Attempt) -> tuple[Outcome, EmoScribeError | None]:
        claim = attempt.claim
        try:
            with attempt:
                results = self._run(attempt)
            check_results(results)
        except Exception as error:
            return self._work_failed(attempt, as_job_error(error))
        if self._persistently(lambda: self._store.finish(claim, results)):
            return "done", None
        return "lost", None

    def _work_failed(self, attempt: Attempt, error: EmoScribeError) -> tuple[Outcome, EmoScribeError | None]:
        """Whatever was raised, if the work was told to stop, that is why."""
        claim = attempt.claim
        if attempt.is_lost:
            return "lost", None
        if attempt.stopping.is_set():
            return ("released" if self._persistently(lambda: self._store.release(claim)) else "lost"), None
        if isinstance(error, RunnerUnavailableError):  # nobody has looked at the recording: no attempt was made
            return ("released" if self._persistently(lambda: self._store.release(claim, error)) else "lost"), error
        retry = error.http_status >= 500  # below: the recording or the request is at fault, for ever
        if self._persistently(lambda: self._store.fail(claim, error, retry=retry)):
            return "failed", error
        return "lost", error

    # --- the callback ---

    def _deliver(self, claim: Claim) -> tuple[Outcome, EmoScribeError | None]:
        url = claim.request.callback_url
        if self._callbacks is None or url is None:
            _log.warning("no callback can be sent: there is no secret", extra={"job_id": claim.job.id})
            delivery = "give_up"
        else:
            delivery = self._callbacks.send(claim.job, url)
        is_delivered = delivery == "delivered"
        self._persistently(
            lambda: self._store.callback_tried(claim, delivered=is_delivered, give_up=delivery == "give_up")
        )
        return ("callback_delivered" if is_delivered else "callback_failed"), None

    def _persistently(self, tell: Callable[[], bool]) -> bool:
        """Tell the store, more than once if it cannot be reached: hours of work may hang on it."""
        for delay_s in (*PERSISTENCE_DELAYS_S, None):
            try:
                return tell()
            except JobStoreError as error:
                _log.warning("the job store failed: %s", error.message)
                if delay_s is not None:
                    self._pause.wait(delay_s)
        return False


def as_job_error(error: Exception) -> EmoScribeError:
    """The error to show. What nobody foresaw is logged without its message, which may quote a transcript."""
    if isinstance(error, EmoScribeError):
        return error
    kind = type(error).__name__
    _log.error("unexpected %s\n%s", kind, "".join(traceback.format_tb(error.__traceback__)))
    return EmoScribeError(f"The analysis ended with an unexpected {kind}.", fix="See the worker's log.")
