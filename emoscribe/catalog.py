"""Which models there are, where their files lie, and getting them: `emoscribe models list | pull | verify`.

Beside `emoscribe corpora pull`, `pull` is the only thing in the program that downloads. `locate` is what the stages'
loaders need: a folder whose files are the ones the catalogue or the lock file names, or an error that says which
command to run.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from emoscribe.errors import InvalidRequestError, ModelError, ModelIntegrityError, ModelMissingError
from emoscribe.model_store.cache import Inspection, ModelRecord, differences, inspect, record_files
from emoscribe.model_store.entry import (
    Catalog,
    ModelEntry,
    Role,
    default_catalog,
    files_digest,
    hub_encoder,
    is_hub_address,
)
from emoscribe.model_store.pull import OnProgress, Puller, PullProgress, PullResult
from emoscribe.model_store.sources import Sources, bundled_folder
from emoscribe.types import ModelInfo

__all__ = [
    "ModelStatus",
    "PullProgress",
    "PullResult",
    "Sources",
    "forbid_downloads",
    "list_models",
    "locate",
    "model_info",
    "pull",
    "select",
    "verify",
]

OFFLINE_VARIABLES: Final = (
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "ORT_DISABLE_TELEMETRY",  # ONNX Runtime 1.32 tells its maker of every session, on Linux too
)

BUNDLED: Final = "bundled"

State = Literal["ok", "bundled", "missing", "corrupt"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model as it is on this machine."""

    name: str
    role: Role
    title: str
    state: State
    detail: str  # why it is corrupt; "" otherwise
    version: str  # "" while only the first pull can tell
    license: str
    bytes: int | None  # on disk, or to be expected; None if not known before the first pull
    source: str  # what it was pulled from; "" if it is not there
    folder: Path | None
    profiles: tuple[str, ...]
    is_pinned: bool  # hashes in the catalogue; otherwise in models.lock.json after the first pull

    @property
    def is_usable(self) -> bool:
        """Whether `locate` gives its folder."""
        return self.state in {"ok", "bundled"}


def locate(name: str, models_dir: Path, *, catalog: Catalog | None = None) -> Path:
    """The folder of a model's files, quickly checked.

    Raises ModelMissingError, ModelIntegrityError; InvalidRequestError for an unknown name. `name`: also the address of
    an encoder of the hub, `hub:OWNER/NAME@COMMIT`.
    """
    entry, catalog = _entry(name, catalog or default_catalog())
    status = _status(entry, catalog, models_dir)
    if status.folder is None:
        raise _missing(name, catalog)
    if status.state == "corrupt":
        raise _damaged(status)
    return status.folder


def model_info(name: str, models_dir: Path, *, catalog: Catalog | None = None) -> ModelInfo:
    """What an analysis says about a model that `locate` has found. Raises ModelMissingError."""
    entry, catalog = _entry(name, catalog or default_catalog())
    if entry.is_bundled:
        version, digest = entry.version or "", files_digest((file.name, file.sha256 or "") for file in entry.files)
    elif record := inspect(entry, models_dir).record:
        version, digest = record.version, record.digest
    else:
        raise _missing(name, catalog)
    return ModelInfo(role=entry.role, name=name, version=version, sha256=digest, license=entry.license)


def select(selection: Sequence[str], *, catalog: Catalog | None = None) -> list[str]:
    """Model names from names and profiles, each once, in order. Raises InvalidRequestError for an unknown one.

    An encoder of the hub, `hub:OWNER/NAME@COMMIT`, becomes the name under which the cache has it.
    """
    catalog = catalog or default_catalog()
    names: dict[str, None] = {}
    for item in selection:
        if is_hub_address(item):
            names[hub_encoder(item).name] = None
            continue
        if item not in catalog.profiles and item not in catalog.models:
            known = ", ".join([*catalog.profiles, *catalog.models])
            raise InvalidRequestError(f"There is no model or profile {item!r}.", fix=f"Choose from: {known}.")
        names |= dict.fromkeys(catalog.profiles.get(item, (item,)))
    return list(names)


def list_models(
    models_dir: Path, selection: Sequence[str] = (), *, catalog: Catalog | None = None
) -> list[ModelStatus]:
    """The state of the selected models, of all without a selection, by the quick check."""
    return _statuses(models_dir, selection, (catalog or default_catalog()).with_encoders(selection), is_full=False)


def verify(models_dir: Path, selection: Sequence[str] = (), *, catalog: Catalog | None = None) -> list[ModelStatus]:
    """As `list_models`, with every byte hashed."""
    return _statuses(models_dir, selection, (catalog or default_catalog()).with_encoders(selection), is_full=True)


def pull(
    selection: Sequence[str],
    models_dir: Path,
    sources: Sources | None = None,
    on_progress: OnProgress | None = None,
    *,
    catalog: Catalog | None = None,
) -> list[PullResult]:
    """Get models into the cache; those that are there and whole are left alone. A failure does not stop the others.

    Raises InvalidRequestError for an unknown name or profile; every other failure is in its model's result.
    """
    catalog = (catalog or default_catalog()).with_encoders(selection)
    puller = Puller(models_dir, sources or Sources(), on_progress or (lambda _: None))
    results = []
    for name in select(selection, catalog=catalog):
        start = time.perf_counter()
        try:
            result = _pull_one(name, puller, catalog)
        except ModelError as error:
            result = PullResult(name, "failed", error=error)
        results.append(replace(result, seconds=time.perf_counter() - start))
    return results


def _pull_one(name: str, puller: Puller, catalog: Catalog) -> PullResult:
    entry = catalog.models[name]
    if not entry.is_bundled:
        return puller.pull(entry)
    locate(name, puller.models_dir, catalog=catalog)
    return PullResult(name, "bundled")


def forbid_downloads() -> None:
    """Keep libraries from reaching out in this process and its children. For everything but `pull`."""
    os.environ.update(dict.fromkeys(OFFLINE_VARIABLES, "1"))
    if constants := sys.modules.get("huggingface_hub.constants"):
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]  # read once, at import


# --- inside -----------------------------------------------------------------------------------------------------


def _entry(name: str, catalog: Catalog) -> tuple[ModelEntry, Catalog]:
    """And the catalogue that has it."""
    if is_hub_address(name):
        entry = hub_encoder(name)
        return entry, catalog.with_encoders([name])
    if name not in catalog.models:
        raise InvalidRequestError(f"There is no model {name!r}.", fix=f"Choose from: {', '.join(catalog.models)}.")
    return catalog.models[name], catalog


def _missing(name: str, catalog: Catalog) -> ModelMissingError:
    """The error for a model that is not there, with the command that helps."""
    if not is_hub_address(name) and catalog.models[name].is_bundled:
        fix = "Reinstall emoscribe: the files come with it or with the packages it needs."
    else:
        fix = f"Run `emoscribe models pull {(*catalog.profiles_of(name), name)[0]}`."
    return ModelMissingError(f"The model {name} is not on this machine.", fix=fix)


def _damaged(status: ModelStatus) -> ModelIntegrityError:
    pulled = f"Run `emoscribe models pull {status.name}`; if that does not help, see docs/models.md."
    fix = "Reinstall the package that brings it." if status.source == BUNDLED else pulled
    return ModelIntegrityError(f"The model {status.name} is not as it should be: {status.detail}.", fix=fix)


def _statuses(models_dir: Path, selection: Sequence[str], catalog: Catalog, *, is_full: bool) -> list[ModelStatus]:
    names = select(selection, catalog=catalog) or list(catalog.models)
    return [_status(catalog.models[name], catalog, models_dir, is_full=is_full) for name in names]


def _status(entry: ModelEntry, catalog: Catalog, models_dir: Path, *, is_full: bool = False) -> ModelStatus:
    inspection = _inspect_bundled(entry) if entry.is_bundled else inspect(entry, models_dir, is_full=is_full)
    record = inspection.record
    return ModelStatus(
        name=entry.name,
        role=entry.role,
        title=entry.title,
        state=_state(entry, inspection),
        detail="; ".join(inspection.problems),
        version=(record.version if record else entry.version) or "",
        license=entry.license,
        bytes=sum(file.bytes for file in record.files) if record else entry.expected_bytes,
        source=record.source if record else "",
        folder=inspection.folder,
        profiles=catalog.profiles_of(entry.name),
        is_pinned=entry.is_pinned,
    )


def _state(entry: ModelEntry, inspection: Inspection) -> State:
    if inspection.folder is None:
        return "missing"
    if not inspection.is_whole:
        return "corrupt"
    return "bundled" if entry.is_bundled else "ok"


def _inspect_bundled(entry: ModelEntry) -> Inspection:
    """A bundled model has no record: it is small, and hashed every time."""
    folder = bundled_folder(entry)
    if folder is None:
        return Inspection()
    files = record_files(folder, [file.name for file in entry.files if (folder / file.name).is_file()])
    record = ModelRecord(model=entry.name, version=entry.version or "", source=BUNDLED, files=files)
    return Inspection(folder, record, differences(entry, record, None))
