"""What is special about S3 and SQS: leases and messages, lost answers, versions, permissions, what crashes left."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emoscribe.errors import JobNotFoundError, JobStoreError
from emoscribe.jobs import JobQuery, JobStore, LeaseOptions, Update
from emoscribe.jobs.aws import AwsOptions, ServerClock, make_client
from emoscribe.jobs.cloud import CloudJobStore
from emoscribe.jobs.cloud_claims import HeartbeatPace
from emoscribe.jobs.job_queue import RENEW_AFTER_RECEIVES, JobQueue
from emoscribe.jobs.s3_events import JobNote, read_message
from emoscribe.jobs.s3_objects import S3Objects
from tests.contract.backend import LEASE
from tests.contract.cloud_backend import Aws, CloudBackend, connect
from tests.job_cases import result_set, s3_request, segment
from tests.servers import Server


class Requests:
    """Counts what is asked of S3 and SQS, and keeps the parameters."""

    def __init__(self, aws: Aws) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        for client in (aws.s3, aws.sqs):
            client.meta.events.register("provide-client-params", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self.seen.append((model.name, params))

    def counted(self) -> Counter[str]:
        return Counter(name for name, _ in self.seen)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [params for one, params in self.seen if one == name]


@pytest.fixture
def aws(ministack_server: Server) -> Aws:
    """Clients of its own, to look at requests."""
    return connect(ministack_server.url, ministack_server.url)


@pytest.fixture
def backend(tmp_path: Path, aws: Aws) -> Iterator[CloudBackend]:
    made = CloudBackend(tmp_path, aws)
    yield made
    made.close()


def store_with(backend: CloudBackend, **options: Any) -> JobStore:
    return CloudJobStore(backend.aws.s3, backend.aws.sqs, replace(backend.options, **options), backend.clock)


# --- messages ---


def test_heartbeats_extend_the_message_at_a_third_of_its_time(
    backend: CloudBackend, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_with(backend, pace=HeartbeatPace())
    backend.store.submit(s3_request())
    claim = backend.claim(store)
    requests, started_s = Requests(aws), time.monotonic()
    for second in range(1, 121):
        monkeypatch.setattr(time, "monotonic", lambda second=second: started_s + second)
        assert store.heartbeat(claim, Update("reading", 0.1))
    monkeypatch.undo()
    extended = requests.of("ChangeMessageVisibility")
    assert {one["VisibilityTimeout"] for one in extended} == {LEASE.lease_s}
    assert 5 <= len(extended) <= 6
    assert requests.counted()["PutObject"] <= 8, "the lease costs a write at a third of its time"
    assert requests.counted()["HeadObject"] <= 60
    assert set(requests.counted()) == {"ChangeMessageVisibility", "PutObject", "HeadObject"}


def test_without_heartbeats_the_message_comes_back_by_itself(backend: CloudBackend) -> None:
    store = store_with(backend, lease=LeaseOptions(lease_s=1))
    job = store.submit(s3_request())
    assert store.claim("worker 1") is not None
    again = store.claim("worker 2", wait_s=20)
    assert again is not None
    assert (again.job.id, again.job.attempts) == (job.id, 2)


def test_a_message_is_given_back_before_the_queue_s_own_limit_and_work_goes_on(backend: CloudBackend, aws: Aws) -> None:
    store = store_with(backend, pace=HeartbeatPace(write_every_s=0, look_every_s=0, give_back_after_s=0))
    assert isinstance(store, CloudJobStore)
    job = store.submit(s3_request(callback_url="https://example.org/"))
    claim = backend.claim(store)
    store._claims._held[claim.token].hidden_s -= LEASE.lease_s  # a third of the lease has passed
    requests = Requests(aws)
    assert store.heartbeat(claim, Update("reading", 0.1))
    assert requests.counted()["SendMessage"] == requests.counted()["DeleteMessage"] == 1
    assert requests.of("SendMessage")[0]["DelaySeconds"] == LEASE.lease_s
    assert store.heartbeat(claim, Update("reading", 0.2))
    assert backend.maybe_claim() is None
    assert store.finish(claim, result_set("x"))
    assert backend.claim().job.state == "done"
    assert backend.store.get("default", job.id).results


def test_waiting_never_drives_a_message_into_the_dead_letter_queue(aws: Aws) -> None:
    """A message for a job that somebody works on is looked at, and put back, again and again."""
    dead_letters = aws.new_queue("dead")
    redrive = {"deadLetterTargetArn": aws.arn(dead_letters), "maxReceiveCount": RENEW_AFTER_RECEIVES + 1}
    queue = JobQueue(aws.sqs, aws.new_queue("jobs", RedrivePolicy=json.dumps(redrive)), dead_letters)
    note = JobNote("default", "0" * 64)
    queue.send(note)
    for _ in range(3 * RENEW_AFTER_RECEIVES):
        message = queue.receive(wait_s=5, visibility_s=60)
        assert message is not None
        assert read_message(message.body, None, ("", "")) == note
        queue.postpone(message, note, delay_s=0)
    assert aws.messages(dead_letters) == []


def test_a_queue_that_forgets_is_reminded(backend: CloudBackend) -> None:
    """Whoever submitted died before sending the message, or somebody emptied the queue."""
    job = backend.store.submit(s3_request())
    backend.aws.sqs.purge_queue(QueueUrl=backend.queue)
    assert backend.maybe_claim() is None
    backend.store.sweep(retention_s=10**6)
    assert backend.maybe_claim() is None
    backend.clock.shift_s += 7 * 3600
    backend.store.sweep(retention_s=10**6)
    assert backend.claim().job.id == job.id
    backend.store.submit(s3_request("other"))
    backend.aws.sqs.purge_queue(QueueUrl=backend.queue)
    assert backend.store.submit(s3_request("other")).state == "queued"  # so does a client who tries again
    assert backend.claim().job.source_name == "other"


# --- workers that stand still at the wrong moment ---


def before(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, meanwhile: Callable[[], object]) -> None:
    """Others act after the last check, just before the call of that method."""
    original = getattr(owner, name)

    def late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(owner, name, original)
        meanwhile()
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, late)


@pytest.mark.parametrize("part", ["decide", "publish"])
def test_a_worker_that_was_replaced_while_it_stood_still_mixes_nothing(
    backend: CloudBackend, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Whose results were decided first, those stand, whole."""
    slow, quick = backend.store, backend.another_store()
    assert isinstance(slow, CloudJobStore)
    job = backend.submit()
    claim, finished = backend.claim(slow), []

    def be_replaced() -> None:
        backend.pass_time(LEASE.lease_s + 1)
        replacement = backend.maybe_claim(quick)
        finished.append(replacement is not None and quick.finish(replacement, result_set("quick")))

    before(monkeypatch, slow._files, part, be_replaced)
    is_slow_done = slow.finish(claim, result_set("slow"))
    winner = "quick" if part == "decide" else "slow"
    assert (finished, is_slow_done) == ([winner == "quick"], winner == "slow")
    results = {name: quick.read_result("default", job.id, name) for name in result_set("")}
    assert results == result_set(winner)
    assert {key.rpartition("/")[2]: content for key, content in backend.objects("results/").items()} == results


@pytest.mark.parametrize("end", ["cancel", "delete"])
@pytest.mark.parametrize("part", ["decide", "publish", "erase_segments"])
def test_a_worker_that_publishes_too_late_takes_it_back(
    backend: CloudBackend, monkeypatch: pytest.MonkeyPatch, part: str, end: str
) -> None:
    assert isinstance(backend.store, CloudJobStore)
    other, job = backend.another_store(), backend.submit(b"recording")
    claim = backend.claim()
    act = other.cancel if end == "cancel" else other.delete
    before(monkeypatch, backend.store._files, part, lambda: act("default", job.id))
    is_done = backend.store.finish(claim, result_set("SECRET"))
    if part == "erase_segments":  # the job was done by then
        assert is_done
        assert bool(backend.traces_of(b"SECRET")) == (end == "cancel")
    else:
        assert not is_done
        assert backend.traces_of(b"SECRET") == []


# --- a store that fails in the middle ---


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """The next call of that method raises; those after it do not."""
    original, calls = getattr(owner, name), Counter[str]()

    def failing(*arguments: Any, **options: Any) -> Any:
        calls[name] += 1
        if calls[name] == 1:
            raise JobStoreError("The network is down.")
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)


@pytest.mark.parametrize("part", ["erase_segments", "decide", "publish"])
def test_handing_in_may_be_repeated(backend: CloudBackend, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    assert isinstance(backend.store, CloudJobStore)
    job = backend.submit()
    claim = backend.claim()
    fail_once(monkeypatch, backend.store._files, part)
    with pytest.raises(JobStoreError):
        backend.store.finish(claim, result_set("x"))
    assert backend.store.finish(claim, result_set("x"))
    assert backend.store.get("default", job.id).state == "done"
    assert not backend.store.finish(claim, result_set("x"))


def test_giving_back_may_be_repeated_and_counts_once(backend: CloudBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(backend.store, CloudJobStore)
    backend.submit()
    claim = backend.claim()
    fail_once(monkeypatch, backend.store._files, "erase_segments")
    with pytest.raises(JobStoreError):
        backend.store.release(claim)
    assert backend.store.release(claim)
    assert backend.claim().job.attempts == 1


def test_a_heartbeat_that_fails_has_taken_nothing(backend: CloudBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(backend.store, CloudJobStore)
    job = backend.submit()
    claim = backend.claim()
    fail_once(monkeypatch, backend.store._documents, "write")
    with pytest.raises(JobStoreError):
        backend.store.heartbeat(claim, Update("reading", 0.1, (segment(0),)))
    assert backend.store.heartbeat(claim, Update("reading", 0.1, (segment(0), segment(1))))
    assert [one.index for one in backend.store.read_segments("default", job.id)] == [0, 1]


# --- objects ---


def test_a_lost_answer_is_recognised_as_our_own_write(aws: Aws) -> None:
    """The first try succeeded, its answer got lost, the client repeats it: S3 says that the condition fails."""
    objects = S3Objects(aws.s3, aws.bucket)
    etag = objects.put_if("lost", b"unique 1", etag=None)
    assert objects.put_if("lost", b"unique 1", etag=None) == etag
    assert objects.put_if("lost", b"unique 2", etag=None) is None
    assert objects.put_if("lost", b"unique 2", etag="another") is None
    after = objects.put_if("lost", b"unique 2", etag=etag)
    assert after is not None
    assert objects.put_if("lost", b"unique 2", etag=etag) == after
    assert not objects.delete_if("lost", "another")
    assert objects.delete_if("lost", after)
    assert objects.get("lost") is None
    assert objects.put_if("lost", b"unique 3", etag=after) is None


def test_where_the_bucket_keeps_versions_deleting_erases_them_all(backend: CloudBackend, aws: Aws) -> None:
    aws.s3.put_bucket_versioning(Bucket=aws.bucket, VersioningConfiguration={"Status": "Enabled"})
    job = backend.submit(b"SECRET", idempotency_key="k")
    claim = backend.claim()
    backend.store.heartbeat(claim, Update("emotion", 0.5, (segment(0, "SECRET"),)))
    assert backend.store.finish(claim, result_set("SECRET"))
    backend.store.delete("default", job.id)
    pages = aws.s3.get_paginator("list_object_versions").paginate(Bucket=aws.bucket, Prefix=backend.prefix)
    left = [version["Key"] for page in pages for version in page.get("Versions", [])]
    assert left == []


def test_late_writes_of_a_worker_to_a_deleted_job_are_erased(backend: CloudBackend) -> None:
    """It had checked its claim, then stood still, and wrote after the job was deleted."""
    job = backend.submit()
    claim = backend.claim()
    folder = backend.store._claims._folder(backend.store._claims._held[claim.token].version)  # type: ignore[attr-defined]
    backend.store.delete("default", job.id)
    for key in (f"{folder}live/{claim.token}/00000000", f"{folder}decided"):
        backend.aws.s3.put_object(Bucket=backend.aws.bucket, Key=key, Body=b"SECRET")
    backend.store.sweep(retention_s=10**6)
    assert backend.traces_of(b"SECRET") == []
    assert backend.objects("erasing/") != {}
    backend.clock.shift_s += 2 * 3600
    backend.store.sweep(retention_s=10**6)
    assert backend.objects() == {}


def test_files_of_submissions_that_failed_are_removed_in_the_end(backend: CloudBackend) -> None:
    backend.aws.s3.put_object(
        Bucket=backend.aws.bucket, Key=f"{backend.prefix}files/default/{'0' * 64}/life/media", Body=b"x"
    )
    kept = backend.submit()
    backend.store.sweep(retention_s=10**6)
    assert len([key for key in backend.objects("files/") if key.endswith("/media")]) == 2
    backend.clock.shift_s += 2 * 24 * 3600
    backend.store.sweep(retention_s=10**6)
    assert [kept.id in key for key in backend.objects("files/")] == [True]


@pytest.mark.parametrize("key", ["a//b/../c.mp4", "./x", "x" * 1024, "é" * 512, "/lead.mp4", "a\tb\nc.mp4"])
def test_results_lie_under_the_name_of_the_video_whatever_it_is(backend: CloudBackend, key: str) -> None:
    job = backend.store.submit(s3_request(key))
    backend.store.finish(backend.claim(), result_set("x"))
    assert backend.store.read_result("default", job.id, "analysis.json") == result_set("x")["analysis.json"]
    place = next(iter(backend.objects("results/")))
    assert not {".", "..", ""} & set(place.split("/"))
    assert len(place.encode()) <= 1024
    backend.store.delete("default", job.id)
    assert backend.objects() == {}


# --- the server's clock, and no server ---


def test_the_time_is_the_server_s_whatever_ours_says(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    clock = ServerClock(aws.s3)
    assert clock.now().year == 1970 or clock.now() < datetime(1971, 1, 1, tzinfo=UTC)
    aws.s3.list_buckets()
    monkeypatch.undo()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_wrong_secret_is_reported(real_s3: Aws, tmp_path: Path) -> None:
    wrong = make_client("s3", AwsOptions(real_s3.s3.meta.endpoint_url, "us-east-1", "test", "wrong"))
    backend = CloudBackend(tmp_path, Aws(wrong, real_s3.sqs, real_s3.bucket))
    with pytest.raises(JobStoreError, match="SignatureDoesNotMatch"):
        backend.store.submit(s3_request())
    with pytest.raises(JobStoreError, match=r"SignatureDoesNotMatch|403"):
        backend.store.list(JobQuery())
    backend.close()


def test_a_server_that_is_away_is_reported(backend: CloudBackend) -> None:
    nowhere = AwsOptions("http://127.0.0.1:9", "us-east-1", "test", "test", tries=1)
    store = CloudJobStore(make_client("s3", nowhere), make_client("sqs", nowhere), backend.options)
    with pytest.raises(JobStoreError, match="EndpointConnectionError"):
        store.get("default", "0" * 64)
    with pytest.raises(JobStoreError, match="EndpointConnectionError"):
        store.claim("worker")
    with pytest.raises(JobNotFoundError):
        store.get("../other", "0" * 64)
