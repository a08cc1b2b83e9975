"""What a source is asked for, what it gives, and how it tells of its progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emoscribe.errors import ModelSourceError
from emoscribe.model_store.cache import LockedModel
from emoscribe.model_store.entry import FileSpec, ModelEntry

OnBytes = Callable[[int, int | None], None]  # bytes so far, bytes in all if known


@dataclass(frozen=True, slots=True)
class Job:
    """One model to be fetched: into `folder`, the same for every source tried; `work` is its parent."""

    entry: ModelEntry
    folder: Path
    locked: LockedModel | None
    on_bytes: OnBytes

    @property
    def work(self) -> Path:
        """The work folder of the pull."""
        return self.folder.parent


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was fetched. The hashes in `files` are pinned, or what the source itself says; absent: unknown."""

    version: str | None  # revision, None if the source does not say
    files: tuple[FileSpec, ...]


@dataclass(slots=True)
class Meter:
    """Turns the bytes done of one file into the bytes done of the model."""

    on_bytes: OnBytes
    total_bytes: int  # 0: not known
    before_bytes: int = 0

    def __call__(self, file_bytes: int) -> None:
        """Tell how much of the present file is done."""
        self.on_bytes(self.before_bytes + file_bytes, self.total_bytes or None)

    def finish_file(self, path: Path) -> None:
        """Count a file that is done."""
        self.before_bytes += path.stat().st_size


def declared(file: FileSpec, sha256: str | None) -> FileSpec:
    """The file with the hash its source states, unless the catalogue knows better."""
    return file if file.sha256 else FileSpec(name=file.name, bytes=file.bytes, sha256=sha256)


def lacks(names: Sequence[str]) -> ModelSourceError:
    """The error of a place that does not have all files."""
    return ModelSourceError(f"it lacks {', '.join(names)}")
