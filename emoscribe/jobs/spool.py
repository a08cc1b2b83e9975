"""Receives an upload: block by block to the disk, counted and hashed on the way."""

import fcntl
import hashlib
import os
import shutil
import weakref
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from emoscribe.errors import MediaLimitError
from emoscribe.jobs.model import LocalFile

_LOCK_SUFFIX: Final = ".lock"


class Upload:
    """An upload being received. Leaving the context without `finish` removes what has arrived.

    with Upload(store.spool, "talk.mp4", max_bytes) as upload:
        for block in blocks:
            upload.write(block)
        source = upload.finish()
    """

    def __init__(self, folder: Path, name: str, max_bytes: int) -> None:
        self._name = PurePosixPath(name.replace("\\", "/")).name or "upload"  # what is shown; never a path
        self._max_bytes = max_bytes
        self._path = folder / uuid4().hex
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._is_finished = False

    def __enter__(self) -> Self:
        self._file = self._path.open("xb")
        return self

    def write(self, block: bytes) -> None:
        """Raises MediaLimitError as soon as there is too much."""
        self._bytes += len(block)
        if self._bytes > self._max_bytes:
            raise MediaLimitError(
                f"The upload is larger than {self._max_bytes} bytes.",
                fix="Upload it to S3 and submit its s3:// address, or send only the sound.",
            )
        self._digest.update(block)
        self._file.write(block)

    def finish(self) -> LocalFile:
        """Everything has arrived: on the disk, ready to be submitted."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._is_finished = True
        return LocalFile(
            path=self._path, sha256=self._digest.hexdigest(), bytes=self._bytes, name=self._name, owned=True
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is not None or not self._is_finished:
            self._path.unlink(missing_ok=True)


class PrivateSpool:
    """A folder for uploads of this process alone. It goes with the process: when that ends, or, if it was killed, when
    the next one begins.

    A lock tells the living from the dead: the system drops it when its process ends, however that happens.
    """

    def __init__(self, parent: Path) -> None:
        """Raises OSError."""
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_dead(parent)
        lock, path = _new_lock(parent)
        self.folder = path.with_suffix("")
        self.folder.mkdir(mode=0o700)
        self._finalizer = weakref.finalize(self, _remove_own, lock, path, os.getpid())

    def close(self) -> None:
        """Remove the folder."""
        self._finalizer()


def _new_lock(parent: Path) -> tuple[int, Path]:
    while True:
        path = parent / f"{uuid4().hex}{_LOCK_SUFFIX}"
        lock = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():  # else another process took it for a dead one's before it was locked
            return lock, path
        os.close(lock)


def _remove_own(lock: int, path: Path, pid: int) -> None:
    if os.getpid() != pid:  # a fork of the process that it belongs to
        return
    _remove(path)
    os.close(lock)


def _remove_dead(parent: Path) -> None:
    for path in parent.glob(f"*{_LOCK_SUFFIX}"):
        with suppress(OSError), path.open("rb") as lock:  # it is locked, or gone
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)


def _remove(lock_path: Path) -> None:
    shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
    lock_path.unlink(missing_ok=True)
