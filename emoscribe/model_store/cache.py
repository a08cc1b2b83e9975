"""The model cache on disk: what is in it, and whether it is still what was pulled.

    <models_dir>/<name>/              a model's files and its record, emoscribe-model.json
    <models_dir>/models.lock.json     revisions and hashes of the models the catalogue cannot pin
    <models_dir>/.pull/               pulls at work (install.py): never read as a model

Knows nothing of sources, and changes nothing but its own records.
"""

import hashlib
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from emoscribe.errors import ModelIntegrityError
from emoscribe.model_store.entry import FileName, FileSpec, ModelEntry, Sha256, files_digest

RECORD_NAME: Final = "emoscribe-model.json"
LOCK_NAME: Final = "models.lock.json"
SMALL_BYTES: Final = 2**23  # files up to this size are hashed at every start: some 10 ms for a Whisper vocabulary


class FileRecord(BaseModel):
    """A file as it was when its hash was last computed; `mtime_ns` lets later starts trust that."""

    model_config = ConfigDict(frozen=True)

    name: FileName
    bytes: int
    sha256: Sha256
    mtime_ns: int = 0


class ModelRecord(BaseModel):
    """What a model folder holds and where it came from."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    source: str
    files: tuple[FileRecord, ...]

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 by file name."""
        return {file.name: file.sha256 for file in self.files}

    @property
    def digest(self) -> str:
        """SHA-256 over all files."""
        return files_digest(self.hashes.items())


class LockedModel(BaseModel):
    """A model as it was first pulled: every later pull and start is held to this."""

    model_config = ConfigDict(frozen=True)

    version: str
    source: str
    files: dict[FileName, Sha256]


class Lock(BaseModel):
    """The lock file."""

    models: dict[str, LockedModel] = {}


JsonModel = TypeVar("JsonModel", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a look at a model found. No folder: nothing is there. Problems: it is not what was pulled."""

    folder: Path | None = None
    record: ModelRecord | None = None
    problems: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the model is there and as it should be."""
        return self.folder is not None and not self.problems


def hash_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_files(folder: Path, names: Iterable[str]) -> tuple[FileRecord, ...]:
    """The files as they are now, fully hashed. Raises FileNotFoundError."""
    found = []
    for name in names:
        stat = (folder / name).stat()
        sha256 = hash_file(folder / name)
        found.append(FileRecord(name=name, bytes=stat.st_size, sha256=sha256, mtime_ns=stat.st_mtime_ns))
    return tuple(found)


def read_lock(models_dir: Path) -> dict[str, LockedModel]:
    """The lock file; empty when there is none. Raises ModelIntegrityError when it cannot be understood."""
    lock = read_json(models_dir / LOCK_NAME, Lock)
    return lock.models if lock else {}


def inspect(entry: ModelEntry, models_dir: Path, *, is_full: bool = False) -> Inspection:
    """Whether the cached model is the one the catalogue and the lock file name.

    The quick look hashes small files and, of the others, those whose size or time changed since they were hashed
    (a copied cache: hashed once, then the record is brought up to date). `is_full` hashes everything.
    """
    folder = models_dir / entry.name
    if not folder.is_dir():
        return Inspection()
    try:
        locked = None if entry.is_pinned else read_lock(models_dir).get(entry.name)
        stored = read_json(folder / RECORD_NAME, ModelRecord)
    except ModelIntegrityError as error:
        return Inspection(folder, None, (error.message,))
    record = stored or _record_without_history(entry, folder, locked)
    problems = (*differences(entry, record, locked), *_unexpected(folder, record))
    if not problems:
        checked, problems = _check_files(folder, record, is_full=is_full)
        if checked != stored and (stored or not problems):
            with suppress(OSError):  # a read-only cache: the same files are hashed again next time
                write_json(folder / RECORD_NAME, checked)
    return Inspection(folder, record, problems)


def _record_without_history(entry: ModelEntry, folder: Path, locked: LockedModel | None) -> ModelRecord:
    """A record for files somebody put there by hand; they still have to match what the catalogue or the lock names."""
    present = {path.name for path in folder.iterdir() if path.is_file()}
    names = [file.name for file in closest_variant(entry, present) if file.name in present]
    version = (locked.version if locked else entry.version_of(closest_variant(entry, present))) or "unknown"
    return ModelRecord(model=entry.name, version=version, source="copied by hand", files=record_files(folder, names))


def closest_variant(entry: ModelEntry, names: Collection[str]) -> tuple[FileSpec, ...]:
    """The set of files of the model of which the fewest are missing from `names`."""
    return min(entry.variants, key=lambda files: sum(file.name not in names for file in files))


def differences(entry: ModelEntry, record: ModelRecord, locked: LockedModel | None) -> tuple[str, ...]:
    """How the recorded files differ from the pinned or locked ones."""
    if not entry.is_pinned and locked is None:
        return (f"{LOCK_NAME} does not name it",)
    variant = closest_variant(entry, record.hashes)
    problems = []
    for file in variant:
        expected = file.sha256 or (locked.files.get(file.name) if locked else None)
        if file.name not in record.hashes:
            problems.append(f"{file.name} is missing")
        elif record.hashes[file.name] != expected:
            problems.append(f"{file.name} is not the one that {'the catalogue' if file.sha256 else LOCK_NAME} names")
    return tuple(problems)


def _unexpected(folder: Path, record: ModelRecord) -> tuple[str, ...]:
    """Files that nobody pulled: a loader might read them."""
    known = {RECORD_NAME, *record.hashes}
    extra = sorted(path.name for path in folder.iterdir() if path.name not in known and not path.name.startswith("."))
    return tuple(f"{name} does not belong there" for name in extra)


def _check_files(folder: Path, record: ModelRecord, *, is_full: bool) -> tuple[ModelRecord, tuple[str, ...]]:
    """The record with the present times, and what is wrong with the files.

    A file that has changed loses its time: from then on the quick look sees it, too.
    """
    files, problems = [], []
    for known in record.files:
        mtime_ns = 0
        try:
            stat = (folder / known.name).stat()
            is_untouched = (stat.st_size, stat.st_mtime_ns) == (known.bytes, known.mtime_ns)
            must_hash = is_full or not is_untouched or known.bytes <= SMALL_BYTES
            if must_hash and (stat.st_size != known.bytes or hash_file(folder / known.name) != known.sha256):
                problems.append(f"{known.name} has changed")
            else:
                mtime_ns = stat.st_mtime_ns
        except OSError as error:
            problems.append(f"{known.name} cannot be read: {error.strerror}")
        files.append(known.model_copy(update={"mtime_ns": mtime_ns}))
    return record.model_copy(update={"files": tuple(files)}), tuple(problems)


def read_json(path: Path, kind: type[JsonModel]) -> JsonModel | None:
    """A JSON file, None when it is not there. Raises ModelIntegrityError when it does not parse."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        raise ModelIntegrityError(f"{path.name} cannot be read") from error


def write_json(path: Path, content: BaseModel) -> None:
    """Replace a JSON file as a whole, flushed to disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
    flush(temporary)
    temporary.replace(path)


def flush(path: Path) -> None:
    """Have the operating system write a file or folder to the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
