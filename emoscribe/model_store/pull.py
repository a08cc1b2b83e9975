"""Pulls one model: asks its sources in turn, checks what arrives, puts it into the cache."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from emoscribe.errors import ModelError, ModelIntegrityError, ModelSourceError
from emoscribe.model_store.cache import LockedModel, ModelRecord, inspect, read_lock
from emoscribe.model_store.entry import ModelEntry, files_digest
from emoscribe.model_store.install import checked_files, install, is_disk_full, pulling
from emoscribe.model_store.job import Job
from emoscribe.model_store.sources import Attempt, Sources, attempts

logger = logging.getLogger(__name__)

MOVE_CACHE: Final = "set EMOSCRIBE_MODELS_DIR to another place"


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far the pull of one model is. `total_bytes` is None where it is not known."""

    model: str
    source: str
    step: Literal["waiting", "downloading", "verifying", "installing"]
    done_bytes: int = 0
    total_bytes: int | None = None


OnProgress = Callable[[PullProgress], None]


@dataclass(frozen=True, slots=True)
class PullResult:
    """What was done about one model."""

    name: str
    action: Literal["pulled", "present", "bundled", "failed"]
    source: str = ""  # what it came from; "" when nothing was pulled
    bytes: int = 0  # pulled
    seconds: float = 0.0
    error: ModelError | None = None  # why it failed


@dataclass(frozen=True, slots=True)
class Puller:
    """Pulls into one cache from one set of sources."""

    models_dir: Path
    sources: Sources
    on_progress: Callable[[PullProgress], None]

    def pull(self, entry: ModelEntry) -> PullResult:
        """Get a model that is not bundled, unless it is there and whole.

        Raises ModelSourceError; ModelIntegrityError when the lock file cannot be read.
        """
        try:
            if inspect(entry, self.models_dir).is_whole:
                return PullResult(entry.name, "present")
            with pulling(self.models_dir, entry.name, lambda: self._tell(entry, "", "waiting")) as work:
                if inspect(entry, self.models_dir).is_whole:  # by the pull that was waited for
                    return PullResult(entry.name, "present")
                record = self._fetch(entry, work / "files")
                self._tell(entry, record.source, "installing")
                install(entry, work / "files", record, self.models_dir)
        except OSError as error:
            raise _cache_error(error) from error
        return PullResult(entry.name, "pulled", record.source, sum(file.bytes for file in record.files))

    def _fetch(self, entry: ModelEntry, folder: Path) -> ModelRecord:
        """The first source that delivers the right files, in `folder`. Raises OSError when the disk is full."""
        locked = None if entry.is_pinned else read_lock(self.models_dir).get(entry.name)
        failures: list[tuple[str, ModelError]] = []
        for attempt in attempts(entry, self.sources):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                return self._try(entry, attempt, folder, locked)
            except ModelError as error:
                failures.append((attempt.label, error))
            except OSError as error:
                if is_disk_full(error):
                    raise
                failures.append((attempt.label, ModelSourceError(f"{error.strerror}: {error.filename}")))
        raise _all_failed(entry, failures)

    def _try(self, entry: ModelEntry, attempt: Attempt, folder: Path, locked: LockedModel | None) -> ModelRecord:
        def on_bytes(done_bytes: int, total_bytes: int | None) -> None:
            self.on_progress(PullProgress(entry.name, attempt.label, "downloading", done_bytes, total_bytes))

        logger.info("pulling %s from %s", entry.name, attempt.label)
        on_bytes(0, None)
        delivery = attempt.fetch(Job(entry, folder, locked, on_bytes))
        self._tell(entry, attempt.label, "verifying")
        files = checked_files(folder, delivery.files, locked)
        version = delivery.version or f"sha256-{files_digest((file.name, file.sha256) for file in files)[:12]}"
        return ModelRecord(model=entry.name, version=version, source=attempt.label, files=files)

    def _tell(self, entry: ModelEntry, source: str, step: Literal["waiting", "verifying", "installing"]) -> None:
        self.on_progress(PullProgress(entry.name, source, step))


def _all_failed(entry: ModelEntry, failures: list[tuple[str, ModelError]]) -> ModelSourceError:
    """One error that names every source and why it failed; its fix is theirs."""
    reasons = "; ".join(f"{label}: {error.message}" for label, error in failures)
    fixes = dict.fromkeys(error.fix for _, error in failures if error.fix)
    damaged = any(isinstance(error, ModelIntegrityError) for _, error in failures)
    fix = " ".join(fixes) or ("Do not use those files; tell whoever runs the source." if damaged else "")
    return ModelSourceError(f"The model {entry.name} could not be pulled. {reasons}.", fix=fix)


def _cache_error(error: OSError) -> ModelSourceError:
    if is_disk_full(error):
        fix = f"Free space, or {MOVE_CACHE}."
        return ModelSourceError(f"The disk of the model cache is full: {error.strerror}.", fix=fix)
    return ModelSourceError(f"The model cache cannot be written: {error.strerror}.", fix=f"Allow it, or {MOVE_CACHE}.")
