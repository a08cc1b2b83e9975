"""What the contract tests need from an implementation besides the contract: time that passes, and a look inside."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from emoscribe.jobs import Claim, Job, JobRequest, JobStore, LeaseOptions, LocalJobStore, S3Object
from emoscribe.jobs.lease_clock import LeaseClock
from tests.job_cases import upload

LEASE = LeaseOptions(lease_s=60, max_attempts=3, max_losses=4)


class Backend(ABC):
    """One implementation, empty at the start."""

    def __init__(self, folder: Path) -> None:
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.store: JobStore = self.another_store()

    def submit(self, content: bytes = b"a recording", name: str = "talk.mp4", **fields: object) -> Job:
        """A job for an upload with this content."""
        return self.store.submit(self.request(content, name, **fields))

    def request(self, content: bytes = b"a recording", name: str = "talk.mp4", **fields: object) -> JobRequest:
        return JobRequest.model_validate({"source": upload(self.inbox, content, name), **fields})

    def claim(self, store: JobStore | None = None) -> Claim:
        """The next claim; there must be one."""
        claim = self.maybe_claim(store)
        assert claim is not None, "no job is due"
        return claim

    def maybe_claim(self, store: JobStore | None = None) -> Claim | None:
        return (store or self.store).claim("worker")

    @abstractmethod
    def another_store(self) -> JobStore:
        """A store on the same jobs, as another process would have it."""

    @abstractmethod
    def pass_time(self, seconds: float) -> None:
        """Leases and waits run out; nothing else happens."""

    def media_of(self, claim: Claim) -> bytes:
        """The recording as the worker reads it."""
        return self.read_media(claim.media)

    @abstractmethod
    def read_media(self, media: Path | S3Object) -> bytes:
        """A recording."""

    @abstractmethod
    def traces_of(self, text: bytes) -> list[str]:
        """Every place where the text is still to be found."""

    @abstractmethod
    def leftovers(self) -> list[str]:
        """Temporary things: uploads, half results, live segments."""

    @abstractmethod
    def close(self) -> None:
        """End what was started."""


MakeBackend = Callable[[Path], Backend]


class LocalBackend(Backend):
    """SQLite and a folder, with a clock that can be moved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "jobs"
        self.monotonic_s = 1000.0
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)
        self.boot = "boot-1"
        self._stores: list[LocalJobStore] = []
        super().__init__(folder)

    def another_store(self) -> JobStore:
        store = LocalJobStore(self.folder, LEASE, LeaseClock(self.boot, lambda: self.monotonic_s, lambda: self.wall))
        self._stores.append(store)
        return store

    def pass_time(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.wall += timedelta(seconds=seconds)

    def read_media(self, media: Path | S3Object) -> bytes:
        assert isinstance(media, Path)
        return media.read_bytes()

    def traces_of(self, text: bytes) -> list[str]:
        return [str(path) for path in self.folder.rglob("*") if path.is_file() and text in path.read_bytes()]

    def leftovers(self) -> list[str]:
        kept = ("jobs.sqlite3", "media", "results")
        parts = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return [str(part) for part in parts if not any(piece.startswith(kept) for piece in part.parts[-2:])]

    def close(self) -> None:
        for store in self._stores:
            store.close()
