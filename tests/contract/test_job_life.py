"""The contract of `emoscribe.jobs.store`, method by method."""

from typing import Any

import pytest

from emoscribe.errors import (
    CorruptMediaError,
    InvalidRequestError,
    JobConflictError,
    JobNotFoundError,
    ModelMissingError,
    RunnerUnavailableError,
)
from emoscribe.jobs import ANALYSIS_FILE, JobOptions, JobQuery, S3Object, Update
from tests.contract.backend import LEASE, Backend
from tests.job_cases import result_set, s3_object, s3_request, segment

CALLBACK: dict[str, Any] = {"callback_url": "https://example.org/done"}


# --- submission ---


def test_a_submission_waits_and_can_be_seen(backend: Backend) -> None:
    job = backend.submit(b"sound", "conversa é.mp4", options=JobOptions(language="pt"))
    assert (job.state, job.progress, job.attempts, job.results) == ("queued", 0.0, 0, ())
    assert (job.source_name, job.source_bytes, job.options.language) == ("conversa é.mp4", 5, "pt")
    assert backend.store.get("default", job.id) == job
    assert backend.another_store().get("default", job.id) == job


def test_the_same_submission_is_the_same_job_in_every_state(backend: Backend) -> None:
    job = backend.submit()
    assert backend.submit() == job
    claim = backend.claim()
    assert backend.submit().state == "running"
    assert backend.store.finish(claim, result_set("first"))
    assert backend.submit(name="other name.mp4").state == "done"
    assert backend.maybe_claim() is None
    assert list(backend.inbox.iterdir()) == []


def test_other_bytes_options_settings_and_tenants_are_other_jobs(backend: Backend) -> None:
    jobs = [
        backend.submit(),
        backend.submit(b"other"),
        backend.submit(options=JobOptions(language="pt")),
        backend.submit(options=JobOptions(formats=("csv",))),
        backend.submit(settings="large model"),
        backend.submit(tenant="agency-2"),
    ]
    assert len({job.id for job in jobs}) == len(jobs)


def test_an_idempotency_key_belongs_to_one_job_of_one_tenant(backend: Backend) -> None:
    job = backend.submit(idempotency_key="k1")
    assert backend.submit(idempotency_key="k1") == job
    with pytest.raises(JobConflictError):
        backend.submit(b"other", idempotency_key="k1")
    assert [found.id for found in backend.store.list(JobQuery()).jobs] == [job.id]
    assert backend.submit(b"other", idempotency_key="k1", tenant="agency-2").state == "queued"
    backend.store.delete("default", job.id)
    assert backend.submit(b"other", idempotency_key="k1").state == "queued"


def test_an_object_in_s3_is_a_job_that_depends_on_its_etag_only(backend: Backend) -> None:
    job = backend.store.submit(s3_request(version_id="v1"))
    assert job.source_name == "incoming/talk.mp4"
    assert backend.store.submit(s3_request(version_id=None)).id == job.id
    assert backend.store.submit(s3_request().model_copy(update={"source": s3_object(etag="e2")})).id != job.id
    assert isinstance(backend.claim().media, S3Object)


def test_a_user_s_own_file_is_left_alone(backend: Backend) -> None:
    request = backend.request(b"mine")
    assert request.source.kind == "file"
    own = request.source.model_copy(update={"owned": False})
    job = backend.store.submit(request.model_copy(update={"source": own}))
    assert backend.media_of(backend.claim()) == b"mine"
    backend.store.delete("default", job.id)
    assert own.path.read_bytes() == b"mine"


# --- work ---


def test_jobs_are_worked_on_in_order_one_claim_each(backend: Backend) -> None:
    first, second = backend.submit(b"1"), backend.submit(b"2")
    claims = [backend.claim(), backend.claim(backend.another_store())]
    assert {claim.job.id for claim in claims} == {first.id, second.id}
    assert {backend.media_of(claim) for claim in claims} == {b"1", b"2"}
    assert backend.maybe_claim() is None
    job = backend.store.get("default", first.id)
    assert (job.state, job.attempts) == ("running", 1)
    assert job.started_at is not None


def test_progress_never_falls_and_segments_can_be_read_while_running(backend: Backend) -> None:
    job = backend.submit()
    claim = backend.claim()
    assert backend.store.heartbeat(claim, Update("transcription", 0.5, (segment(0), segment(1))))
    assert backend.store.heartbeat(claim, Update("reading", 0.4, (segment(2, "Olá\u2028\n mundo."),)))
    backend.pass_time(LEASE.lease_s / 2)
    assert backend.store.heartbeat(claim, Update("emotion", 0.4))
    seen = backend.store.get("default", job.id)
    assert (seen.progress, seen.stage) == (0.5, "emotion")
    assert [one.index for one in backend.store.read_segments("default", job.id)] == [0, 1, 2]
    assert backend.store.read_segments("default", job.id, first=2) == (segment(2, "Olá\u2028\n mundo."),)
    assert backend.store.read_segments("default", job.id, first=3) == ()
    assert backend.store.finish(claim, result_set("only"))
    assert backend.store.read_segments("default", job.id) == ()


def test_finished_work_can_be_read_and_leaves_nothing_else(backend: Backend) -> None:
    job = backend.submit()
    claim = backend.claim()
    with pytest.raises(JobConflictError):
        backend.store.read_result("default", job.id, ANALYSIS_FILE)
    backend.store.heartbeat(claim, Update("emotion", 0.9, (segment(0),)))
    assert backend.store.finish(claim, result_set("only"))
    job = backend.store.get("default", job.id)
    assert (job.state, job.progress, job.error) == ("done", 1.0, None)
    assert {name: backend.store.read_result("default", job.id, name) for name in job.results} == result_set("only")
    with pytest.raises(JobNotFoundError):
        backend.store.read_result("default", job.id, "../../jobs.sqlite3")
    assert not backend.store.finish(claim, result_set("again"))
    assert backend.store.read_result("default", job.id, ANALYSIS_FILE) == result_set("only")[ANALYSIS_FILE]
    assert backend.maybe_claim() is None
    assert backend.leftovers() == []


@pytest.mark.parametrize(
    "results", [{}, {"analysis.csv": b""}, {ANALYSIS_FILE: b"", "../x": b""}, {ANALYSIS_FILE: b"", "": b""}]
)
def test_results_have_plain_names_and_hold_the_analysis(backend: Backend, results: dict[str, bytes]) -> None:
    backend.submit()
    with pytest.raises(ValueError, match="result"):
        backend.store.finish(backend.claim(), results)


# --- leases ---


def test_heartbeats_keep_a_job_and_silence_loses_it(backend: Backend) -> None:
    job = backend.submit()
    first = backend.claim()
    for _ in range(4):
        backend.pass_time(LEASE.lease_s / 2)
        assert backend.store.heartbeat(first, Update("transcription", 0.3, (segment(0),)))
        assert backend.maybe_claim() is None
    backend.pass_time(LEASE.lease_s + 1)
    second = backend.claim()
    assert second.job.id == job.id
    assert second.job.attempts == 2
    assert second.token != first.token
    assert not backend.store.heartbeat(first, Update("emotion", 0.9, (segment(1),)))
    assert not backend.store.finish(first, result_set("first"))
    assert not backend.store.fail(first, CorruptMediaError("late"), retry=False)
    assert not backend.store.release(first)
    assert backend.store.read_segments("default", job.id) == ()
    assert backend.store.get("default", job.id).progress == 0.3
    assert backend.store.finish(second, result_set("second"))
    assert backend.store.read_result("default", job.id, ANALYSIS_FILE) == result_set("second")[ANALYSIS_FILE]
    assert backend.leftovers() == []


def test_a_late_worker_that_nobody_replaced_may_still_finish(backend: Backend) -> None:
    backend.submit()
    claim = backend.claim()
    backend.pass_time(LEASE.lease_s * 3)
    assert backend.store.finish(claim, result_set("late"))
    assert backend.maybe_claim() is None


def test_a_job_whose_workers_vanish_fails_in_the_end(backend: Backend) -> None:
    job = backend.submit(**CALLBACK)
    for attempt in range(1, LEASE.max_losses + 1):
        assert backend.claim().job.attempts == attempt
        backend.pass_time(LEASE.lease_s + 1)
    callback = backend.claim()
    assert callback.job.state == "failed"
    seen = backend.store.get("default", job.id)
    assert seen.error is not None
    assert (seen.state, seen.error.code, seen.attempts) == ("failed", "worker_lost", LEASE.max_losses)
    assert backend.leftovers() == []


# --- failure ---


def test_a_recording_at_fault_fails_at_once(backend: Backend) -> None:
    job = backend.submit()
    assert backend.store.fail(backend.claim(), CorruptMediaError("No sound.", fix="Convert it."), retry=False)
    seen = backend.store.get("default", job.id)
    assert seen.error is not None
    assert seen.finished_at is not None
    assert (seen.state, seen.error.code, seen.error.message, seen.error.fix) == (
        "failed",
        "corrupt_media",
        "No sound.",
        "Convert it.",
    )
    backend.pass_time(10_000)
    assert backend.maybe_claim() is None
    assert backend.submit().state == "failed"


def test_other_failures_are_tried_again_after_a_while_a_bounded_number_of_times(backend: Backend) -> None:
    job = backend.submit()
    for attempt in range(1, LEASE.max_attempts + 1):
        claim = backend.claim()
        assert claim.job.attempts == attempt
        assert backend.store.fail(claim, ModelMissingError("No model."), retry=True)
        assert backend.maybe_claim() is None
        seen = backend.store.get("default", job.id)
        assert seen.error is not None
        assert seen.error.code == "model_missing"
        assert seen.state == ("queued" if attempt < LEASE.max_attempts else "failed")
        backend.pass_time(120)
    assert backend.maybe_claim() is None


def test_workers_that_vanish_leave_the_tries_of_a_failing_job(backend: Backend) -> None:
    job = backend.submit()
    for _ in range(LEASE.max_losses - 1):
        backend.claim()
        backend.pass_time(LEASE.lease_s + 1)
    for attempt in range(1, LEASE.max_attempts + 1):
        assert backend.store.fail(backend.claim(), ModelMissingError("No model."), retry=True)
        state = backend.store.get("default", job.id).state
        assert state == ("queued" if attempt < LEASE.max_attempts else "failed")
        backend.pass_time(700)


def test_success_clears_the_error_of_earlier_attempts(backend: Backend) -> None:
    job = backend.submit()
    backend.store.fail(backend.claim(), ModelMissingError("No model."), retry=True)
    backend.pass_time(120)
    backend.store.finish(backend.claim(), result_set("second"))
    assert backend.store.get("default", job.id).error is None


def test_giving_a_job_back_costs_no_attempt_and_no_time(backend: Backend) -> None:
    backend.submit()
    for _ in range(LEASE.max_attempts + 2):
        claim = backend.claim()
        assert claim.job.attempts == 1
        assert backend.store.release(claim)
    assert not backend.store.release(claim)


def test_waiting_for_a_runner_costs_no_attempt_however_long_it_is_away(backend: Backend) -> None:
    job = backend.submit()
    for _ in range(max(LEASE.max_attempts, LEASE.max_losses) + 1):
        claim = backend.claim()
        assert claim.job.attempts == 1
        assert backend.store.release(claim, RunnerUnavailableError("The transcriber does not answer."))
        waiting = backend.store.get("default", job.id)
        assert (waiting.state, waiting.error and waiting.error.code) == ("queued", "runner_unavailable")
        assert backend.maybe_claim() is None  # it does not come again at once
        backend.pass_time(60)
    claim = backend.claim()
    assert backend.store.finish(claim, result_set("x"))
    assert backend.store.get("default", job.id).error is None


def test_a_failed_job_can_be_retried_by_hand(backend: Backend) -> None:
    job = backend.submit(**CALLBACK)
    claim = backend.claim()
    backend.store.heartbeat(claim, Update("reading", 0.5))
    backend.store.fail(claim, CorruptMediaError("No sound."), retry=False)
    again = backend.store.retry("default", job.id)
    assert (again.state, again.attempts, again.error, again.progress, again.callback) == (
        "queued",
        0,
        None,
        0.0,
        "none",
    )
    assert backend.store.retry("default", job.id) == again
    claim = backend.claim()
    assert backend.media_of(claim) == b"a recording"
    assert backend.store.finish(claim, result_set("second"))
    with pytest.raises(JobConflictError):
        backend.store.retry("default", job.id)


# --- cancelling and deleting ---


def test_cancelling_takes_effect_at_once(backend: Backend) -> None:
    waiting, running = backend.submit(b"1"), backend.submit(b"2")
    claims = {claim.job.id: claim for claim in (backend.claim(), backend.claim())}
    backend.store.release(claims[waiting.id])
    claim = claims[running.id]
    backend.store.heartbeat(claim, Update("reading", 0.5, (segment(0),)))
    for job in (waiting, running):
        assert backend.store.cancel("default", job.id).state == "cancelled"
        assert backend.store.cancel("default", job.id) == backend.store.get("default", job.id)
    assert not backend.store.heartbeat(claim, Update("emotion", 0.9, (segment(1),)))
    assert not backend.store.finish(claim, result_set("too late"))
    assert backend.store.get("default", running.id).results == ()
    with pytest.raises(JobConflictError):
        backend.store.read_result("default", running.id, ANALYSIS_FILE)
    backend.pass_time(10_000)
    assert backend.maybe_claim() is None
    assert backend.traces_of(b"too late") == []
    assert backend.leftovers() == []


def test_what_has_ended_cannot_be_cancelled(backend: Backend) -> None:
    job = backend.submit()
    backend.store.finish(backend.claim(), result_set("only"))
    assert backend.store.cancel("default", job.id).state == "done"
    assert backend.store.read_result("default", job.id, ANALYSIS_FILE)


@pytest.mark.parametrize("state", ["queued", "running", "done", "failed", "cancelled"])
def test_deleting_erases_everything_in_every_state(backend: Backend, state: str) -> None:
    secrets = (b"SECRET-MEDIA", b"SECRET-TEXT", b"SECRET-NAME", b"SECRET-CALLBACK", b"SECRET-KEY")
    job = backend.submit(
        b"SECRET-MEDIA" * 5000,
        "SECRET-NAME.mp4",
        callback_url="https://example.org/SECRET-CALLBACK",
        idempotency_key="SECRET-KEY",
    )
    claim = None
    if state != "queued":
        claim = backend.claim()
        backend.store.heartbeat(claim, Update("emotion", 0.5, (segment(0, "SECRET-TEXT"),)))
        assert backend.traces_of(b"SECRET-TEXT")
    if state == "done":
        assert claim
        assert backend.store.finish(claim, result_set("SECRET-TEXT"))
    elif state == "failed":
        assert claim
        backend.store.fail(claim, CorruptMediaError("SECRET-TEXT"), retry=False)
    elif state == "cancelled":
        backend.store.cancel("default", job.id)
    assert backend.traces_of(b"SECRET-MEDIA")
    backend.store.delete("default", job.id)
    assert {secret: backend.traces_of(secret) for secret in secrets} == {secret: [] for secret in secrets}
    with pytest.raises(JobNotFoundError):
        backend.store.get("default", job.id)
    if claim is not None:  # the worker does not know yet
        assert not backend.store.heartbeat(claim, Update("emotion", 0.9, (segment(1, "SECRET-TEXT"),)))
        assert not backend.store.finish(claim, result_set("SECRET-TEXT"))
    assert backend.traces_of(b"SECRET-TEXT") == []
    assert backend.maybe_claim() is None
    assert backend.leftovers() == []


def test_after_deleting_the_same_recording_is_a_new_job(backend: Backend) -> None:
    job = backend.submit()
    zombie = backend.claim()
    backend.store.delete("default", job.id)
    assert backend.submit().state == "queued"
    claim = backend.claim()
    assert (claim.job.id, claim.job.attempts, backend.media_of(claim)) == (job.id, 1, b"a recording")
    assert not backend.store.finish(zombie, result_set("zombie"))
    assert backend.store.finish(claim, result_set("new"))
    assert backend.store.read_result("default", job.id, ANALYSIS_FILE) == result_set("new")[ANALYSIS_FILE]


def test_tenants_do_not_see_each_other(backend: Backend) -> None:
    job = backend.submit(tenant="agency-1")
    backend.store.finish(backend.claim(), result_set("secret"))
    for forbidden in (
        lambda: backend.store.get("agency-2", job.id),
        lambda: backend.store.cancel("agency-2", job.id),
        lambda: backend.store.retry("agency-2", job.id),
        lambda: backend.store.delete("agency-2", job.id),
        lambda: backend.store.read_result("agency-2", job.id, ANALYSIS_FILE),
        lambda: backend.store.read_segments("agency-2", job.id),
    ):
        with pytest.raises(JobNotFoundError):
            forbidden()
    assert backend.store.list(JobQuery(tenant="agency-2")).jobs == ()


@pytest.mark.parametrize("job_id", ["", "nothing", "../../etc/passwd", "0" * 64, "é" * 10])
def test_unknown_jobs_are_not_found(backend: Backend, job_id: str) -> None:
    with pytest.raises(JobNotFoundError):
        backend.store.get("default", job_id)
    with pytest.raises(JobNotFoundError):
        backend.store.delete("default", job_id)


# --- lists ---


def test_lists_are_paged_newest_first_and_filtered(backend: Backend) -> None:
    jobs = []
    for number in range(5):
        jobs.append(backend.submit(f"{number}".encode()))
        backend.pass_time(1)
    backend.store.cancel("default", jobs[1].id)
    backend.store.cancel("default", jobs[3].id)
    newest_first = [job.id for job in reversed(jobs)]
    assert _pages(backend, JobQuery(limit=2)) == newest_first
    assert _pages(backend, JobQuery(limit=5)) == newest_first
    assert _pages(backend, JobQuery(states=frozenset({"cancelled"}), limit=1)) == [jobs[3].id, jobs[1].id]
    assert _pages(backend, JobQuery(states=frozenset({"failed"}))) == []
    for cursor in ("nonsense", "", "-1", "9" * 40):
        with pytest.raises(InvalidRequestError):
            backend.store.list(JobQuery(cursor=cursor))


def _pages(backend: Backend, query: JobQuery) -> list[str]:
    ids: list[str] = []
    cursor = None
    while True:
        page = backend.store.list(JobQuery(query.tenant, query.states, query.limit, cursor))
        assert len(page.jobs) <= query.limit
        ids += [job.id for job in page.jobs]
        cursor = page.cursor
        if cursor is None:
            return ids


# --- callbacks ---


def test_a_callback_is_work_of_its_own_until_it_is_delivered(backend: Backend) -> None:
    job = backend.submit(**CALLBACK)
    backend.store.finish(backend.claim(), result_set("only"))
    assert backend.store.get("default", job.id).callback == "pending"
    claim = backend.claim()
    assert (claim.job.state, claim.request.callback_url) == ("done", CALLBACK["callback_url"])
    assert backend.maybe_claim() is None
    assert backend.store.callback_tried(claim, delivered=False)
    assert backend.maybe_claim() is None
    backend.pass_time(60)
    claim = backend.claim()
    assert backend.store.callback_tried(claim, delivered=True)
    assert not backend.store.callback_tried(claim, delivered=True)
    assert backend.store.get("default", job.id).callback == "delivered"
    backend.pass_time(10_000)
    assert backend.maybe_claim() is None


def test_a_callback_whose_worker_died_is_tried_again_but_not_for_ever(backend: Backend) -> None:
    job = backend.submit(**CALLBACK)
    backend.store.cancel("default", job.id)
    tries = 0
    while (claim := backend.maybe_claim()) is not None:
        assert claim.job.state == "cancelled"
        tries += 1
        if tries % 2:
            assert backend.store.callback_tried(claim, delivered=False)
        backend.pass_time(2000)
    assert 8 <= tries <= 20
    assert backend.store.get("default", job.id).callback == "failed"


def test_a_refused_callback_is_given_up(backend: Backend) -> None:
    job = backend.submit(**CALLBACK)
    backend.store.fail(backend.claim(), CorruptMediaError("No sound."), retry=False)
    assert backend.store.callback_tried(backend.claim(), delivered=False, give_up=True)
    backend.pass_time(10_000)
    assert backend.maybe_claim() is None
    assert backend.store.get("default", job.id).callback == "failed"


# --- upkeep ---


def test_sweeping_deletes_what_ended_long_ago_and_nothing_else(backend: Backend) -> None:
    old = backend.submit(b"OLD-CONTENT")
    backend.store.finish(backend.claim(), result_set("old"))
    told = backend.submit(b"callback pending", **CALLBACK)
    backend.store.cancel("default", told.id)
    waiting = backend.submit(b"waiting")
    backend.pass_time(50_000)
    new = backend.submit(b"new")
    backend.store.cancel("default", new.id)
    assert backend.store.sweep(retention_s=40_000) == 1
    assert backend.traces_of(b"OLD-CONTENT") == []
    left = {job.id for job in backend.store.list(JobQuery()).jobs}
    assert left == {told.id, waiting.id, new.id}
    assert old.id not in left
    assert backend.store.sweep(retention_s=40_000) == 0
