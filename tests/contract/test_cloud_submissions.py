"""Recordings in S3 become requests: by their address, and by the event that tells of their upload."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from emoscribe.errors import InvalidRequestError, MediaLimitError, MediaNotFoundError, SourceUnreachableError
from emoscribe.job_setup import Asked, Submissions, make_worker, open_store
from emoscribe.jobs import CloudJobStore, Job, JobOptions, JobQuery, JobStore, LocalFile, S3Object, Upload
from emoscribe.report import read_analysis
from emoscribe.settings import Settings, load_settings
from emoscribe.stages import Stages
from tests.conftest import ROOT
from tests.contract.cloud_backend import Aws
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.servers import ACCESS_KEY, SECRET_KEY

CLIP = ROOT / "tests/data/speech/pt-1.ogg"
KEY = "incoming/meu vídeo+1 (á) 100%/日本 🎬?x=1#y.ogg"
ASKED = Asked(JobOptions(language="pt"), "default")


@dataclass(frozen=True)
class Cloud:
    """The settings of a service in the cloud, and its store opened from them alone."""

    aws: Aws
    settings: Settings
    store: JobStore
    videos: str  # a bucket

    def put(self, key: str, content: bytes = b"sound") -> str:
        self.aws.s3.put_object(Bucket=self.videos, Key=key, Body=content)
        return f"s3://{self.videos}/{key}"

    def submissions(self, **changes: Any) -> Submissions:
        return Submissions(self.settings.model_copy(update=changes), self.store)


@pytest.fixture(params=["ministack", "seaweedfs"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    aws: Aws = request.getfixturevalue("simulated_aws" if request.param == "ministack" else "real_s3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    videos, queue = f"videos-{uuid4().hex[:12]}", aws.new_queue("jobs")
    aws.s3.create_bucket(Bucket=videos)
    settings = load_settings(
        jobs_dir=tmp_path / "jobs",
        jobs_bucket=aws.bucket,
        jobs_prefix=uuid4().hex,
        jobs_queue_url=queue,
        s3_endpoint_url=aws.s3.meta.endpoint_url,
        sqs_endpoint_url=aws.sqs.meta.endpoint_url,
        aws_region="us-east-1",
        s3_sources=(f"s3://{videos}/incoming/",),
        s3_uploads=f"s3://{videos}/incoming/",
        s3_upload_formats=("srt",),
    )
    yield Cloud(aws, settings, open_store(settings), videos)
    aws.sqs.delete_queue(QueueUrl=queue)


def test_an_object_is_submitted_as_it_is_now(cloud: Cloud) -> None:
    address = cloud.put(KEY, CLIP.read_bytes())
    submissions = cloud.submissions()
    request = submissions.from_s3(address, ASKED)
    assert isinstance(request.source, S3Object)
    assert (request.source.bucket, request.source.key) == (cloud.videos, KEY)
    assert (request.source.bytes, request.source.name) == (CLIP.stat().st_size, KEY)
    assert request.job_id == submissions.from_s3(address, ASKED).job_id
    cloud.put(KEY, b"other bytes")
    assert request.job_id != submissions.from_s3(address, ASKED).job_id
    submissions.close()


def test_an_upload_and_its_address_are_the_same_job_which_a_worker_does(cloud: Cloud) -> None:
    assert isinstance(cloud.store, CloudJobStore)
    arn = cloud.aws.arn(str(cloud.settings.jobs_queue_url))
    notify = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    is_simulated = cloud.aws.s3.meta.endpoint_url == cloud.aws.sqs.meta.endpoint_url
    address = f"s3://{cloud.videos}/{KEY}"
    if is_simulated:  # the other server knows nothing of our queue
        cloud.aws.s3.put_bucket_notification_configuration(Bucket=cloud.videos, NotificationConfiguration=notify)
    cloud.put(KEY, CLIP.read_bytes())
    submissions = cloud.submissions()
    asked = Asked(JobOptions(formats=("srt",)), "default")
    if not is_simulated:
        cloud.store.submit(submissions.from_s3(address, asked))
    stages = Stages(FakeTranscriber(saying("Que alegria happiness.")), FakeTranslator(), FakeClassifier())
    make_worker(cloud.settings, cloud.store, stages).run_until_idle()
    job = cloud.store.submit(submissions.from_s3(address, asked))
    assert (job.state, job.source_name, job.results) == ("done", KEY, ("analysis.json", "analysis.srt"))
    analysis = read_analysis(cloud.store.read_result("default", job.id, "analysis.json"))
    assert analysis.segments[0].emotion is not None
    assert analysis.segments[0].emotion.label == "happiness"
    assert len(cloud.store.list(JobQuery()).jobs) == 1


def test_only_what_the_operator_allowed_is_looked_at(cloud: Cloud) -> None:
    submissions = cloud.submissions()
    for key in ("outside/talk.mp4", "incoming.mp4", "incoming2/talk.mp4"):
        with pytest.raises(InvalidRequestError, match="may not be read"):
            submissions.from_s3(cloud.put(key), ASKED)
    operator = Submissions(cloud.settings, cloud.store, any_object=True)
    assert operator.from_s3(cloud.put("outside/talk.mp4"), ASKED).source.bytes == 5


def test_nobody_gets_at_the_files_of_the_service_itself(cloud: Cloud) -> None:
    """Uploads and results of other tenants lie there."""
    bucket, prefix = cloud.settings.jobs_bucket, f"{cloud.settings.jobs_prefix}/"
    cloud.aws.s3.put_object(Bucket=bucket, Key=f"{prefix}files/other/secret", Body=b"x")
    for submissions in (
        cloud.submissions(s3_sources=(f"s3://{bucket}/",)),
        Submissions(cloud.settings, cloud.store, any_object=True),
    ):
        with pytest.raises(InvalidRequestError, match="may not be read"):
            submissions.from_s3(f"s3://{bucket}/{prefix}files/other/secret", ASKED)


def test_what_is_not_there_or_too_large_is_told(cloud: Cloud) -> None:
    with pytest.raises(MediaNotFoundError):
        cloud.submissions().from_s3(f"s3://{cloud.videos}/incoming/nothing.mp4", ASKED)
    with pytest.raises(MediaLimitError):
        cloud.submissions(max_source_bytes=4).from_s3(cloud.put("incoming/talk.mp4"), ASKED)


def test_s3_that_does_not_answer_is_no_missing_recording(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emoscribe.jobs.aws.CONNECT_TIMEOUT_S", 0.2)
    submissions = cloud.submissions(s3_endpoint_url="http://127.0.0.1:1")
    with pytest.raises(SourceUnreachableError):
        submissions.from_s3(f"s3://{cloud.videos}/incoming/talk.mp4", ASKED)


def test_an_upload_to_the_service_goes_through_a_private_folder(cloud: Cloud) -> None:
    submissions = cloud.submissions()
    with Upload(submissions.spool, "../talk.ogg", 10**6) as upload:
        upload.write(CLIP.read_bytes())
        received = upload.finish()
    assert received.path.parent == submissions.spool
    assert submissions.spool.stat().st_mode & 0o077 == 0
    job = cloud.store.submit(submissions.from_upload(received, ASKED))
    assert isinstance(received, LocalFile)
    assert (job.source_name, list(submissions.spool.iterdir())) == ("talk.ogg", [])
    assert _media(cloud, job) == CLIP.read_bytes()
    submissions.close()
    assert not submissions.spool.exists()


def _media(cloud: Cloud, job: Job) -> bytes:
    claim = cloud.store.claim("worker", wait_s=5)
    assert claim is not None
    assert claim.job.id == job.id
    assert isinstance(claim.media, S3Object)
    content: bytes = cloud.aws.s3.get_object(Bucket=claim.media.bucket, Key=claim.media.key)["Body"].read()
    return content
