"""A worker in the cloud dies after any of its requests: the job still ends with one whole result set."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emoscribe.jobs import ANALYSIS_FILE, Claim, JobQuery, JobRequest, JobStore, Update
from tests.contract.backend import LEASE
from tests.contract.cloud_backend import Aws, CloudBackend, connect
from tests.job_cases import result_set, segment
from tests.servers import Server


class KilledError(Exception):
    """Nothing in the store may catch this; what is not in S3 or SQS by now is lost."""


class Bomb:
    """Goes off when the n-th request has been carried out, before its answer is used."""

    def __init__(self, aws: Aws) -> None:
        self.moments = 0
        self.is_off = True
        for client in (aws.s3, aws.sqs):
            client.meta.events.register("after-call", self._tick)

    def arm(self, moments: int) -> None:
        self.moments, self.is_off = moments, False

    def _tick(self, **_: Any) -> None:
        if self.is_off:
            return
        self.moments -= 1
        if self.moments == 0:
            self.is_off = True
            raise KilledError


@pytest.fixture
def aws(ministack_server: Server) -> Aws:
    """Clients of its own, for the bomb."""
    return connect(ministack_server.url, ministack_server.url)


def until_nobody_dies(
    folder: Path, aws: Aws, live: Callable[[CloudBackend], None], prepare: Callable[[CloudBackend], None] | None = None
) -> Iterator[CloudBackend]:
    """Runs `live` again and again on new stores, dying a moment later each time; yields what each leaves behind."""
    bomb, died, moments = Bomb(aws), True, 0
    while died:
        moments += 1
        (place := folder / str(moments)).mkdir()
        backend = CloudBackend(place, aws)
        if prepare:
            prepare(backend)
        bomb.arm(moments)
        try:
            live(backend)
            died = False
        except KilledError:
            died = True
        bomb.is_off = True
        yield backend
        backend.close()


def work_off(store: JobStore) -> None:
    """All that is due."""
    while (claim := store.claim("worker")) is not None:
        if claim.job.is_final:
            store.callback_tried(claim, delivered=True)
            continue
        store.heartbeat(claim, Update("transcription", 0.5, (segment(0),)))
        store.finish(claim, result_set(claim.token))


def request(backend: CloudBackend) -> JobRequest:
    return backend.request(b"recording", callback_url="https://example.org/", idempotency_key="k")


def test_every_job_survives_every_death(tmp_path: Path, aws: Aws) -> None:
    def live(backend: CloudBackend) -> None:
        backend.store.submit(request(backend))
        work_off(backend.store)

    deaths = 0
    for backend in until_nobody_dies(tmp_path, aws, live):
        deaths += 1
        check_recovery(backend)
    assert deaths > 20, "the points are not found any more"


def check_recovery(backend: CloudBackend) -> None:
    """The client, whose submission may have failed, tries again; another worker goes on where the dead one stopped."""
    store = backend.another_store()
    before = published(backend)
    job_id = store.submit(request(backend)).id
    for _ in range(2):  # a callback may have been under way
        backend.pass_time(10 * LEASE.lease_s)
        work_off(store)
    job = store.get("default", job_id)
    assert (job.state, job.callback) == ("done", "delivered")
    results = {name: store.read_result("default", job_id, name) for name in job.results}
    assert results == result_set(results[ANALYSIS_FILE].decode().split()[-1])
    assert not before or published(backend) == before
    assert backend.leftovers() == []
    assert backend.objects("open/") == {}
    assert [listed.id for listed in store.list(JobQuery()).jobs] == [job_id]
    assert backend.aws.messages(backend.dead_letters) == []


def published(backend: CloudBackend) -> dict[str, bytes]:
    """The analyses that users can see."""
    return {key: content for key, content in backend.objects("results/").items() if key.endswith(ANALYSIS_FILE)}


@pytest.mark.parametrize("end", ["delete", "cancel"])
def test_what_was_erased_stays_erased_whenever_the_eraser_dies(tmp_path: Path, aws: Aws, end: str) -> None:
    claims: list[Claim] = []

    def begin(backend: CloudBackend) -> None:
        backend.submit(b"SECRET", idempotency_key="SECRET")
        claims.append(backend.claim())
        backend.store.heartbeat(claims[-1], Update("emotion", 0.5, (segment(0, "SECRET"),)))

    def erase(backend: CloudBackend) -> None:
        (backend.store.delete if end == "delete" else backend.store.cancel)("default", claims[-1].job.id)

    deaths = 0
    for backend in until_nobody_dies(tmp_path, aws, erase, begin):
        deaths += 1
        if end == "cancel" or backend.store.list(JobQuery()).jobs:
            erase(backend)  # the user, who was told of an error
        assert not backend.store.finish(claims[-1], result_set("SECRET"))  # the worker, who does not know
        backend.store.sweep(retention_s=10**6)
        traces = backend.traces_of(b"SECRET")
        assert [key for key in traces if end == "delete" or not key.endswith(("/media", ".json"))] == []
    assert deaths > 4
