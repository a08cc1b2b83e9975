"""Disasters of docs/operations.md: a copy of the bucket takes its place under another name; objects are gone."""

from dataclasses import replace
from pathlib import Path

import pytest

from emoscribe.errors import JobNotFoundError
from emoscribe.jobs import CloudJobStore, JobQuery, JobRequest
from tests.contract.cloud_backend import Aws, CloudBackend
from tests.job_cases import result_set, upload


def test_jobs_results_and_recordings_are_found_in_the_copy(simulated_aws: Aws, tmp_path: Path) -> None:
    backend = CloudBackend(tmp_path, simulated_aws)
    store = backend.store
    done = store.submit(JobRequest(source=upload(tmp_path, b"done")))
    assert store.finish(backend.claim(), result_set("x"))
    waiting = store.submit(JobRequest(source=upload(tmp_path, b"waits")))
    copy = f"{simulated_aws.bucket}-copy"
    _copy_bucket(backend, copy)
    for key in backend.objects():
        simulated_aws.s3.delete_object(Bucket=simulated_aws.bucket, Key=key)

    options = replace(backend.options, bucket=copy, queue_url=simulated_aws.new_queue("new"))
    moved = CloudJobStore(simulated_aws.s3, simulated_aws.sqs, options)
    assert moved.read_result("default", done.id, "analysis.json") == result_set("x")["analysis.json"]
    assert moved.remind() == 1
    claim = moved.claim("worker", wait_s=2)
    assert claim is not None
    assert claim.job.id == waiting.id
    assert not isinstance(claim.media, Path)
    assert claim.media.bucket == copy
    assert backend.read_media(claim.media) == b"waits"
    recording = moved.reviews.recording("default", done.id).media
    assert not isinstance(recording, Path)
    assert backend.read_media(recording) == b"done"
    backend.close()


def test_what_is_left_when_objects_are_gone(simulated_aws: Aws, tmp_path: Path) -> None:
    backend = CloudBackend(tmp_path, simulated_aws)
    store = backend.store
    job = store.submit(JobRequest(source=upload(tmp_path, b"done")))
    results = result_set("x")
    assert store.finish(backend.claim(), results)

    def lose(under: str) -> None:
        for key in backend.objects(under):
            simulated_aws.s3.delete_object(Bucket=simulated_aws.bucket, Key=key)

    lose("results/")
    assert store.read_result("default", job.id, "analysis.json") == results["analysis.json"]
    lose("index/")
    assert store.list(JobQuery()).jobs == ()
    assert store.get("default", job.id).state == "done"
    lose("state/")
    with pytest.raises(JobNotFoundError):
        store.get("default", job.id)
    assert store.submit(JobRequest(source=upload(tmp_path, b"done"))).state == "queued"
    backend.close()


def _copy_bucket(backend: CloudBackend, name: str) -> None:
    s3, bucket = backend.aws.s3, backend.aws.bucket
    s3.create_bucket(Bucket=name)
    for key in backend.objects():
        s3.copy_object(Bucket=name, Key=key, CopySource={"Bucket": bucket, "Key": key})
