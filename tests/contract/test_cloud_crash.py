"""A worker in the cloud dies before or after any of its requests: the job still ends with one whole result set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emoscribe.jobs import ANALYSIS_FILE, JobQuery, JobRequest, JobStore, LocalFile, Update
from emoscribe.jobs.cloud import CloudJobStore
from tests.contract.backend import LEASE
from tests.contract.cloud_backend import Aws, CloudBackend, connect
from tests.job_cases import result_set, segment
from tests.servers import Server


class Killed(BaseException):
    """Nothing in the store may catch this; what is not in S3 or SQS by now is lost."""


class Bomb:
    """Goes off at the n-th moment: each request has one before it is sent and one after it was answered."""

    def __init__(self, aws: Aws) -> None:
        self.moments = 0
        self.is_off = True
        for client in (aws.s3, aws.sqs):
            client.meta.events.register("before-send", self._before)
            client.meta.events.register("after-call", self._after)

    def arm(self, moments: int) -> None:
        self.moments, self.is_off = moments, False

    def _before(self, **_: Any) -> None:
        self._tick()

    def _after(self, **_: Any) -> None:
        self._tick()

    def _tick(self) -> None:
        if self.is_off:
            return
        self.moments -= 1
        if self.moments == 0:
            self.is_off = True
            raise Killed


@pytest.fixture
def aws(ministack_server: Server) -> Aws:
    """Clients of its own, for the bomb."""
    return connect(ministack_server.url, ministack_server.url)


@pytest.fixture
def backend(tmp_path: Path, aws: Aws) -> Iterator[CloudBackend]:
    made = CloudBackend(tmp_path, aws)
    yield made
    made.close()


def live(store: JobStore, request: JobRequest) -> None:
    """All that happens to a job, once."""
    store.submit(request)
    while (claim := store.claim("worker")) is not None:
        if claim.job.is_final:
            store.callback_tried(claim, delivered=True)
            continue
        store.heartbeat(claim, Update("transcription", 0.5, (segment(0),)))
        store.finish(claim, result_set(claim.token))


def test_every_job_survives_every_death(backend: CloudBackend, aws: Aws) -> None:
    bomb, moment, died = Bomb(aws), 0, True
    while died:
        moment += 1
        request = backend.request(
            f"recording {moment}".encode(), callback_url="https://example.org/", idempotency_key=f"k{moment}"
        )
        bomb.arm(moment)
        try:
            live(backend.another_store(), request)
            died = False
        except Killed:
            died = True
        bomb.is_off = True
        check_recovery(backend, request)
    assert moment > 40, "the points are not found any more"


def check_recovery(backend: CloudBackend, request: JobRequest) -> None:
    """The client, whose submission may have failed, tries again; another worker goes on where the dead one stopped."""
    store = backend.another_store()
    published = backend.objects("results/")
    assert isinstance(request.source, LocalFile)
    request.source.path.write_bytes(b"recording")
    backend.pass_time(10 * LEASE.lease_s)
    live(store, request)
    backend.pass_time(10 * LEASE.lease_s)  # a callback that was being delivered
    live(store, request)
    job = store.get("default", request.job_id)
    assert (job.state, job.callback) == ("done", "delivered")
    results = {name: store.read_result("default", job.id, name) for name in job.results}
    assert results == result_set(results[ANALYSIS_FILE].decode().split()[-1])
    now = backend.objects("results/")
    assert {key: now[key] for key in published if key.endswith(ANALYSIS_FILE)} == {
        key: content for key, content in published.items() if key.endswith(ANALYSIS_FILE)
    }
    assert backend.leftovers() == []
    assert backend.objects("open/") == {}
    assert [listed.id for listed in store.list(JobQuery(limit=1)).jobs] == [job.id]
    assert backend.aws.messages(backend.dead_letters) == []


@pytest.mark.parametrize("end", ["delete", "cancel"])
def test_what_was_erased_stays_erased_whenever_the_eraser_dies(backend: CloudBackend, aws: Aws, end: str) -> None:
    bomb, moment, died = Bomb(aws), 0, True
    while died:
        moment += 1
        store = backend.another_store()
        job = store.submit(backend.request(f"SECRET {moment}".encode(), idempotency_key=f"SECRET {moment}"))
        claim = backend.claim(store)
        store.heartbeat(claim, Update("emotion", 0.5, (segment(0, "SECRET"),)))
        bomb.arm(moment)
        try:
            (store.delete if end == "delete" else store.cancel)("default", job.id)
            died = False
        except Killed:
            died = True
        bomb.is_off = True
        if end == "delete" and backend.another_store().list(JobQuery()).jobs:
            backend.another_store().delete("default", job.id)  # the user, who was told of an error
        elif end == "cancel":
            backend.another_store().cancel("default", job.id)
        store.finish(claim, result_set("SECRET"))  # the worker, who does not know
        assert isinstance(store, CloudJobStore)
        store.sweep(retention_s=10**6)
        assert erased_parts(backend, end) == []
    assert moment > 40, "the points are not found any more"


def check_recovery(backend: CloudBackend, request: JobRequest) -> None:
    """The client, whose submission may have failed, tries again; another worker goes on where the dead one stopped."""
    store = backend.another_store()
    published = backend.objects("results/")
    assert isinstance(request.source, LocalFile)
    request.source.path.write_bytes(b"recording")
    backend.pass_time(10 * LEASE.lease_s)
    live(store, request)
    backend.pass_time(10 * LEASE.lease_s)  # a callback that was being delivered
    live(store, request)
    job = store.get("default", request.job_id)
    assert (job.state, job.callback) == ("done", "delivered")
    results = {name: store.read_result("default", job.id, name) for name in job.results}
    assert results == result_set(results[ANALYSIS_FILE].decode().split()[-1])
    now = backend.objects("results/")
    assert {key: now[key] for key in published if key.endswith(ANALYSIS_FILE)} == {
        key: content for key, content in published.items() if key.endswith(ANALYSIS_FILE)
    }
    assert backend.leftovers() == []
    assert backend.objects("open/") == {}
    assert [listed.id for listed in store.list(JobQuery(limit=1)).jobs] == [job.id]
    assert backend.aws.messages(backend.dead_letters) == []


@pytest.mark.parametrize("end", ["delete", "cancel"])
def test_what_was_erased_stays_erased_whenever_the_eraser_dies(backend: CloudBackend, aws: Aws, end: str) -> None:
    bomb, moment, died = Bomb(aws), 0, True
    while died:
        moment += 1
        store = backend.another_store()
        job = store.submit(backend.request(f"SECRET {moment}".encode(), idempotency_key=f"SECRET {moment}"))
        claim = backend.claim(store)
        store.heartbeat(claim, Update("emotion", 0.5, (segment(0, "SECRET"),)))
        bomb.arm(moment)
        try:
            (store.delete if end == "delete" else store.cancel)("default", job.id)
            died = False
        except Killed:
            died = True
        bomb.is_off = True
        if end == "delete" and backend.another_store().list(JobQuery()).jobs:
            backend.another_store().delete("default", job.id)  # the user, who was told of an error
        elif end == "cancel":
            backend.another_store().cancel("default", job.id)
        store.finish(claim, result_set("SECRET"))  # the worker, who does not know
        assert isinstance(store, CloudJobStore)
        store.sweep(retention_s=10**6)
        assert not [
            key
            for key in backend.traces_of(b"SECRET")
            if end == "delete" or "/media" not in key and "/state/" not in key
        ]
    assert moment > 4


def erased_parts(backend: CloudBackend, end: str) -> list[str]:
    """What should be gone. A cancelled job keeps its recording and its record."""
    traces = backend.traces_of(b"SECRET")
    return traces if end == "delete" else [key for key in traces if "/media" not in key and "/state/" not in key]
