"""Models from the Hugging Face hub: only the named files, of one commit."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from emoscribe.errors import ModelSourceError
from emoscribe.model_store.entry import HubSource
from emoscribe.model_store.install import KEPT_NAME, is_disk_full, require_space
from emoscribe.model_store.job import Delivery, Job, Meter, declared, lacks

HUB_FIX: Final = "Check the network and HF_ENDPOINT, or use a local folder or an S3 mirror."


def fetch_from_hub(job: Job, source: HubSource, endpoint_url: str | None) -> Delivery:
    """The named files of one commit: the pinned one, the locked one, or the one `main` is at now."""
    files = source.files or job.entry.files
    revision = job.locked.version if job.locked and source.revision == "main" else source.revision
    try:
        from huggingface_hub import hf_hub_download

        commit, held = _list_repository(source.repo, revision, endpoint_url)
        if missing := [file.name for file in files if file.name not in held]:
            raise lacks(missing)  # noqa: TRY301  # the clauses below are for the hub's errors
        meter = Meter(job.on_bytes, sum(held[file.name].size or 0 for file in files))
        require_space(job.folder, meter.total_bytes)
        kept = job.work / KEPT_NAME  # whole files stay there when the pull is killed, and are not fetched again
        for part in kept.rglob("*.incomplete"):
            part.unlink()
        fetch = partial(hf_hub_download, source.repo, revision=commit, endpoint=endpoint_url, local_dir=kept)
        for file in files:
            meter.finish_file(Path(fetch(file.name, tqdm_class=_progress_bar(meter))))
        for file in files:
            (kept / file.name).rename(job.folder / file.name)
    except ModelSourceError:
        raise
    except Exception as error:  # the hub's HTTP library has its own errors, which do not share a base with OSError
        if is_disk_full(error):
            raise
        raise ModelSourceError(first_line(error), fix=HUB_FIX) from error
    return Delivery(commit, tuple(declared(file, held[file.name].sha256) for file in files))


@dataclass(frozen=True, slots=True)
class _Held:
    """A file in a hub repository."""

    size: int | None
    sha256: str | None  # the hub states it for large files only


def _list_repository(repo: str, revision: str, endpoint_url: str | None) -> tuple[str, dict[str, _Held]]:
    """The commit a revision stands for, and its files."""
    from huggingface_hub import HfApi

    info = HfApi(endpoint=endpoint_url).model_info(repo, revision=revision, files_metadata=True)
    files = {file.rfilename: _Held(file.size, file.lfs.sha256 if file.lfs else None) for file in info.siblings or ()}
    return info.sha or revision, files


def _progress_bar(meter: Meter) -> type[Any]:
    """A bar class for the hub library that draws nothing and tells `meter` the bytes done."""
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
        def __init__(self, *args: object, **options: Any) -> None:
            self._done_bytes = int(options.get("initial") or 0)
            super().__init__(*args, **(options | {"disable": True}))

        def update(self, n: float | None = 1) -> None:
            self._done_bytes += int(n or 0)
            meter(self._done_bytes)

    return Bar


def first_line(error: BaseException) -> str:
    """What kind of error, and the first line of what it says."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"
