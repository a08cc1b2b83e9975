"""The contract of `emoscribe.jobs.reviews`: decisions are never lost, and go with their job."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from emoscribe.errors import CorrectionConflictError, JobConflictError, JobNotFoundError
from emoscribe.jobs import Decision, Job, JobStore, S3Object
from emoscribe.labels import Label
from tests.contract.backend import Backend
from tests.job_cases import result_set, s3_object, s3_request

REVIEWER = "Ana Conceição"


def decision(index: int = 0, label: Label | None = "fear", reviewer: str = REVIEWER) -> Decision:
    return Decision(segment_index=index, label=label, reviewer=reviewer, decided_at=datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def job(backend: Backend) -> Job:
    submitted = backend.submit()
    assert backend.store.finish(backend.claim(), result_set("only"))
    return submitted


def test_decisions_are_kept_in_order_for_every_process(backend: Backend, job: Job) -> None:
    assert backend.store.reviews.decisions("default", job.id) == ()
    assert backend.store.reviews.decided_jobs("default") == frozenset()
    made = (decision(3), decision(1, "anger"), decision(3, None))
    for one, seen in zip(made, (0, 0, 1), strict=True):
        after = backend.store.reviews.decide("default", job.id, one, seen)
    assert after == made
    other = backend.another_store().reviews
    assert other.decisions("default", job.id) == made
    assert other.decided_jobs("default") == frozenset({job.id})


def test_a_decision_on_what_has_changed_is_refused(backend: Backend, job: Job) -> None:
    reviews = backend.store.reviews
    reviews.decide("default", job.id, decision(), 0)
    for seen in (0, 2):
        with pytest.raises(CorrectionConflictError):
            reviews.decide("default", job.id, decision(label="anger"), seen)
    assert reviews.decisions("default", job.id) == (decision(),)


def test_reviewers_at_once_lose_nothing(backend: Backend, job: Job) -> None:
    def review(number: int) -> int:
        reviews, refused = backend.another_store().reviews, 0
        for index in range(4):
            reviews.decide("default", job.id, decision(10 * number + index), 0)
            try:
                reviews.decide("default", job.id, decision(index, reviewer=f"reviewer {number}"), 0)
            except CorrectionConflictError:
                refused += 1
        return refused

    with ThreadPoolExecutor(3) as pool:
        refused = sum(pool.map(review, (1, 2, 3)))
    made = backend.store.reviews.decisions("default", job.id)
    assert len(made) == 3 * 4 + 4
    assert len({one.segment_index for one in made}) == len(made)
    assert refused == 2 * 4


def test_only_what_is_done_can_be_corrected(backend: Backend) -> None:
    job = backend.submit()
    with pytest.raises(JobConflictError):
        backend.store.reviews.decide("default", job.id, decision(), 0)
    with pytest.raises(JobNotFoundError):
        backend.store.reviews.decide("default", "0" * 64, decision(), 0)


def test_other_tenants_see_nothing(backend: Backend, job: Job) -> None:
    backend.store.reviews.decide("default", job.id, decision(), 0)
    reviews = backend.store.reviews
    for ask in (reviews.decisions, reviews.recording):
        with pytest.raises(JobNotFoundError):
            ask("agency-2", job.id)
    with pytest.raises(JobNotFoundError):
        reviews.decide("agency-2", job.id, decision(), 1)
    assert reviews.decided_jobs("agency-2") == frozenset()


def test_decisions_are_erased_with_their_job(backend: Backend, job: Job) -> None:
    backend.store.reviews.decide("default", job.id, decision(), 0)
    assert backend.traces_of(REVIEWER.encode()) != []
    backend.store.delete("default", job.id)
    assert backend.traces_of(REVIEWER.encode()) == []
    assert backend.store.reviews.decided_jobs("default") == frozenset()
    again = backend.submit()
    assert again.id == job.id
    assert backend.store.reviews.decisions("default", job.id) == ()


def test_decisions_go_with_the_age_of_their_job(backend: Backend, job: Job) -> None:
    backend.store.reviews.decide("default", job.id, decision(), 0)
    backend.pass_time(7200)
    assert backend.store.sweep(retention_s=3600) == 1
    assert backend.traces_of(REVIEWER.encode()) == []


def test_the_recording_can_be_found_in_every_state(backend: Backend) -> None:
    submitted = backend.submit(b"sound", "talk é.mp4")

    def content(store: JobStore) -> bytes:
        kept = store.reviews.recording("default", submitted.id)
        assert (kept.name, kept.bytes) == ("talk é.mp4", 5)
        return backend.read_media(kept.media)

    assert content(backend.store) == b"sound"
    claim = backend.claim()
    assert content(backend.store) == b"sound"
    assert backend.store.finish(claim, result_set("only"))
    assert content(backend.another_store()) == b"sound"


def test_the_recording_of_an_object_is_the_version_that_was_submitted(backend: Backend) -> None:
    request = s3_request().model_copy(update={"source": s3_object(version_id="v1")})
    job = backend.store.submit(request)
    kept = backend.store.reviews.recording("default", job.id)
    assert isinstance(kept.media, S3Object)
    assert (kept.media.key, kept.media.etag, kept.media.version_id) == ("incoming/talk.mp4", "e1", "v1")


def test_all_processes_have_the_same_secret_for_links(backend: Backend) -> None:
    def secret(_: int) -> bytes:
        return backend.another_store().reviews.link_secret()

    with ThreadPoolExecutor(4) as pool:
        secrets = set(pool.map(secret, range(4)))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 32
