"""What is special about SQLite and a folder."""

import multiprocessing
import sqlite3
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from emoscribe.errors import JobStoreError, MediaLimitError, MediaNotFoundError
from emoscribe.jobs import JobRequest, LeaseOptions, LocalJobStore, Update, Upload, job_files, local_file
from emoscribe.jobs.lease_clock import LeaseClock, system_clock
from tests.job_cases import result_set, s3_request, upload

LEASE = LeaseOptions(lease_s=60)


class Moving:
    """A clock whose two hands are moved apart."""

    def __init__(self) -> None:
        self.monotonic_s = 500.0
        self.wall = datetime(2026, 3, 1, tzinfo=UTC)

    def as_clock(self, boot: str = "boot-1") -> LeaseClock:
        return LeaseClock(boot, lambda: self.monotonic_s, lambda: self.wall)


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
def store(tmp_path: Path, clock: Moving) -> Iterator[LocalJobStore]:
    made = LocalJobStore(tmp_path / "jobs", LEASE, clock.as_clock())
    yield made
    made.close()


# --- time ---


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)])
def test_a_clock_that_jumps_loses_no_lease(store: LocalJobStore, clock: Moving, jump: timedelta) -> None:
    store.submit(s3_request())
    claim = store.claim("worker")
    clock.wall += jump
    assert store.claim("other") is None
    assert claim is not None
    assert store.heartbeat(claim, Update("reading", 0.1))
    clock.monotonic_s += 61
    assert store.claim("other") is not None


@pytest.mark.parametrize("uptime_s", [1.0, 10_000.0])
def test_a_reboot_ends_all_leases_and_waits(tmp_path: Path, clock: Moving, uptime_s: float) -> None:
    before = LocalJobStore(tmp_path / "jobs", LEASE, clock.as_clock("boot-1"))
    before.submit(s3_request())
    assert before.claim("worker") is not None
    before.close()
    clock.monotonic_s = uptime_s
    after = LocalJobStore(tmp_path / "jobs", LEASE, clock.as_clock("boot-2"))
    assert after.claim("worker") is not None
    after.close()


def test_a_reboot_is_noticed_even_where_boots_have_no_name(tmp_path: Path, clock: Moving) -> None:
    clock.monotonic_s = 10_000_000.0
    before = LocalJobStore(tmp_path / "jobs", LEASE, clock.as_clock(""))
    before.submit(s3_request())
    assert before.claim("worker") is not None
    before.close()
    clock.monotonic_s = 30.0
    after = LocalJobStore(tmp_path / "jobs", LEASE, clock.as_clock(""))
    assert after.claim("worker") is not None
    after.close()


def test_the_system_s_clock_is_the_same_in_every_process() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        boot, monotonic_s = pool.apply(_read_clock)
    here = system_clock()
    assert boot == here.boot
    assert 0 <= here.monotonic_s() - monotonic_s < 60


def _read_clock() -> tuple[str, float]:
    clock = system_clock()
    return clock.boot, clock.monotonic_s()


def test_a_waiting_claim_gets_a_job_that_another_process_submits(tmp_path: Path) -> None:
    waiting, submitting = LocalJobStore(tmp_path / "jobs"), LocalJobStore(tmp_path / "jobs")
    claims = []
    thread = Thread(target=lambda: claims.append(waiting.claim("worker", wait_s=30)))
    thread.start()
    job = submitting.submit(s3_request())
    thread.join(timeout=20)
    assert [claim.job.id for claim in claims if claim] == [job.id]
    started_s = time.monotonic()
    assert waiting.claim("worker", wait_s=0.05) is None
    assert time.monotonic() - started_s >= 0.05
    waiting.close()
    submitting.close()


# --- the file and the folder ---


def test_processes_may_open_it_all_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        ids = pool.map(_open_and_submit, [tmp_path / "jobs"] * 9, chunksize=1)
    assert len(set(ids)) == 1


def _open_and_submit(folder: Path) -> str:
    store = LocalJobStore(folder)
    job = store.submit(s3_request())
    store.close()
    return job.id


def test_jobs_are_for_their_owner_s_eyes_only(store: LocalJobStore, tmp_path: Path) -> None:
    job = store.submit(JobRequest(source=upload(store.spool, b"x")))
    for folder in ("spool", "jobs", "trash", f"jobs/{job.id}"):
        assert stat.S_IMODE((tmp_path / "jobs" / folder).stat().st_mode) == 0o700


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    LocalJobStore(tmp_path).close()
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JobStoreError, match="another version"):
        LocalJobStore(tmp_path)


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobStoreError, match="cannot be opened"):
        LocalJobStore(tmp_path / "file")
    (tmp_path / "jobs.sqlite3").write_bytes(b"no database, but long enough to look at" * 100)
    with pytest.raises(JobStoreError, match="cannot be opened"):
        LocalJobStore(tmp_path)


def test_a_failing_transaction_changes_nothing(store: LocalJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.submit(s3_request())
    claim = store.claim("worker")
    assert claim is not None
    monkeypatch.setattr(store._records, "write", _full_disk)
    with pytest.raises(JobStoreError, match="disk is full"):
        store.heartbeat(claim, Update("reading", 0.5))
    monkeypatch.undo()
    assert store.get("default", claim.job.id).progress == 0.0
    assert store.heartbeat(claim, Update("reading", 0.5))


def _full_disk(*_: object, **__: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_sweeping_removes_what_crashes_left(
    store: LocalJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store.submit(JobRequest(source=upload(store.spool, b"x")))
    folder = tmp_path / "jobs"
    for orphan in ("spool/abandoned", "jobs/unknown/media", "trash/rubbish/results/analysis.json"):
        (folder / orphan).parent.mkdir(parents=True, exist_ok=True)
        (folder / orphan).write_text("x")
    store.sweep(retention_s=10**6)
    assert sorted(path.name for path in folder.glob("*/*")) == sorted([kept.id, "abandoned", "unknown"])
    monkeypatch.setattr(job_files, "ORPHAN_AGE_S", -60.0)
    store.sweep(retention_s=10**6)
    assert [path.name for path in folder.glob("*/*")] == [kept.id]


def test_results_outlive_a_database_that_was_lost(
    store: LocalJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.submit(s3_request())
    claim = store.claim("worker")
    assert claim is not None
    store.finish(claim, result_set("x"))
    store.close()
    for path in (tmp_path / "jobs").glob("jobs.sqlite3*"):
        path.unlink()
    monkeypatch.setattr(job_files, "ORPHAN_AGE_S", -60.0)
    again = LocalJobStore(tmp_path / "jobs")
    again.sweep(retention_s=0)
    again.close()
    assert (tmp_path / "jobs/jobs" / claim.job.id / "results/analysis.json").is_file()


def test_results_that_were_published_are_never_worked_on_again(store: LocalJobStore, clock: Moving) -> None:
    """The worker died after publishing, before it could say so."""
    job = store.submit(s3_request(callback_url="https://example.org/"))
    claim = store.claim("worker")
    assert claim is not None
    store._files.stage(job.id, claim.token, result_set("first"))
    store._files.publish(job.id, claim.token)
    clock.monotonic_s += 61
    callback = store.claim("other")
    assert callback is not None
    assert callback.job.state == "done"
    assert store.get("default", job.id).results == tuple(sorted(result_set("first")))


# --- files ---


def test_uploads_are_counted_hashed_and_bounded(store: LocalJobStore) -> None:
    with Upload(store.spool, "C:\\Users\\me\\../talk\x1b.mp4", max_bytes=10) as one:
        one.write(b"12345")
        one.write(b"67890")
        source = one.finish()
    assert (source.name, source.bytes, source.owned) == ("talk\ufffd.mp4", 10, True)
    other = upload(store.spool, b"1234567890")
    assert source.sha256 == other.sha256
    other.path.unlink()
    with pytest.raises(MediaLimitError), Upload(store.spool, "large", max_bytes=10) as large:
        large.write(b"x" * 11)
    with Upload(store.spool, "", max_bytes=10) as cut_off:
        cut_off.write(b"x")
    assert list(store.spool.iterdir()) == [source.path]


def test_a_file_of_the_user_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "ação \udcff.mp4"
    path.write_bytes(b"1234567890")
    source = local_file(path)
    assert (source.name, source.bytes, source.owned) == ("ação \ufffd.mp4", 10, False)
    assert JobRequest(source=source).job_id == JobRequest(source=upload(tmp_path, b"1234567890")).job_id
    with pytest.raises(MediaNotFoundError):
        local_file(tmp_path / "missing")
    with pytest.raises(MediaNotFoundError):
        local_file(tmp_path)
