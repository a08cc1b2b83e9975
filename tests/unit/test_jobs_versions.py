"""Upgrade and rollback: what another version wrote is read and worked on (docs/operations.md)."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emoscribe.jobs import JobRequest, LocalJobStore, Worker, WorkerOptions
from emoscribe.jobs.cloud_documents import JobDocument
from emoscribe.jobs.record import JobRecord
from tests.job_cases import result_set, upload

OPTIONAL_IN_JOB = ("callback", "error", "results", "progress", "stage", "attempts", "started_at", "finished_at")


def of_a_later_version(record: dict[str, Any]) -> dict[str, Any]:
    """With fields that this version does not know, at every level."""
    job, request = ({**record[name], "later": {"a": 1}} for name in ("job", "request"))
    return {**record, "job": job, "request": request, "later": True}


def of_an_earlier_version(record: dict[str, Any]) -> dict[str, Any]:
    """With those fields only that a job cannot do without."""
    job = {name: value for name, value in record["job"].items() if name not in OPTIONAL_IN_JOB}
    return {"job": {**job, "state": "queued"}, "request": record["request"]}


@pytest.mark.parametrize("as_written_by", [of_a_later_version, of_an_earlier_version])
def test_jobs_of_another_version_are_worked_on(
    tmp_path: Path, as_written_by: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    store = LocalJobStore(tmp_path / "jobs")
    job = store.submit(JobRequest(source=upload(tmp_path, b"x")))
    store.close()
    with closing(sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite3")) as database, database:
        (text,) = database.execute("SELECT record FROM jobs").fetchone()
        changed = as_written_by(json.loads(text))
        assert changed != json.loads(text)
        database.execute("UPDATE jobs SET record = ?", (json.dumps(changed),))
    store = LocalJobStore(tmp_path / "jobs")
    Worker(store, lambda attempt: result_set("x"), WorkerOptions(concurrency=1)).run_until_idle()
    assert store.get("default", job.id).state == "done"
    assert store.read_result("default", job.id, "analysis.json") == result_set("x")["analysis.json"]
    store.close()


@pytest.mark.parametrize("as_written_by", [of_a_later_version, of_an_earlier_version])
def test_documents_in_the_bucket_are_read_too(
    tmp_path: Path, as_written_by: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    store = LocalJobStore(tmp_path / "jobs")
    job = store.submit(JobRequest(source=upload(tmp_path, b"x")))
    store.close()
    record = JobRecord(job=job, request=JobRequest(source=upload(tmp_path, b"x")))
    written = {**JobDocument(record=record).model_dump(mode="json"), "later": 1}
    written["record"] = as_written_by(written["record"])
    assert JobDocument.model_validate_json(json.dumps(written)).record.job.id == job.id
