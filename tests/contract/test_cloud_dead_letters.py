"""Dead letters and lost messages, as an operator meets them: looked at, sent back, announced anew."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emoscribe.cli.app import app
from emoscribe.errors import CorruptMediaError, InvalidRequestError, ModelMissingError
from emoscribe.jobs import CloudJobStore
from tests.contract.cloud_backend import Aws, CloudBackend
from tests.job_cases import result_set


@pytest.fixture
def backend(simulated_aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudBackend]:
    made = CloudBackend(tmp_path, simulated_aws)
    endpoint = simulated_aws.s3.meta.endpoint_url
    settings = {
        "JOBS_BUCKET": simulated_aws.bucket,
        "JOBS_PREFIX": made.prefix,
        "JOBS_QUEUE_URL": made.queue,
        "JOBS_DEAD_LETTER_URL": made.dead_letters,
        "S3_ENDPOINT_URL": endpoint,
        "SQS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"EMOSCRIBE_{name}", value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("COLUMNS", "200")
    yield made
    made.close()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["queue", *arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def fail_two(backend: CloudBackend) -> dict[str, str]:
    """Ids of two failed jobs, by the code of their errors."""
    errors = {"corrupt_media": CorruptMediaError("No sound."), "model_missing": ModelMissingError("No model.")}
    ids = {}
    for code, error in errors.items():
        ids[code] = backend.submit(code.encode()).id
        assert backend.store.fail(backend.claim(), error, retry=False)
    return ids


def test_dead_letters_are_shown_with_their_reasons_and_stay(backend: CloudBackend) -> None:
    ids = fail_two(backend)
    for _ in range(2):
        shown = [json.loads(line) for line in run("dead-letters", "--json").splitlines()]
        assert {one["job_id"]: one["reason"] for one in shown} == {
            ids["corrupt_media"]: "corrupt_media: No sound.",
            ids["model_missing"]: "model_missing: No model.",
        }
    assert ids["corrupt_media"][:12] in run("dead-letters")
    assert json.loads(run("show", "--json"))["dead_letters"] == 2


def test_those_with_one_error_are_tried_again_and_the_others_stay(backend: CloudBackend) -> None:
    ids = fail_two(backend)
    assert run("redrive", "--code", "model_missing") == "1 sent back.\n"
    claim = backend.claim()
    assert claim.job.id == ids["model_missing"]
    assert claim.job.attempts == 1
    assert backend.store.finish(claim, result_set("x"))
    (left,) = [json.loads(line) for line in run("dead-letters", "--json").splitlines()]
    assert left["job_id"] == ids["corrupt_media"]
    assert backend.store.get("default", ids["corrupt_media"]).state == "failed"


def test_jobs_come_back_after_the_queue_was_emptied(backend: CloudBackend) -> None:
    waiting = {backend.submit(b"1").id, backend.submit(b"2").id}
    ended = backend.submit(b"3").id
    backend.store.cancel("default", ended)
    backend.aws.messages(backend.queue)  # takes them all, as a purge does
    assert backend.store.claim("worker") is None
    assert "announced" in run("remind")
    assert {backend.claim().job.id for _ in waiting} == waiting
    assert backend.store.claim("worker") is None


def test_without_a_dead_letter_queue_it_is_said(backend: CloudBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOSCRIBE_JOBS_DEAD_LETTER_URL")
    assert isinstance(backend.store, CloudJobStore)
    assert isinstance(CliRunner().invoke(app, ["queue", "dead-letters"]).exception, InvalidRequestError)
    assert json.loads(run("show", "--json"))["dead_letters"] is None
