"""How a model gets into the cache: one pull at a time, checked, and by one rename.

    <models_dir>/.pull/<name>/        the work folder of a pull, or what a killed one left
    <models_dir>/.pull/<name>.lock    held by the process that pulls

A model's folder appears whole, flushed to disk and verified, or not at all. Knows nothing of sources.
"""

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from emoscribe.errors import ModelIntegrityError
from emoscribe.model_store.cache import (
    LOCK_NAME,
    RECORD_NAME,
    FileRecord,
    Lock,
    LockedModel,
    ModelRecord,
    flush,
    read_lock,
    record_files,
    write_json,
)
from emoscribe.model_store.entry import FileSpec, ModelEntry

WORK_NAME: Final = ".pull"
KEPT_NAME: Final = "kept"


@contextmanager
def pulling(models_dir: Path, name: str, on_wait: Callable[[], None]) -> Iterator[Path]:
    """A work folder for pulling `name`, ours alone among all processes until the block ends.

    `on_wait` is called when another pull has to be waited for. Of what a dead or failed pull left, only the sub-folder
    KEPT_NAME is not removed: downloads that were finished, for the next pull.
    """
    from filelock import FileLock, Timeout

    work = models_dir / WORK_NAME / name
    work.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work.with_name(f"{name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        _clear(work)
        work.mkdir(exist_ok=True)
        yield work
        shutil.rmtree(work)
    except BaseException:
        _clear(work)
        raise
    finally:
        lock.release()


def install(entry: ModelEntry, staged: Path, record: ModelRecord, models_dir: Path) -> None:
    """Make the verified files in `staged` the model: flushed, then renamed into place. Locks an unpinned model."""
    for file in record.files:
        flush(staged / file.name)
    write_json(staged / RECORD_NAME, record)
    if not entry.is_pinned:
        _lock_model(models_dir, record)
    target = models_dir / entry.name
    if target.exists():  # it was missing files or damaged: nobody can be using it
        target.rename(staged.with_name("replaced"))
    staged.rename(target)
    flush(models_dir)


def checked_files(folder: Path, files: Sequence[FileSpec], locked: LockedModel | None) -> tuple[FileRecord, ...]:
    """Pulled files, hashed. Raises ModelIntegrityError if they are not the pinned, declared or locked ones."""
    if locked and set(locked.files) != {file.name for file in files}:
        raise ModelIntegrityError(f"{LOCK_NAME} names other files")
    for file in files:
        refuse_pickle(folder / file.name)
    records = record_files(folder, [file.name for file in files])
    for file, record in zip(files, records, strict=True):
        expected = {"expected": file.sha256, "locked": locked.files[file.name] if locked else None}
        for kind, sha256 in expected.items():
            if sha256 not in {None, record.sha256}:
                found, wanted = record.sha256[:12], str(sha256)[:12]
                raise ModelIntegrityError(f"{file.name} has SHA-256 {found}…, {kind} is {wanted}…")
    return records


def refuse_pickle(path: Path) -> None:
    """Raise ModelIntegrityError for a pickle or a PyTorch archive, whatever the file is called."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}):
        raise ModelIntegrityError(f"{path.name} is a pickle: models must not be able to run code")


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise OSError (ENOSPC) if the disk of `folder` has not that much room."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        needed, free = f"{needed_bytes / 1e6:.0f} MB", f"{free_bytes / 1e6:.0f} MB"
        raise OSError(errno.ENOSPC, f"{needed} are needed, {free} are free")


def is_disk_full(error: BaseException) -> bool:
    """Whether the operating system, or `require_space`, said that there is no room."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _lock_model(models_dir: Path, record: ModelRecord) -> None:
    from filelock import FileLock

    with FileLock(models_dir / WORK_NAME / "models.lock"):
        models = read_lock(models_dir)
        if record.model in models:
            return
        models[record.model] = LockedModel(version=record.version, source=record.source, files=record.hashes)
        write_json(models_dir / LOCK_NAME, Lock(models=dict(sorted(models.items()))))


def _clear(work: Path) -> None:
    """Remove what is in a work folder but for finished downloads; and the folder, if that empties it."""
    if not work.is_dir():
        return
    for path in work.iterdir():
        if path.name != KEPT_NAME:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    with suppress(OSError):
        work.rmdir()
