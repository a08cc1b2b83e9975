"""How much waits, as each implementation tells it."""

import time

from emoscribe.errors import CorruptMediaError, ModelMissingError
from emoscribe.jobs import LocalJobStore
from tests.contract.backend import Backend
from tests.job_cases import result_set


def waiting(backend: Backend, expected: int) -> int:
    """What waits; SQS counts roughly, so it is asked until it says what is expected, for 10 s."""
    give_up_s = time.monotonic() + 10
    while (count := backend.store.backlog().waiting) != expected and time.monotonic() < give_up_s:
        time.sleep(0.1)
    return count


def test_only_what_nobody_works_on_waits(backend: Backend) -> None:
    assert waiting(backend, 0) == 0
    for number in range(3):
        backend.submit(f"{number}".encode())
    assert waiting(backend, 3) == 3
    first, second = backend.claim(), backend.claim()
    assert waiting(backend, 1) == 1
    backend.store.finish(first, result_set("x"))
    backend.store.fail(second, CorruptMediaError("No sound."), retry=False)
    assert waiting(backend, 1) == 1
    backend.store.release(backend.claim())
    assert waiting(backend, 1) == 1


def test_jobs_of_all_tenants_wait(backend: Backend) -> None:
    for tenant in ("one", "two"):
        backend.submit(b"x", tenant=tenant)
    assert waiting(backend, 2) == 2


def test_the_oldest_ages_until_it_is_taken_up(backend: Backend) -> None:
    if not isinstance(backend.store, LocalJobStore):
        backend.submit()
        assert backend.store.backlog().oldest_s is None  # SQS does not tell
        return
    assert backend.store.backlog().oldest_s is None
    backend.submit(b"old")
    backend.pass_time(100)
    backend.submit(b"new")
    backend.pass_time(10)
    assert backend.store.backlog().oldest_s == 110
    claim = backend.claim()
    assert backend.store.backlog().oldest_s == 10
    backend.store.fail(claim, ModelMissingError("No model."), retry=True)
    assert backend.store.backlog().oldest_s == 110  # it waits for another try
