"""Disks that are full, and answers of S3 and SQS that break off."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emoscribe.errors import JobStoreError
from emoscribe.jobs import Attempt, Claim, LeaseOptions, LocalJobStore, Update, Worker, WorkerOptions
from emoscribe.jobs.aws import AwsOptions, make_client
from emoscribe.jobs.job_queue import JobQueue
from emoscribe.jobs.s3_objects import S3Objects
from emoscribe.pipeline import SegmentReady
from tests.job_cases import result_set, s3_request, segment

# --- a full disk ---


class FullDisk:
    """A folder in which nothing more can be written, by a limit on the size of files of this process."""

    @staticmethod
    @contextmanager
    def now() -> Iterator[None]:
        import resource
        import signal

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing raises OSError instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalJobStore]:
    made = LocalJobStore(tmp_path, LeaseOptions(lease_s=300))
    yield made
    made.close()


def claim_of(store: LocalJobStore) -> Claim:
    store.submit(s3_request("talk.mp4"))
    claim = store.claim("worker")
    assert claim is not None
    return claim


def test_a_full_disk_is_an_error_of_the_store_and_leaves_nothing_half(store: LocalJobStore) -> None:
    claim = claim_of(store)
    assert store.heartbeat(claim, Update("emotion", 0.1, (segment(0),)))
    with FullDisk.now():
        with pytest.raises(JobStoreError):
            store.heartbeat(claim, Update("emotion", 0.2, (segment(1),)))
        with pytest.raises(JobStoreError):
            store.finish(claim, result_set("x"))
    assert store.heartbeat(claim, Update("emotion", 0.3, (segment(1),)))
    assert store.read_segments("default", claim.job.id) == (segment(0), segment(1))
    assert store.finish(claim, result_set("x"))


class FailingOnce(LocalJobStore):
    """Its heartbeat fails once in a way that nobody foresaw."""

    failures = 1
    beats = 0

    def heartbeat(self, claim: Claim, update: Update) -> bool:
        """See `LocalJobStore`."""
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.beats += 1
        return super().heartbeat(claim, update)


def test_the_lease_is_kept_after_an_error_nobody_foresaw(tmp_path: Path) -> None:
    store = FailingOnce(tmp_path, LeaseOptions(lease_s=300))
    job = store.submit(s3_request("talk.mp4"))

    def work(attempt: Attempt) -> dict[str, bytes]:
        attempt.report(SegmentReady(segment(0)))
        give_up_s = time.monotonic() + 20
        while not store.read_segments("default", job.id) and time.monotonic() < give_up_s:
            time.sleep(0.01)
        assert store.read_segments("default", job.id) == (segment(0),)  # taken along by a later heartbeat
        return result_set("x")

    Worker(store, work, WorkerOptions(concurrency=1, heartbeat_s=0.02)).run_until_idle()
    assert store.failures == 0
    assert store.beats > 0
    assert store.get("default", job.id).state == "done"
    store.close()


# --- answers that break off ---

CONTENT = b"x" * 100_000
LISTING = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    b"<IsTruncated>false</IsTruncated><Contents><Key>a</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    b"</Contents></ListBucketResult>"
)
COUNTS = b'{"Attributes": {"ApproximateNumberOfMessages": "3"}}'


class BreakingServer(ThreadingHTTPServer):
    """Breaks each answer off in its middle, the first times it is asked."""

    def __init__(self, times: int) -> None:
        self.breaks_left = times
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def breaks_now(self) -> bool:
        with self.lock:
            self.breaks_left -= 1
            return self.breaks_left >= 0


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(LISTING if "list-type=2" in self.path else CONTENT)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(COUNTS)

    def _answer(self, body: bytes) -> None:
        assert isinstance(self.server, BreakingServer)
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks_now():
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Quietly."""


@contextmanager
def breaking(times: int) -> Iterator[tuple[S3Objects, JobQueue]]:
    """A bucket and a queue behind a server that breaks off so many answers."""
    with BreakingServer(times) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        s3, sqs = (make_client(name, AwsOptions(server.url, "us-east-1", "test", "test")) for name in ("s3", "sqs"))
        yield S3Objects(s3, "bucket"), JobQueue(sqs, f"{server.url}/queue", None)
        server.shutdown()
        thread.join()


def test_what_breaks_off_is_asked_for_again() -> None:
    with breaking(2) as (objects, _):
        stored = objects.get("key")
        assert stored is not None
        assert stored.content == CONTENT
    with breaking(2) as (objects, _):
        assert [one.key for one in objects.list("prefix/")] == ["a"]
    with breaking(1) as (_, queue):
        with pytest.raises(JobStoreError):  # never "nothing waits"
            queue.waiting()
        assert queue.waiting() == 3


def test_what_always_breaks_off_is_an_error_of_the_store() -> None:
    with breaking(1000) as (objects, queue):
        for ask in (lambda: objects.get("key"), lambda: objects.list("prefix/"), queue.waiting):
            with pytest.raises(JobStoreError):
                ask()
