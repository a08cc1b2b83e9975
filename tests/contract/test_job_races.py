"""Many at once: submitters, claimers and workers that believe they still hold a job."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from emoscribe.jobs import Claim, JobStore
from tests.contract.backend import LEASE, Backend
from tests.job_cases import result_set

T = TypeVar("T")


def together(*actions: Callable[[], T]) -> list[T]:
    """The results of all actions, begun at the same moment."""
    barrier = Barrier(len(actions))

    def wait_and(act: Callable[[], T]) -> T:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(wait_and, act) for act in actions]]


def test_each_job_is_claimed_by_one_of_many(backend: Backend) -> None:
    ids = {backend.submit(f"{number}".encode()).id for number in range(6)}
    stores = [backend.another_store() for _ in range(4)]

    def claim_all(store: JobStore) -> list[str]:
        claims: list[str] = []
        while (claim := backend.maybe_claim(store)) is not None:
            claims.append(claim.job.id)
        return claims

    claimed = together(*(lambda store=store: claim_all(store) for store in stores))
    assert Counter(job_id for one in claimed for job_id in one) == dict.fromkeys(ids, 1)


def test_simultaneous_submissions_of_the_same_are_one_job(backend: Backend) -> None:
    requests = [backend.request(idempotency_key="k") for _ in range(4)]
    stores = [backend.another_store() for _ in requests]
    jobs = together(*(lambda s=store, r=request: s.submit(r) for store, request in zip(stores, requests, strict=True)))
    assert len({job.id for job in jobs}) == 1
    backend.claim()
    assert backend.maybe_claim() is None


def test_rival_workers_leave_one_whole_result_set(backend: Backend) -> None:
    job = backend.submit()
    claims: list[tuple[JobStore, Claim]] = []
    for _ in range(3):
        store = backend.another_store()
        claims.append((store, backend.claim(store)))
        backend.pass_time(LEASE.lease_s + 1)
    finishes = [
        lambda store=store, claim=claim, n=n: store.finish(claim, result_set(f"worker {n}"))
        for n, (store, claim) in enumerate(claims)
    ]
    assert together(*finishes) == [False, False, True]
    done = backend.store.get("default", job.id)
    results = {name: backend.store.read_result("default", job.id, name) for name in done.results}
    assert results == result_set("worker 2")
    assert backend.leftovers() == []


def test_cancelling_while_a_worker_finishes_leaves_all_or_nothing(backend: Backend) -> None:
    for number in range(8):
        job = backend.submit(f"{number}".encode())
        store, claim = backend.another_store(), backend.claim()
        finished, _ = together(
            lambda store=store, claim=claim: store.finish(claim, result_set("worker")),  # type: ignore[misc]
            lambda job=job: bool(backend.store.cancel("default", job.id)),  # type: ignore[misc]
        )
        state = backend.store.get("default", job.id).state
        assert state == ("done" if finished else "cancelled")
    assert backend.leftovers() == []


def test_deleting_while_a_worker_finishes_leaves_nothing(backend: Backend) -> None:
    for number in range(8):
        job = backend.submit(f"SECRET-{number}".encode())
        store, claim = backend.another_store(), backend.claim()
        together(
            lambda store=store, claim=claim: store.finish(claim, result_set("SECRET")),  # type: ignore[misc]
            lambda job=job: backend.store.delete("default", job.id),  # type: ignore[misc]
        )
        assert backend.traces_of(b"SECRET") == []
    assert backend.leftovers() == []
