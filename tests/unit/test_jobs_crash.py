"""kill -9 at every point of a worker's life: the job ends with one whole result set, and nothing is left behind."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emoscribe.errors import JobNotFoundError
from emoscribe.jobs import ANALYSIS_FILE, JobQuery, JobRequest, LocalJobStore, Worker, WorkerOptions, job_files
from emoscribe.jobs.lease_clock import LeaseClock, system_clock
from tests.conftest import ROOT
from tests.job_cases import result_set, upload
from tests.jobs_crash_child import CONTENT, LEASE, OTHER_CONTENT, work


@pytest.fixture(scope="module")
def killed() -> Iterator[list[Path]]:
    """Folders of workers that were killed, each a step later than the one before. In memory: no power is cut here."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        command = [sys.executable, "-m", "tests.jobs_crash_child", folder]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
        assert run.returncode == 0, run.stderr
        yield [Path(folder) / str(number) for number in range(1, int(run.stdout) + 1)]


def test_every_job_survives_every_death(killed: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_files, "ORPHAN_AGE_S", -60.0)
    assert len(killed) > 50, "the points are not found any more"
    finished_before = sum(check_recovery(folder) for folder in killed)
    assert 0 < finished_before < len(killed)


def check_recovery(folder: Path) -> bool:
    """Whether the job had been finished before the death; a new worker does what is left."""
    later = LeaseClock(system_clock().boot, lambda: time.monotonic() + 10 * LEASE.lease_s)
    store = LocalJobStore(folder / "jobs", LEASE, later)
    try:
        was_published = list(folder.glob(f"jobs/jobs/*/results/{ANALYSIS_FILE}"))
        before = {path: path.read_bytes() for path in was_published}
        job = store.submit(JobRequest(source=upload(store.spool, CONTENT), idempotency_key="key"))
        Worker(store, work, WorkerOptions(concurrency=1, heartbeat_s=0.002)).run_until_idle()
        store.sweep(retention_s=10**6)

        job = store.get("default", job.id)
        assert job.state == "done", folder
        results = {name: store.read_result("default", job.id, name) for name in job.results}
        assert results == result_set(results[ANALYSIS_FILE].decode().split()[-1]), folder
        for path, content in before.items():
            assert not path.exists() or path.read_bytes() == content, f"{folder}: published twice"
        assert_nothing_left(folder, store)
        return job.id in {path.parent.parent.name for path in was_published}
    finally:
        store.close()


def assert_nothing_left(folder: Path, store: LocalJobStore) -> None:
    """Folders belong to jobs, files to results or uploads."""
    jobs = {job.id: job for job in store.list(JobQuery()).jobs}
    assert all(job.state == "done" for job in jobs.values())
    files = [path.relative_to(folder / "jobs") for path in folder.rglob("*") if path.is_file()]
    extra = [
        path for path in files if path.parts[0] != "jobs.sqlite3" and not path.parts[0].startswith("jobs.sqlite3-")
    ]
    for path in extra:
        assert path.parts[0] == "jobs"
        assert path.parts[1] in jobs
        assert path.parts[2] in {"media", "results"}, path


def test_a_deleted_job_does_not_come_back(killed: list[Path]) -> None:
    """The last deaths come after the deletion was on the disk."""
    store = LocalJobStore(killed[-1] / "jobs", LEASE)
    other = JobRequest(source=upload(store.spool, OTHER_CONTENT))
    with pytest.raises(JobNotFoundError):
        store.get("default", other.job_id)
    store.close()
