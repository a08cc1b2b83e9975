"""`emoscribe batch` over real S3 and SQS servers, with a worker elsewhere."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from emoscribe.backlog import find_recordings
from emoscribe.cli.app import app
from emoscribe.errors import MediaNotFoundError
from emoscribe.job_setup import make_worker, open_store
from emoscribe.jobs import JobOptions, JobQuery
from emoscribe.settings import Settings, load_settings
from emoscribe.stages import Stages
from tests.conftest import ROOT
from tests.contract.cloud_backend import Aws
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.servers import ACCESS_KEY, SECRET_KEY

CLIPS = ROOT / "tests/data/speech"
MANY = 1050  # more than a page of keys


class Batch:
    """The command, with the environment of a service in the cloud."""

    def __init__(self, aws: Aws, environment: pytest.MonkeyPatch, folder: Path) -> None:
        self.aws = aws
        self.bucket = f"videos-{uuid4().hex[:12]}"
        aws.s3.create_bucket(Bucket=self.bucket)
        self.queue = aws.new_queue("jobs")
        values = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "EMOSCRIBE_JOBS_DIR": str(folder / "jobs"),
            "EMOSCRIBE_JOBS_BUCKET": aws.bucket,
            "EMOSCRIBE_JOBS_PREFIX": uuid4().hex,
            "EMOSCRIBE_JOBS_QUEUE_URL": self.queue,
            "EMOSCRIBE_S3_ENDPOINT_URL": aws.s3.meta.endpoint_url,
            "EMOSCRIBE_SQS_ENDPOINT_URL": aws.sqs.meta.endpoint_url,
            "EMOSCRIBE_AWS_REGION": "us-east-1",
        }
        for name, value in values.items():
            environment.setenv(name, value)

    @property
    def settings(self) -> Settings:
        return load_settings()

    def put(self, key: str, content: bytes) -> None:
        self.aws.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def run(self, *arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["batch", *arguments])
        assert result.exit_code == code, result.output + repr(result.exception)
        return result.output

    def jobs(self) -> dict[str, str]:
        return {job.source_name: job.state for job in open_store(self.settings).list(JobQuery(limit=200)).jobs}


@pytest.fixture
def batch(real_s3: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    made = Batch(real_s3, monkeypatch, tmp_path)
    yield made
    real_s3.sqs.delete_queue(QueueUrl=made.queue)


def test_a_prefix_is_worked_off_fetched_and_not_submitted_twice(batch: Batch, tmp_path: Path) -> None:
    for key in ("in/a/eins ä.ogg", "in/b/zwei.ogg"):
        batch.put(key, (CLIPS / "pt-1.ogg").read_bytes() + key.encode())
    batch.put("in/broken.mp4", b"no recording")
    batch.put("in/folder/", b"")
    batch.put("in/notes.txt", b"x")
    batch.put("inner/other.ogg", b"x")
    stages = Stages(FakeTranscriber(saying("Que alegria happiness.")), FakeTranslator(), FakeClassifier())
    worker = make_worker(batch.settings, open_store(batch.settings), stages)
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    command = (f"s3://{batch.bucket}/in", "--out", str(tmp_path / "out"), "--formats", "json,srt_en")
    try:
        output = batch.run(*command, code=1)
    finally:
        worker.stop()
        thread.join()
    assert "3 recordings found" in output
    assert "1 .txt files" in output
    assert "1 folders" in output
    assert "this command only watches" in output
    assert "unsupported_media" in output
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert files == {"a/eins ä.json", "a/eins ä.en.srt", "b/zwei.json", "b/zwei.en.srt"}
    document = json.loads((tmp_path / "out/b/zwei.json").read_bytes())
    assert document["source"]["name"] == "in/b/zwei.ogg"
    states = {"in/a/eins ä.ogg": "done", "in/b/zwei.ogg": "done", "in/broken.mp4": "failed"}
    assert batch.jobs() == states
    (tmp_path / "out/b/zwei.json").unlink()
    again = batch.run(*command, code=1)  # nobody works now: nothing needs to be done
    assert "done " not in again.split("Summary")[0]
    assert (tmp_path / "out/b/zwei.json").exists()
    assert batch.jobs() == states


def test_submitting_goes_on_past_recordings_that_cannot_be_read(batch: Batch, tmp_path: Path) -> None:
    batch.put("a.ogg", b"sound")
    manifest = tmp_path / "list.csv"
    rows = [f"s3://{batch.bucket}/gone.ogg", "s3://no/..", f"s3://{batch.bucket}/a.ogg", "missing.mp4"]
    manifest.write_text("\n".join(["source", *rows]), encoding="utf-8")
    output = batch.run(str(manifest), "--no-wait", code=1)
    assert batch.jobs() == {"a.ogg": "queued"}
    for code in ("media_not_found", "invalid_request"):
        assert code in output
    assert "gone.ogg" in output
    assert "The same command without --no-wait follows them" in output


def test_thousands_of_keys_are_found(batch: Batch) -> None:
    for number in range(MANY):
        batch.put(f"many/{number:04}.mp4", b"")
    found = find_recordings(f"s3://{batch.bucket}/many/", JobOptions(), batch.settings)
    assert [one.name for one in found.recordings] == [f"{number:04}.mp4" for number in range(MANY)]
    with pytest.raises(MediaNotFoundError):
        find_recordings(f"s3://{batch.bucket}/none/", JobOptions(), batch.settings)
    with pytest.raises(MediaNotFoundError):
        find_recordings("s3://there-is-no-such-bucket/", JobOptions(), batch.settings)


def test_what_the_service_wrote_is_no_backlog(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSCRIBE_JOBS_BUCKET", batch.bucket)
    monkeypatch.setenv("EMOSCRIBE_JOBS_PREFIX", "/own")
    batch.put("own/results/default/a.ogg/1/analysis.mp4", b"x")
    batch.put("owner/a.ogg", b"x")
    found = find_recordings(f"s3://{batch.bucket}", JobOptions(), batch.settings)
    assert [one.name for one in found.recordings] == ["owner/a.ogg"]
    assert found.skipped == {"files of the service itself": 1}
