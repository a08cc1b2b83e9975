"""The worker loop, on a real local store, with work that does what it is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emoscribe.errors import CorruptMediaError, JobStoreError, ModelMissingError, StageError
from emoscribe.jobs import (
    Attempt,
    Claim,
    ClaimEnded,
    Job,
    JobQuery,
    JobStore,
    LeaseOptions,
    LocalJobStore,
    Update,
    Worker,
    WorkerOptions,
    claim_handler,
)
from emoscribe.jobs.callbacks import CallbackSender, Delivery
from emoscribe.jobs.lease_clock import LeaseClock
from emoscribe.pipeline import Event, Progress, SegmentReady
from tests.job_cases import result_set, s3_request, segment

QUICK = WorkerOptions(name="test", concurrency=3, heartbeat_s=0.01, poll_s=0.05, grace_s=5, give_back_s=5)
WAIT_S = 20.0  # far more than anything here takes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalJobStore]:
    made = LocalJobStore(tmp_path, LeaseOptions(lease_s=300, max_attempts=2))
    yield made
    made.close()


def submit(store: JobStore, *names: str, **fields: object) -> list[Job]:
    return [store.submit(s3_request(name, **fields)) for name in names]


def running(worker: Worker) -> threading.Thread:
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    return thread


def report_until_stopped(attempt: Attempt) -> dict[str, bytes]:
    """Never ends by itself."""
    for position in range(10**9):
        attempt.report(Progress("transcription", position, 10**9))
        attempt.stopping.wait(0.005)
    return {}


# --- the normal course ---


def test_jobs_run_at_once_up_to_the_bound(store: LocalJobStore) -> None:
    submit(store, "1", "2", "3", "4", "5", "6", "7")
    gate, lock = threading.Barrier(QUICK.concurrency), threading.Lock()
    now, most = 0, 0

    def work(attempt: Attempt) -> dict[str, bytes]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if attempt.claim.job.source_name in {"1", "2", "3"}:
            gate.wait(WAIT_S)  # passes only if all three are here
        with lock:
            now -= 1
        return result_set(attempt.claim.job.id)

    Worker(store, work, QUICK).run_until_idle()
    assert most == QUICK.concurrency
    assert [job.state for job in store.list(JobQuery()).jobs] == ["done"] * 7


def test_events_reach_the_store_and_whoever_observes(store: LocalJobStore) -> None:
    (job,) = submit(store, "talk.mp4")
    seen: list[Event | ClaimEnded] = []
    told = threading.Event()

    def work(attempt: Attempt) -> dict[str, bytes]:
        for event in (Progress("reading", 0, None), Progress("transcription", 5, 10), SegmentReady(segment(0))):
            attempt.report(event)
        while not store.read_segments("default", job.id):
            told.wait(0.005)
        assert store.get("default", job.id).stage == "transcription"
        assert 0.3 < store.get("default", job.id).progress < 0.9
        return result_set("x")

    Worker(store, work, QUICK, observe=lambda _, event: seen.append(event)).run_until_idle()
    assert [type(event).__name__ for event in seen] == ["Progress", "Progress", "SegmentReady", "ClaimEnded"]
    assert isinstance(seen[-1], ClaimEnded)
    assert seen[-1].outcome == "done"


def test_a_running_worker_takes_what_is_submitted_and_stops(store: LocalJobStore) -> None:
    worker = Worker(store, lambda attempt: result_set(attempt.claim.token), QUICK)
    thread = running(worker)
    jobs = submit(store, "1", "2")
    wait_for(lambda: all(store.get("default", job.id).state == "done" for job in jobs))
    worker.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()


# --- failure ---


@pytest.mark.parametrize(
    ("error", "attempts", "code"),
    [
        (CorruptMediaError("No sound."), 1, "corrupt_media"),
        (ModelMissingError("No model."), 2, "model_missing"),
        (StageError("Odd."), 2, "stage_failed"),
        (ZeroDivisionError("quotes the transcript"), 2, "internal_error"),
        (MemoryError(), 2, "internal_error"),
    ],
)
def test_failures_are_recorded_and_repeated_only_if_that_may_help(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, attempts: int, code: str
) -> None:
    hour = [0.0]
    store = LocalJobStore(tmp_path, LeaseOptions(max_attempts=2), LeaseClock("boot", lambda: hour[0] * 3600))
    poison, good = submit(store, "poison", "good")

    def work(attempt: Attempt) -> dict[str, bytes]:
        if attempt.claim.job.id == poison.id:
            raise error
        return result_set("good")

    for _ in range(4):
        Worker(store, work, QUICK).run_until_idle()
        hour[0] += 1
    failed = store.get("default", poison.id)
    assert failed.error is not None
    assert (failed.state, failed.attempts, failed.error.code) == ("failed", attempts, code)
    assert store.get("default", good.id).state == "done"
    assert "transcript" not in failed.error.message + caplog.text
    store.close()


def test_results_that_are_none_fail_the_job_not_the_worker(store: LocalJobStore) -> None:
    odd, good = submit(store, "odd", "good")
    Worker(store, lambda a: {} if a.claim.job.id == odd.id else result_set("x"), QUICK).run_until_idle()
    assert store.get("default", good.id).state == "done"
    assert store.get("default", odd.id).error is not None


# --- cancelling, losing, stopping ---


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_work_on_a_cancelled_or_deleted_job_stops(store: LocalJobStore, end: str) -> None:
    (job,) = submit(store, "long")
    ended: list[ClaimEnded] = []
    worker = Worker(store, report_until_stopped, QUICK, observe=lambda _, e: collect(ended, e))
    thread = running(worker)
    wait_for(lambda: store.get("default", job.id).state == "running")
    (store.cancel if end == "cancel" else store.delete)("default", job.id)
    wait_for(lambda: worker.running == 0 and bool(ended))
    assert ended[0].outcome == "lost"
    worker.stop()
    thread.join(WAIT_S)
    assert [one.state for one in store.list(JobQuery()).jobs] == (["cancelled"] if end == "cancel" else [])


def test_a_stopping_worker_lets_jobs_end(store: LocalJobStore) -> None:
    (job,) = submit(store, "short")
    begun, go_on = threading.Event(), threading.Event()

    def work(attempt: Attempt) -> dict[str, bytes]:
        begun.set()
        go_on.wait(WAIT_S)
        attempt.report(Progress("emotion", 1, 1))
        return result_set("x")

    worker = Worker(store, work, QUICK)
    thread = running(worker)
    begun.wait(WAIT_S)
    worker.stop()
    go_on.set()
    thread.join(WAIT_S)
    assert store.get("default", job.id).state == "done"


def test_a_stopping_worker_gives_back_what_takes_too_long(store: LocalJobStore) -> None:
    submit(store, "1", "2")
    worker = Worker(store, report_until_stopped, WorkerOptions(heartbeat_s=0.01, poll_s=0.05, grace_s=0.05))
    thread = running(worker)
    wait_for(lambda: worker.running == 2)
    worker.stop()
    thread.join(WAIT_S)
    assert [(job.state, job.attempts) for job in store.list(JobQuery()).jobs] == [("queued", 0)] * 2
    assert store.claim("next") is not None


def test_an_error_while_stopping_does_not_count(store: LocalJobStore) -> None:
    """A runner that is shut down at the same time fails its calls."""
    (job,) = submit(store, "1")

    def work(attempt: Attempt) -> dict[str, bytes]:
        attempt.stopping.wait(WAIT_S)
        raise CorruptMediaError("The decoder was killed.")

    worker = Worker(store, work, WorkerOptions(heartbeat_s=0.01, poll_s=0.05, grace_s=0.05))
    thread = running(worker)
    wait_for(lambda: worker.running == 1)
    worker.stop()
    thread.join(WAIT_S)
    assert store.get("default", job.id).state == "queued"


def test_work_that_stands_still_loses_its_lease(tmp_path: Path) -> None:
    store = LocalJobStore(tmp_path, LeaseOptions(lease_s=0.2, max_attempts=2))
    (job,) = submit(store, "stuck")
    tokens: list[str] = []
    replaced = threading.Event()

    def work(attempt: Attempt) -> dict[str, bytes]:
        tokens.append(attempt.claim.token)
        if len(tokens) == 1:
            replaced.wait(WAIT_S)
        replaced.set()
        return result_set(attempt.claim.token)

    worker = Worker(store, work, WorkerOptions(heartbeat_s=0.01, poll_s=0.05, stall_s=0.3))
    thread = running(worker)
    wait_for(lambda: store.get("default", job.id).state == "done")
    worker.stop()
    thread.join(WAIT_S)
    assert len(tokens) == 2
    assert store.read_result("default", job.id, "analysis.json") == result_set(tokens[1])["analysis.json"]
    store.close()


# --- a store that fails now and then ---


class Unreliable(LocalJobStore):
    """Fails each call of some kind the first few times."""

    failures: dict[str, int]

    def _maybe_fail(self, what: str) -> None:
        if self.failures.get(what, 0) > 0:
            self.failures[what] -= 1
            raise JobStoreError("The network is down.")

    def claim(self, worker: str, wait_s: float = 0.0) -> Claim | None:
        self._maybe_fail("claim")
        return super().claim(worker, wait_s)

    def heartbeat(self, claim: Claim, update: Update) -> bool:
        self._maybe_fail("heartbeat")
        return super().heartbeat(claim, update)

    def finish(self, claim: Claim, results: object) -> bool:
        self._maybe_fail("finish")
        return super().finish(claim, results)  # type: ignore[arg-type]  # passed on as it came

    def sweep(self, retention_s: float) -> int:
        self._maybe_fail("sweep")
        return super().sweep(retention_s)


def test_a_store_that_fails_for_a_while_costs_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_handler, "PERSISTENCE_DELAYS_S", (0.01,) * 4)
    store = Unreliable(tmp_path)
    store.failures = {"claim": 1, "heartbeat": 3, "finish": 3, "sweep": 1}
    (job,) = submit(store, "talk")
    runs: list[str] = []

    def work(attempt: Attempt) -> dict[str, bytes]:
        runs.append(attempt.claim.token)
        attempt.report(SegmentReady(segment(0)))
        while not store.read_segments("default", job.id):
            attempt.stopping.wait(0.005)
        return result_set("x")

    worker = Worker(store, work, QUICK)
    thread = running(worker)
    wait_for(lambda: store.get("default", job.id).state == "done")
    worker.stop()
    thread.join(WAIT_S)
    assert len(runs) == 1
    assert set(store.failures.values()) == {0}
    store.close()


# --- callbacks ---


class Postbox(CallbackSender):
    """Answers in turn, and keeps what it was given."""

    def __init__(self, *answers: Delivery) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str]] = []

    def send(self, job: Job, url: str) -> Delivery:
        self.sent.append((job.state, url))
        return self.answers.pop(0)


def test_callbacks_are_sent_for_every_way_a_job_ends(store: LocalJobStore) -> None:
    done, failed, cancelled = submit(store, "done", "failed", "cancelled", callback_url="https://example.org/")
    store.cancel("default", cancelled.id)

    def work(attempt: Attempt) -> dict[str, bytes]:
        if attempt.claim.job.id == failed.id:
            raise CorruptMediaError("No sound.")
        return result_set("x")

    postbox = Postbox("delivered", "delivered", "give_up")
    outcomes: list[ClaimEnded] = []
    worker = Worker(store, work, QUICK, callbacks=postbox, observe=lambda _, e: collect(outcomes, e))
    worker.run_until_idle()
    assert {state for state, _ in postbox.sent} == {"done", "failed", "cancelled"}
    states = [store.get("default", job.id).callback for job in (done, failed, cancelled)]
    assert sorted(states) == ["delivered", "delivered", "failed"]
    assert sum(ended.outcome == "callback_delivered" for ended in outcomes) == 2


def test_without_a_secret_no_callback_is_sent(store: LocalJobStore, caplog: pytest.LogCaptureFixture) -> None:
    (job,) = submit(store, "talk", callback_url="https://example.org/")
    with caplog.at_level(logging.WARNING):
        Worker(store, lambda _: result_set("x"), QUICK).run_until_idle()
    assert store.get("default", job.id).callback == "failed"
    assert "no secret" in caplog.text


def collect(ended: list[ClaimEnded], event: object) -> None:
    if isinstance(event, ClaimEnded):
        ended.append(event)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; fails after a time that is far too long."""
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("nothing happened")
