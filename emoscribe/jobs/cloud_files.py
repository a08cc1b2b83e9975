"""Files of jobs in S3: uploads, segments of running jobs, results.

    files/<tenant>/<id>/<life>/media                   the upload
    files/<tenant>/<id>/<life>/live/<token>/<index>    segments of the running attempt
    files/<tenant>/<id>/<life>/decided                 all results in one object: written once, that decides
    results/<tenant>/<source>/<id>/<name>              the results, published from what was decided; analysis.json last

Objects cannot be renamed into place, and two workers may write them at the same time. So they race for one object
that holds all results; publishing copies from the winner's, and whoever does it again writes the same.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from emoscribe.jobs.model import ANALYSIS_FILE, JobRequest, S3Object
from emoscribe.jobs.s3_objects import Listed, S3Objects
from emoscribe.types import Segment

MAX_SOURCE_IN_KEY: Final = 700  # bytes; keys have 1024, documented

_SEGMENTS: Final = TypeAdapter(tuple[Segment, ...])


class CloudFiles:
    """Files of jobs; knows nothing of their states. A `folder` is that of one life of a job."""

    def __init__(self, objects: S3Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix

    def folder(self, tenant: str, job_id: str, life: str) -> str:
        """The prefix of what belongs to a job, but for its results."""
        return f"{self._prefix}files/{tenant}/{job_id}/{life}/"

    def results_place(self, request: JobRequest) -> str:
        """The prefix of the published results."""
        return f"{self._prefix}results/{request.tenant}/{_source_path(request)}{request.job_id}/"

    def erase(self, prefix: str) -> None:
        """Everything there."""
        self._objects.erase(prefix)

    def all_files(self) -> Iterator[tuple[str, str, Listed]]:
        """Job id, folder and object of every file."""
        for listed in self._objects.list_all(f"{self._prefix}files/"):
            _, job_id, life, *_ = listed.key.removeprefix(f"{self._prefix}files/").split("/")
            yield job_id, listed.key.partition(f"/{life}/")[0] + f"/{life}/", listed

    # --- uploads ---

    def upload(self, folder: str, path: Path) -> S3Object:
        """Keep an upload."""
        key = f"{folder}media"
        etag = self._objects.upload(path, key)
        return S3Object(bucket=self._objects.bucket, key=key, etag=etag.strip('"'), bytes=path.stat().st_size)

    def here(self, upload: S3Object | None) -> S3Object | None:
        """The upload in the bucket that is used now: that may be a copy of the one it was written to."""
        return upload.model_copy(update={"bucket": self._objects.bucket}) if upload else None

    # --- segments of a running job ---

    def add_segments(self, folder: str, token: str, segments: Sequence[Segment]) -> None:
        """Keep what an attempt has found."""
        self._objects.put(f"{folder}live/{token}/{segments[0].index:08d}", _SEGMENTS.dump_json(tuple(segments)))

    def read_segments(self, folder: str, token: str, first: int) -> tuple[Segment, ...]:
        """Segments from index `first` on."""
        prefix = f"{folder}live/{token}/"
        starts = [int(one.key.removeprefix(prefix)) for one in self._objects.list_all(prefix)]
        found: list[Segment] = []
        for start, following in zip_longest(starts, starts[1:]):
            if following is not None and following <= first:
                continue
            if stored := self._objects.get(f"{prefix}{start:08d}"):
                found += _SEGMENTS.validate_json(stored.content)
        return tuple(segment for segment in found if segment.index >= first)

    def erase_segments(self, folder: str, token: str = "") -> None:
        """Of one attempt, or of all."""
        self._objects.erase(f"{folder}live/{token}")

    # --- results ---

    def decide(self, folder: str, token: str, results: Mapping[str, bytes]) -> bool:
        """Whether these are the job's results now; False: others are, already."""
        return self._objects.put_if(f"{folder}decided", _pack(results, token), etag=None) is not None

    def decided(self, folder: str) -> dict[str, bytes] | None:
        """The results that were decided on, if any."""
        stored = self._objects.get(f"{folder}decided")
        return None if stored is None else _unpack(stored.content)

    def publish(self, request: JobRequest, results: Mapping[str, bytes]) -> None:
        """Put the results where users find them; the analysis last."""
        place = self.results_place(request)
        for name in sorted(results, key=lambda name: name == ANALYSIS_FILE):
            self._objects.put(place + name, results[name])

    def read_result(self, request: JobRequest, name: str) -> bytes | None:
        """A published result."""
        stored = self._objects.get(self.results_place(request) + name)
        return None if stored is None else stored.content

    def erase_results(self, folder: str, request: JobRequest) -> None:
        """Published and decided ones."""
        self._objects.erase(self.results_place(request))
        self._objects.erase(f"{folder}decided")


def _source_path(request: JobRequest) -> str:
    """So that people find results by the name of the video: the object's key, as far as it can be part of one."""
    source = request.source
    if not isinstance(source, S3Object):
        return "uploads/"
    parts = ["_" if part in {"", ".", ".."} else part for part in source.key.split("/")]
    path = "/".join(parts) + "/"
    return path if len(path.encode()) <= MAX_SOURCE_IN_KEY else "long-names/"


def _pack(results: Mapping[str, bytes], token: str) -> bytes:
    """The same for the same results and token, unlike any other."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = token.encode()
        for name, content in sorted(results.items()):
            archive.writestr(zipfile.ZipInfo(name), content)  # without the time
    return file.getvalue()


def _unpack(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
