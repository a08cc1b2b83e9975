"""A recording in S3, read in ranges while it is decoded: bounded memory, no copy on disk.

Every read is pinned to the ETag that the recording was submitted with, so all of it is one version. The decoding
process asks this one for ranges (`served_file.py`): it has neither network nor credentials.

How much to fetch at once: FFmpeg reads the sound only, but most files interleave it finely with the picture, and
then skipping saves no bytes and costs a request for each gap. So reading goes on through small gaps in ever larger
fetches, and begins small again after a leap, as over the picture of a coarsely interleaved or fragmented file.
"""

import socket
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from emoscribe.errors import (
    EmoScribeError,
    InvalidRequestError,
    MediaError,
    MediaLimitError,
    MediaNotFoundError,
    SourceChangedError,
    SourceUnreachableError,
)
from emoscribe.media import SourceAccess
from emoscribe.served_file import serve

KIB: Final = 1024
SMALLEST_FETCH_BYTES: Final = 64 * KIB  # after a leap
LARGEST_FETCH_BYTES: Final = 4096 * KIB
LARGEST_GAP_BYTES: Final = 1024 * KIB  # fetching this much takes about as long as asking: 20 to 50 ms, 20 to 50 MB/s
CACHE_BYTES: Final = 16 * 1024 * KIB
NOT_THAT_VERSION: Final = frozenset({"PreconditionFailed", "412", "NoSuchKey", "NoSuchVersion", "404", "InvalidRange"})
FORBIDDEN: Final = frozenset({"AccessDenied", "403", "InvalidObjectState"})
TRIES: Final = 3

Fetch = Callable[[int, int], bytes]  # offset, size -> exactly those bytes


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """Which object, and which bytes of it."""

    bucket: str
    key: str
    etag: str  # without quotes
    size_bytes: int
    version_id: str | None = None


@dataclass(slots=True)
class ReadCounts:
    """What reading has cost so far."""

    requests: int = 0
    bytes: int = 0


class RangeCache:
    """Reads ranges through fetches that fit the way the reader moves; keeps the latest CACHE_BYTES."""

    def __init__(self, fetch: Fetch, size_bytes: int, counts: ReadCounts) -> None:
        self._fetch = fetch
        self._size = size_bytes
        self._counts = counts
        self._starts: list[int] = []  # of what is kept, ascending, not overlapping
        self._kept: dict[int, bytes] = {}  # by start, the latest used last
        self._kept_bytes = 0
        self._fetched_to = size_bytes  # the first read begins small, as after a leap
        self._fetch_bytes = SMALLEST_FETCH_BYTES

    def read(self, offset: int, size: int) -> bytes:
        """Exactly these bytes, which must lie inside the object."""
        parts = []
        while size:
            start = self._find(offset)
            if start is None:
                start = self._load(offset)
            part = self._kept[start][offset - start : offset - start + size]
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def _find(self, offset: int) -> int | None:
        """Start of the kept piece that holds the byte."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return None
        start = self._starts[index]
        if offset >= start + len(self._kept[start]):
            return None
        self._kept[start] = self._kept.pop(start)
        return start

    def _load(self, offset: int) -> int:
        goes_on = 0 <= offset - self._fetched_to <= LARGEST_GAP_BYTES
        self._fetch_bytes = min(self._fetch_bytes * 2, LARGEST_FETCH_BYTES) if goes_on else SMALLEST_FETCH_BYTES
        following = bisect_right(self._starts, offset)
        end = min(offset + self._fetch_bytes, self._size, *self._starts[following : following + 1])
        content = self._fetch(offset, end - offset)
        self._counts.requests += 1
        self._counts.bytes += len(content)
        self._fetched_to = end
        self._starts.insert(following, offset)
        self._kept[offset] = content
        self._kept_bytes += len(content)
        while self._kept_bytes > CACHE_BYTES:
            oldest = next(iter(self._kept))
            self._kept_bytes -= len(self._kept.pop(oldest))
            self._starts.remove(oldest)
        return offset


@dataclass(frozen=True, slots=True)
class S3Source:
    """A `media.Source`. `client`: of boto3, shared by any number of sources."""

    client: Any = field(repr=False)
    version: ObjectVersion
    name: str
    counts: ReadCounts = field(default_factory=ReadCounts)

    @property
    def size_bytes(self) -> int:
        """Known from the start."""
        return self.version.size_bytes

    @contextmanager
    def open(self) -> Iterator[SourceAccess]:
        """Leaving raises SourceChangedError, SourceUnreachableError or MediaError if bytes could not be had."""
        failures: list[EmoScribeError] = []
        cache = RangeCache(partial(fetch_range, self.client, self.version), self.size_bytes, self.counts)

        is_fetching = threading.Event()

        def read_range(offset: int, size: int) -> bytes | None:
            is_fetching.set()
            try:
                return cache.read(offset, size)
            except EmoScribeError as error:
                failures.append(error)
                return None
            finally:
                is_fetching.clear()

        ours, theirs = socket.socketpair()
        with ours, theirs:
            work = (ours, self.size_bytes, read_range)
            threading.Thread(target=serve, args=work, name="s3-source", daemon=True).start()
            options = {"socket": theirs.fileno(), "size_bytes": self.size_bytes}
            try:
                yield SourceAccess("served", options, channel=theirs.fileno())
            except EmoScribeError as error:  # what the decoder made of missing bytes
                if isinstance(error, MediaLimitError) and is_fetching.is_set():
                    raise SourceUnreachableError("S3 took too long to answer.", fix="Try again later.") from None
                raise (failures or [error])[0] from None
            finally:
                with suppress(OSError):  # it has ended by itself
                    ours.shutdown(socket.SHUT_RDWR)
        if failures:
            raise failures[0]


def fetch_range(client: Any, version: ObjectVersion, offset: int, size: int) -> bytes:
    """Exactly these bytes of exactly this version. Raises SourceChangedError, SourceUnreachableError or MediaError."""
    from botocore.exceptions import BotoCoreError, ClientError

    pinned = {"Bucket": version.bucket, "Key": version.key, "IfMatch": f'"{version.etag}"'}
    if version.version_id is not None:
        pinned["VersionId"] = version.version_id
    for _ in range(TRIES):
        try:
            answer = client.get_object(Range=f"bytes={offset}-{offset + size - 1}", **pinned)
            content: bytes = answer["Body"].read()
        except ClientError as error:
            raise _refusal(error, version) from error
        except BotoCoreError:  # the client repeats requests by itself, but not the reading of an answer
            continue
        if len(content) == size:
            return content
    raise SourceUnreachableError("The recording could not be read from S3.", fix="Try again later.")


def find_object(client: Any, address: str) -> ObjectVersion:
    """The object as it is now. `address`: s3://bucket/key, the key not encoded.

    Raises InvalidRequestError for another kind of address, MediaNotFoundError, SourceUnreachableError or MediaError.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket or not key:
        raise InvalidRequestError(f"{address} does not name an object in S3.", fix="Give s3://bucket/key.")
    try:
        answer = client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if _code(error) in {"404", "NoSuchKey", "NoSuchBucket"}:
            raise MediaNotFoundError(f"There is no object {address}.", fix="Check bucket and key.") from error
        raise _refusal(error, ObjectVersion(bucket, key, "", 0)) from error
    except BotoCoreError as error:  # ParamValidationError among them: not a name of a bucket
        raise SourceUnreachableError(
            f"{address} cannot be looked up.", fix="Check the name; try again later."
        ) from error
    size_bytes, etag = answer["ContentLength"], answer["ETag"].strip('"')
    return ObjectVersion(bucket, key, etag, size_bytes, answer.get("VersionId"))


def _refusal(error: Exception, version: ObjectVersion) -> EmoScribeError:
    code = _code(error)
    if code in NOT_THAT_VERSION:
        return SourceChangedError(
            f"{version.key} was overwritten or deleted after it had been submitted.", fix="Submit it as it is now."
        )
    if code in FORBIDDEN:
        return MediaError(
            f"S3 does not let us read {version.key}: {code}.", fix="Allow s3:GetObject; restore archives."
        )
    return SourceUnreachableError(f"The recording could not be read from S3: {code}.", fix="Try again later.")


def _code(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
