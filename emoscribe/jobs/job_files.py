"""The folder of the local job store. Nothing a user named becomes part of a path.

spool/<random>                  uploads being received
jobs/<id>/media                 the upload
jobs/<id>/live.<token>.jsonl    segments of the running attempt
jobs/<id>/staged.<token>/       results being written; renamed to
jobs/<id>/results/              all results, whole
trash/<random>                  taken out of its place in one step, to be removed from the disk
"""

import errno
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from emoscribe.jobs.model import ANALYSIS_FILE
from emoscribe.types import Segment

ORPHAN_AGE_S: Final = 24 * 3600.0  # an upload or folder that belongs to no job is left alone this long


class JobFiles:
    """Files of jobs; knows nothing of their states."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self._jobs = folder / "jobs"
        self._trash = folder / "trash"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (self.spool, self._jobs, self._trash):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)

    def media(self, job_id: str) -> Path:
        """Where the upload of a job lies."""
        return self._jobs / job_id / "media"

    def create(self, job_id: str, upload: Path | None) -> None:
        """Make the job's folder anew; the upload moves into it."""
        self.erase(job_id)
        (self._jobs / job_id).mkdir(mode=0o700)
        if upload is not None:
            shutil.move(upload, self.media(job_id))

    # --- segments of a running job ---

    def append_segments(self, job_id: str, token: str, segments: Sequence[Segment]) -> None:
        """Raises FileNotFoundError if the job is gone."""
        lines = "".join(f"{segment.model_dump_json()}\n" for segment in segments).encode()
        with (self._jobs / job_id / f"live.{token}.jsonl").open("ab", buffering=0) as file:
            before = file.tell()
            try:
                is_whole = file.write(lines) == len(lines)
            except OSError:
                is_whole = False
            if not is_whole:  # the disk is full: what comes later must not stand behind half a line
                file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def read_segments(self, job_id: str, token: str, first: int) -> tuple[Segment, ...]:
        """Segments from index `first` on; a line that is still being written is left for the next time."""
        try:
            content = (self._jobs / job_id / f"live.{token}.jsonl").read_bytes()
        except FileNotFoundError:
            return ()
        whole = content.split(b"\n")[:-1]
        return tuple(Segment.model_validate_json(line) for line in whole[first:])

    # --- results ---

    def stage(self, job_id: str, token: str, results: Mapping[str, bytes]) -> None:
        """Write the results where nobody looks, down to the disk. Raises FileNotFoundError if the job is gone."""
        folder = self._jobs / job_id / f"staged.{token}"
        self._discard(folder)  # of an earlier try
        folder.mkdir(mode=0o700)
        for name in sorted(results, key=lambda name: name == ANALYSIS_FILE):
            _write_durably(folder / name, results[name])
        _sync_folder(folder)

    def unstage(self, job_id: str, token: str) -> None:
        """Drop staged results that may not be published."""
        self._discard(self._jobs / job_id / f"staged.{token}")

    def publish(self, job_id: str, token: str) -> None:
        """The staged results become the results, in one step."""
        folder = self._jobs / job_id
        (folder / f"staged.{token}").rename(folder / "results")
        _sync_folder(folder)

    def result_names(self, job_id: str) -> tuple[str, ...]:
        """Names of the published results; empty if there are none."""
        folder = self._jobs / job_id / "results"
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()

    def read_result(self, job_id: str, name: str) -> bytes:
        """`name` must be one of `result_names`."""
        return (self._jobs / job_id / "results" / name).read_bytes()

    # --- erasing ---

    def tidy(self, job_id: str, *, keep_results: bool = True) -> None:
        """Remove what attempts left, and the results too if they are not to be kept."""
        folder = self._jobs / job_id
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.name.startswith(("live.", "staged.")) or (path.name == "results" and not keep_results):
                self._discard(path)

    def erase(self, job_id: str) -> None:
        """Remove everything of a job."""
        self._discard(self._jobs / job_id)

    def _discard(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.rename(self._trash / uuid4().hex)

    def empty_trash(self) -> None:
        """Remove from the disk what was taken out of its place; may take a while, so not inside a transaction."""
        for path in self._trash.iterdir():
            _remove(path)

    def sweep(self, known: Iterable[str]) -> None:
        """Remove what crashes left: uploads that were never submitted, folders of no job."""
        known = set(known)
        orphans = [path for path in _older_than(self._jobs, ORPHAN_AGE_S) if path.name not in known]
        for path in [*_older_than(self.spool, ORPHAN_AGE_S), *orphans]:
            _remove(path)


def _older_than(folder: Path, age_s: float) -> Iterator[Path]:
    limit = time.time() - age_s
    return (path for path in folder.iterdir() if path.stat().st_mtime < limit)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # two sweeps may meet
    else:
        path.unlink(missing_ok=True)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
