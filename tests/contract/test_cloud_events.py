"""From an upload in S3 to a job: real bucket notifications, and everything else that may lie in the queue."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from emoscribe.errors import CorruptMediaError, InvalidRequestError, JobStoreError, ModelMissingError
from emoscribe.jobs import Attempt, Job, JobOptions, JobQuery, JobRequest, JobStore, S3Object, Worker, WorkerOptions
from emoscribe.jobs.cloud import CloudJobStore
from emoscribe.jobs.s3_events import EventRules, JobNote
from emoscribe.s3_source import find_object
from tests.contract.cloud_backend import Aws, CloudBackend, connect
from tests.job_cases import result_set, s3_object
from tests.servers import Server

KEY = "incoming/meu vídeo+1 (á) 100%/日本 🎬.mp4"


class Intake:
    """A bucket whose uploads under incoming/ are announced in the queue of a store."""

    def __init__(self, folder: Path, aws: Aws) -> None:
        self.aws = aws
        self.refuses = "refused"  # a word in keys
        self.bucket = f"videos-{uuid4().hex[:12]}"
        aws.s3.create_bucket(Bucket=self.bucket)
        self.backend = CloudBackend(folder, aws, EventRules(self.bucket, "incoming/", self.request))
        self.store = self.backend.store

    def request(self, source: S3Object) -> JobRequest:
        if self.refuses in source.key:
            raise InvalidRequestError("Not this one.")
        options = JobOptions(formats=("csv",))
        return JobRequest(source=source, options=options, settings="s1", callback_url="https://example.org/done")

    def announce_uploads(self) -> None:
        configuration = {
            "QueueConfigurations": [{"QueueArn": self.aws.arn(self.backend.queue), "Events": ["s3:ObjectCreated:*"]}]
        }
        self.aws.s3.put_bucket_notification_configuration(Bucket=self.bucket, NotificationConfiguration=configuration)

    def put(self, key: str, content: bytes = b"sound") -> None:
        self.aws.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def object_now(self, key: str) -> S3Object:
        """As the API would look it up."""
        found = find_object(self.aws.s3, f"s3://{self.bucket}/{key}")
        return S3Object(
            bucket=found.bucket, key=found.key, etag=found.etag, version_id=found.version_id, bytes=found.size_bytes
        )

    def work_off(self, run: Callable[[Attempt], dict[str, bytes]] | None = None, store: JobStore | None = None) -> None:
        work = run or (lambda attempt: result_set(attempt.claim.job.source_name))
        Worker(store or self.store, work, WorkerOptions(concurrency=2, heartbeat_s=0.05)).run_until_idle()

    def jobs(self) -> dict[str, str]:
        """Source and state of all jobs."""
        return {job.source_name: job.state for job in self.store.list(JobQuery(limit=200)).jobs}

    def is_drained(self) -> bool:
        """Neither visible messages nor hidden ones."""
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=self.backend.queue, AttributeNames=["All"])["Attributes"]
        return {answer[f"ApproximateNumberOfMessages{hidden}"] for hidden in ("", "NotVisible")} == {"0"}

    def reasons(self) -> list[str]:
        """Why there are messages in the dead-letter queue."""
        letters = self.aws.messages(self.backend.dead_letters)
        return [letter["MessageAttributes"]["reason"]["StringValue"] for letter in letters]


@pytest.fixture
def aws(ministack_server: Server) -> Aws:
    """With a bucket of its own."""
    return connect(ministack_server.url, ministack_server.url)


@pytest.fixture
def intake(tmp_path: Path, simulated_aws: Aws) -> Iterator[Intake]:
    made = Intake(tmp_path, simulated_aws)
    yield made
    made.backend.close()


def event(bucket: str, *objects: dict[str, Any], name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """As S3 words it."""
    return {
        "Records": [
            {"eventVersion": "2.1", "eventName": name, "s3": {"bucket": {"name": bucket}, "object": one}}
            for one in objects
        ]
    }


def described(key: str, etag: str = "e1", **fields: object) -> dict[str, Any]:
    return {"key": key, "size": 5, "eTag": etag, "sequencer": "0", **fields}


# --- real notifications ---


def test_an_upload_becomes_the_job_that_the_api_would_have_made(intake: Intake) -> None:
    intake.announce_uploads()
    intake.put(KEY)
    intake.work_off()
    assert intake.jobs() == {KEY: "done"}
    submitted = intake.store.submit(intake.request(intake.object_now(KEY)))
    assert submitted.state == "done"
    assert submitted.options.formats == ("csv",)
    results = list(intake.backend.objects("results/"))
    assert all(f"/default/{KEY}/{submitted.id}/" in key for key in results)
    assert {key.rpartition("/")[2] for key in results} == set(result_set(""))
    assert intake.is_drained()
    assert intake.reasons() == []


def test_what_is_not_an_upload_for_us_starts_nothing(intake: Intake) -> None:
    intake.announce_uploads()  # S3 sends a test event
    for key in ("elsewhere/talk.mp4", "incoming/folder/"):
        intake.put(key)
    intake.put("incoming/kept.mp4")
    intake.aws.s3.delete_object(Bucket=intake.bucket, Key="incoming/kept.mp4")
    intake.backend.send(event(intake.bucket, described("incoming/kept.mp4"), name="ObjectRemoved:Delete"))
    intake.backend.send(event("another-bucket", described("incoming/talk.mp4")))
    intake.work_off()
    assert intake.jobs() == {"incoming/kept.mp4": "done"}
    assert intake.is_drained()
    assert intake.reasons() == []


def test_results_in_the_same_bucket_start_nothing(tmp_path: Path, aws: Aws) -> None:
    backend = CloudBackend(tmp_path, aws, EventRules(aws.bucket, "", lambda source: JobRequest(source=source)))
    configuration = {"QueueConfigurations": [{"QueueArn": aws.arn(backend.queue), "Events": ["s3:ObjectCreated:*"]}]}
    aws.s3.put_bucket_notification_configuration(Bucket=aws.bucket, NotificationConfiguration=configuration)
    aws.s3.put_object(Bucket=aws.bucket, Key="talk.mp4", Body=b"sound")
    Worker(backend.store, lambda _: result_set("x"), WorkerOptions(concurrency=1)).run_until_idle()
    assert [(job.source_name, job.state) for job in backend.store.list(JobQuery()).jobs] == [("talk.mp4", "done")]
    backend.close()


def test_repeated_and_reordered_events_are_one_job_with_one_callback(intake: Intake) -> None:
    intake.put("incoming/talk.mp4")
    now = intake.object_now("incoming/talk.mp4")
    versions = [{}, {"versionId": "v1"}, {"sequencer": "9"}, {}, {}]
    for number, fields in enumerate(versions * 2):
        if number == 5:
            intake.store.submit(intake.request(now))
        intake.backend.send(event(intake.bucket, described("incoming/talk.mp4", now.etag, **fields)))
    claims = []
    while (claim := intake.backend.maybe_claim()) is not None:
        claims.append(claim)
        if claim.job.is_final:
            intake.store.callback_tried(claim, delivered=True)
        else:
            intake.store.finish(claim, result_set("one"))
    assert [claim.job.state for claim in claims] == ["running", "done"]
    assert intake.jobs() == {"incoming/talk.mp4": "done"}
    assert intake.is_drained()


def test_an_overwritten_object_is_another_job(intake: Intake) -> None:
    intake.announce_uploads()
    intake.put("incoming/talk.mp4", b"first")
    intake.put("incoming/talk.mp4", b"second")
    read: list[bytes] = []

    def work(attempt: Attempt) -> dict[str, bytes]:
        read.append(intake.backend.media_of(attempt.claim))
        return result_set("x")

    store = intake.backend.another_store()
    first = store.claim("worker")
    assert first is not None
    with pytest.raises(intake.aws.s3.exceptions.ClientError, match=r"PreconditionFailed|412"):
        intake.backend.media_of(first)
    store.fail(first, CorruptMediaError("gone"), retry=False)
    intake.work_off(work)
    assert read == [b"second"]


def test_where_the_bucket_keeps_versions_each_upload_is_read_as_it_was(intake: Intake) -> None:
    intake.aws.s3.put_bucket_versioning(Bucket=intake.bucket, VersioningConfiguration={"Status": "Enabled"})
    intake.announce_uploads()
    intake.put("incoming/talk.mp4", b"first")
    intake.put("incoming/talk.mp4", b"second")
    intake.put("incoming/talk.mp4", b"first")  # the same bytes again: the same job
    read: list[bytes] = []

    def work(attempt: Attempt) -> dict[str, bytes]:
        media = attempt.claim.media
        assert isinstance(media, S3Object)
        answer = intake.aws.s3.get_object(Bucket=media.bucket, Key=media.key, VersionId=media.version_id)
        read.append(answer["Body"].read())
        return result_set("x")

    intake.work_off(work)
    assert sorted(read) == [b"first", b"second"]


def test_two_events_for_one_upload_are_one_job(tmp_path: Path, moto_aws: Aws) -> None:
    """moto announces a multipart upload twice, and encodes the slash."""
    intake = Intake(tmp_path, moto_aws)
    intake.announce_uploads()
    upload = moto_aws.s3.create_multipart_upload(Bucket=intake.bucket, Key=KEY)["UploadId"]
    target = {"Bucket": intake.bucket, "Key": KEY, "UploadId": upload}
    parts = [
        {"PartNumber": n, "ETag": moto_aws.s3.upload_part(**target, PartNumber=n, Body=bytes([n]) * (5 << 20))["ETag"]}
        for n in (1, 2)
    ]
    moto_aws.s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    runs: list[str] = []

    def work(attempt: Attempt) -> dict[str, bytes]:
        runs.append(attempt.claim.job.source_name)
        return result_set("x")

    intake.work_off(work)
    assert runs == [KEY]
    assert intake.jobs() == {KEY: "done"}
    intake.backend.close()


# --- bad messages, bad records, bad recordings ---


def test_one_bad_record_does_not_keep_the_others(intake: Intake) -> None:
    message = event(
        intake.bucket,
        described("incoming/1.mp4"),
        {"key": "incoming/no-etag.mp4", "size": 5},
        described("incoming/%FF%FE.mp4"),
        described("incoming/refused.mp4"),
        described("incoming/2.mp4", size=-1),
        described("incoming/3.mp4"),
    )
    message["Records"] += ["nonsense", {}, None]
    intake.backend.send(message)
    intake.work_off()
    assert intake.jobs() == {"incoming/1.mp4": "done", "incoming/3.mp4": "done"}
    assert intake.is_drained()
    reasons = intake.reasons()
    assert len(reasons) == 7
    assert "invalid_request: Not this one." in reasons


def test_records_that_could_not_be_taken_in_come_again_and_the_others_do_no_harm(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(intake.store, CloudJobStore)
    intake.backend.send(event(intake.bucket, *(described(f"incoming/{name}.mp4") for name in ("1", "2", "3"))))
    submit = intake.store.submit

    def failing(request: JobRequest) -> Job:
        if "2" in request.source.name:
            raise JobStoreError("The network is down.")
        return submit(request)

    monkeypatch.setattr(intake.store, "submit", failing)
    runs: list[str] = []

    def work(attempt: Attempt) -> dict[str, bytes]:
        runs.append(attempt.claim.job.source_name)
        return result_set("x")

    received = intake.store._queue.receive
    monkeypatch.setattr(intake.store._queue, "receive", lambda wait_s, visibility_s: received(wait_s, 1))
    intake.work_off(work)
    monkeypatch.setattr(intake.store, "submit", submit)
    worker = Worker(intake.store, work, WorkerOptions(heartbeat_s=0.05, poll_s=1))
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    for _ in range(200):
        if len(intake.jobs()) == 3 and set(intake.jobs().values()) == {"done"}:
            break
        thread.join(0.1)
    worker.stop()
    thread.join()
    assert sorted(runs) == ["incoming/1.mp4", "incoming/2.mp4", "incoming/3.mp4"]


@pytest.mark.parametrize(
    "body",
    [
        "nonsense",
        "[]",
        "{}",
        "null",
        '{"Records": 5}',
        '{"tenant": 1, "job_id": 2}',
        '{"Type": "Notification", "Message": "{}"}',
    ],
)
def test_messages_that_nobody_understands_are_put_aside(intake: Intake, body: str) -> None:
    intake.backend.send(body)
    assert intake.backend.maybe_claim() is None
    assert intake.is_drained()
    assert len(intake.reasons()) == 1


@pytest.mark.parametrize(
    "note", [JobNote("default", "0" * 64), JobNote("../..", "x"), JobNote("default", "../../x", retry=True)]
)
def test_a_note_on_no_job_is_dropped(intake: Intake, note: JobNote) -> None:
    intake.backend.send(note.as_text())
    assert intake.backend.maybe_claim() is None
    assert intake.is_drained()
    assert intake.reasons() == []


def test_poison_reaches_the_dead_letter_queue_and_can_be_sent_back(intake: Intake) -> None:
    for name in ("poison", "good"):
        intake.put(f"incoming/{name}.mp4")
        intake.store.submit(intake.request(intake.object_now(f"incoming/{name}.mp4")))

    def work(attempt: Attempt) -> dict[str, bytes]:
        if "poison" in attempt.claim.job.source_name:
            raise CorruptMediaError("No sound.")
        return result_set("x")

    intake.work_off(work)
    assert intake.jobs() == {"incoming/poison.mp4": "failed", "incoming/good.mp4": "done"}
    assert intake.is_drained()
    (letter,) = intake.aws.messages(intake.backend.dead_letters)
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "corrupt_media: No sound."
    intake.backend.send(letter["Body"])  # as a redrive does
    intake.work_off()
    assert intake.jobs() == {"incoming/poison.mp4": "done", "incoming/good.mp4": "done"}
    assert intake.reasons() == []


def test_an_upload_that_was_refused_is_taken_in_when_it_is_sent_back(intake: Intake) -> None:
    intake.refuses = "refused"
    intake.backend.send(event(intake.bucket, described("incoming/refused.mp4")))
    intake.work_off()
    assert intake.jobs() == {}
    intake.refuses = "nothing any more"
    (letter,) = intake.aws.messages(intake.backend.dead_letters)
    intake.backend.send(letter["Body"])
    intake.work_off()
    assert intake.jobs() == {"incoming/refused.mp4": "done"}
    assert intake.reasons() == []


def test_a_job_that_fails_again_and_again_reaches_it_too(intake: Intake) -> None:
    job = intake.store.submit(intake.request(s3_object()))
    while intake.store.get("default", job.id).state != "failed":
        claim = intake.backend.claim()
        intake.store.fail(claim, ModelMissingError("No model."), retry=True)
        intake.backend.pass_time(700)
    assert intake.reasons() == ["model_missing: No model."]


def test_a_refusal_to_tell_the_dead_letter_queue_is_made_up_for(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies between failing the job and saying so."""
    assert isinstance(intake.store, CloudJobStore)
    job = intake.store.submit(JobRequest(source=s3_object()))
    claim = intake.backend.claim()
    monkeypatch.setattr(intake.store._queue, "bury", _die)
    with pytest.raises(KeyboardInterrupt):
        intake.store.fail(claim, CorruptMediaError("No sound."), retry=False)
    assert intake.reasons() == []
    intake.backend.send(JobNote("default", job.id).as_text())
    assert intake.backend.maybe_claim(intake.backend.another_store()) is None
    assert intake.reasons() == ["corrupt_media: No sound."]


def _die(*_: object) -> None:
    raise KeyboardInterrupt
