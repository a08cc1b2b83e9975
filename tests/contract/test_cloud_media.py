"""Recordings decoded from a real S3 server, in ranges pinned to one version."""

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from emoscribe.errors import (
    EmoScribeError,
    InvalidRequestError,
    MediaNotFoundError,
    SourceChangedError,
    SourceUnreachableError,
)
from emoscribe.jobs import AnalysisRun, JobOptions, JobRequest, JobStore, S3Object, Worker, WorkerOptions
from emoscribe.jobs.analysis_run import open_from_s3
from emoscribe.jobs.aws import AwsOptions, make_client
from emoscribe.media import DecodeLimits, LocalSource, Source, open_audio
from emoscribe.pipeline import AnalysisOptions
from emoscribe.report import read_analysis
from emoscribe.s3_source import ObjectVersion, S3Source, fetch_range, find_object
from emoscribe.stages import Stages
from emoscribe.types import Samples
from tests.contract.cloud_backend import Aws, CloudBackend
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.job_cases import upload
from tests.video_layouts import LAYOUTS, write_video


def wav(seconds: int, level: int = 0) -> bytes:
    """A constant: silence, but one that can be told from another."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(np.full(seconds * 16_000, level, "<i2").tobytes())
    return file.getvalue()


def decode(source: Source) -> Samples:
    with open_audio(source, limits=DecodeLimits()) as audio:
        return np.concatenate(list(audio))


@pytest.fixture
def folder(real_s3: Aws) -> str:
    """A prefix of the bucket."""
    return uuid4().hex


def put(aws: Aws, key: str, content: bytes) -> ObjectVersion:
    aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=content)
    return find_object(aws.s3, f"s3://{aws.bucket}/{key}")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_video_is_decoded_as_from_a_file_for_few_requests(
    real_s3: Aws, folder: str, tmp_path: Path, layout: str
) -> None:
    path = tmp_path / "video.mp4"
    write_video(path, layout, seconds=24)
    version = put(real_s3, f"{folder}/vídeo {layout}.mp4", path.read_bytes())
    source = S3Source(real_s3.s3, version, "vídeo")
    assert np.array_equal(decode(source), decode(LocalSource(path)))
    assert source.counts.requests <= 25
    share = source.counts.bytes / version.size_bytes
    assert share < 0.1 if layout == "fragmented" else share < 1.05


def test_a_recording_that_is_overwritten_while_it_is_read_is_not_mixed(real_s3: Aws, folder: str) -> None:
    version = put(real_s3, f"{folder}/long.wav", wav(900, level=1))
    heard: list[Samples] = []

    def listen() -> None:
        with open_audio(S3Source(real_s3.s3, version, "long.wav"), limits=DecodeLimits()) as audio:
            for samples in audio:
                heard.append(samples)
                if len(heard) == 1:
                    put(real_s3, version.key, wav(900, level=2))

    with pytest.raises(SourceChangedError, match="overwritten"):
        listen()
    assert {round(float(level) * 32768) for samples in heard for level in np.unique(samples)} == {1}


@pytest.mark.parametrize("change", ["deleted", "overwritten", "shortened"])
def test_another_version_is_not_read(real_s3: Aws, folder: str, change: str) -> None:
    version = put(real_s3, f"{folder}/talk.wav", wav(2))
    if change == "deleted":
        real_s3.s3.delete_object(Bucket=version.bucket, Key=version.key)
    else:
        put(real_s3, version.key, wav(1 if change == "shortened" else 3))
    with pytest.raises(SourceChangedError):
        decode(S3Source(real_s3.s3, version, "talk.wav"))


def test_where_the_bucket_keeps_versions_an_earlier_one_can_be_read(simulated_aws: Aws) -> None:
    bucket = f"versions-{uuid4().hex[:12]}"
    simulated_aws.s3.create_bucket(Bucket=bucket)
    simulated_aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    aws = Aws(simulated_aws.s3, simulated_aws.sqs, bucket)
    first = put(aws, "talk.wav", wav(2, level=1))
    put(aws, "talk.wav", wav(3, level=2))
    samples = decode(S3Source(aws.s3, first, "talk.wav"))
    assert len(samples) == 2 * 16_000
    assert {round(float(level) * 32768) for level in np.unique(samples)} == {1}


def test_objects_are_looked_up_by_their_address(real_s3: Aws, folder: str) -> None:
    key = f"{folder}/a b+c %41 é 日本.wav"
    version = put(real_s3, key, wav(1))
    assert (version.key, version.size_bytes) == (key, len(wav(1)))
    for wrong in (
        "https://example.org/x",
        "s3://",
        f"s3://{real_s3.bucket}",
        f"s3://{real_s3.bucket}/",
        "s3:///key",
        "",
    ):
        with pytest.raises(InvalidRequestError):
            find_object(real_s3.s3, wrong)
    for missing in (f"s3://{real_s3.bucket}/nothing", "s3://no-such-bucket-anywhere/key"):
        with pytest.raises(MediaNotFoundError):
            find_object(real_s3.s3, missing)
    with pytest.raises(EmoScribeError, match="looked up"):
        find_object(real_s3.s3, "s3://NOT a bucket/key")


def test_a_server_that_goes_away_is_to_be_tried_again(real_s3: Aws, folder: str) -> None:
    version = put(real_s3, f"{folder}/talk.wav", wav(1))
    nowhere = make_client("s3", AwsOptions("http://127.0.0.1:9", "us-east-1", "test", "test", tries=1))
    with pytest.raises(SourceUnreachableError) as caught:
        decode(S3Source(nowhere, version, "talk.wav"))
    assert caught.value.http_status >= 500
    wrong = make_client("s3", AwsOptions(real_s3.s3.meta.endpoint_url, "us-east-1", "test", "wrong"))
    with pytest.raises(EmoScribeError, match="SignatureDoesNotMatch"):
        decode(S3Source(wrong, version, "talk.wav"))


class Stuttering:
    """A client whose answers break off, the first `failures` times."""

    def __init__(self, client: Any, failures: int) -> None:
        self.client = client
        self.failures = failures

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_object(**parameters)
        self.failures -= 1
        if self.failures >= 0:
            answer["Body"] = io.BytesIO(answer["Body"].read()[:-1])
        return answer


def test_answers_that_break_off_are_asked_for_again(real_s3: Aws, folder: str) -> None:
    version = put(real_s3, f"{folder}/x", b"0123456789")
    assert fetch_range(Stuttering(real_s3.s3, failures=2), version, 2, 5) == b"23456"
    with pytest.raises(SourceUnreachableError):
        fetch_range(Stuttering(real_s3.s3, failures=3), version, 2, 5)


# --- whole jobs ---


@pytest.fixture
def backend(tmp_path: Path, real_s3: Aws) -> Iterator[CloudBackend]:
    made = CloudBackend(tmp_path, real_s3)
    yield made
    made.close()


def work_off(store: JobStore, aws: Aws) -> None:
    stages = Stages(FakeTranscriber(saying("bom dia")), FakeTranslator(), FakeClassifier())

    def options(chosen: JobOptions) -> AnalysisOptions:
        return AnalysisOptions(language=chosen.language)

    run = AnalysisRun(stages, options, open_from_s3(aws.s3))
    Worker(store, run, WorkerOptions(concurrency=2, heartbeat_s=0.1)).run_until_idle()


def test_uploads_and_objects_become_reports(backend: CloudBackend, real_s3: Aws, folder: str) -> None:
    found = put(real_s3, f"{folder}/incoming/talk.wav", wav(2))
    source = S3Object(bucket=found.bucket, key=found.key, etag=found.etag, bytes=found.size_bytes)
    options = JobOptions(formats=("csv", "html"))
    jobs = [
        backend.store.submit(JobRequest(source=source, options=options)),
        backend.store.submit(JobRequest(source=upload(backend.inbox, wav(3), "minha voz.wav"), options=options)),
        backend.store.submit(JobRequest(source=source.model_copy(update={"etag": "0" * 32}))),
    ]
    work_off(backend.store, real_s3)
    from_object, from_upload, from_old = (backend.store.get("default", job.id) for job in jobs)
    assert (from_object.state, from_upload.state, from_old.state) == ("done", "done", "failed")
    assert from_old.error is not None
    assert from_old.error.code == "source_changed"
    for job, name, duration_ms in ((from_object, found.key, 2000), (from_upload, "minha voz.wav", 3000)):
        assert set(job.results) == {"analysis.json", "analysis.csv", "analysis.html"}
        analysis = read_analysis(backend.store.read_result("default", job.id, "analysis.json"))
        assert (analysis.source.name, analysis.source.duration_ms) == (name, duration_ms)
