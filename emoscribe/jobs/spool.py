"""Receives an upload: block by block to the disk, counted and hashed on the way."""

import hashlib
import os
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self
from uuid import uuid4

from emoscribe.errors import MediaLimitError
from emoscribe.jobs.model import LocalFile


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
