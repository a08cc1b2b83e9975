"""A recording to be played: its kind as a browser names it, and any range of its bytes, wherever it lies.

Bytes are those of the version that was analysed: an object in S3 is read pinned to its ETag.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from emoscribe.decoder.structure import HEAD_BYTES, recognise
from emoscribe.errors import MediaNotKeptError, SourceChangedError
from emoscribe.jobs import KeptRecording, S3Object
from emoscribe.s3_source import ObjectVersion, fetch_range

BLOCK_BYTES: Final = 256 * 1024
FETCH_BYTES: Final = 1024 * 1024  # from S3, so that no connection stays open while a player pauses
UNKNOWN_TYPE: Final = "application/octet-stream"
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mp4": "video/mp4",
        "webm": "video/webm",
        "matroska": "video/x-matroska",
        "avi": "video/x-msvideo",
        "mpegts": "video/mp2t",
        "ogg": "audio/ogg",
        "wav": "audio/wav",
        "flac": "audio/flac",
        "aac": "audio/aac",
        "mp3": "audio/mpeg",
    }
)
_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B "})

ReadRange = Callable[[int, int], Iterator[bytes]]  # first byte, byte behind the last


@dataclass(frozen=True, slots=True)
class Playable:
    """A recording that is there."""

    name: str
    size_bytes: int
    read: ReadRange


def open_recording(kept: KeptRecording, client: Callable[[], Any]) -> Playable:
    """The recording; `client` gives the one for S3. Raises MediaNotKeptError, SourceChangedError.

    Reading raises them too, and SourceUnreachableError or MediaError for an object that cannot be had.
    """
    if isinstance(kept.media, S3Object):
        return Playable(kept.name, kept.bytes, _object_reader(kept.media, client))
    try:
        status = kept.media.stat()
    except OSError:
        raise _not_kept() from None
    if status.st_size != kept.bytes or kept.modified_ns not in {None, status.st_mtime_ns}:
        raise SourceChangedError(f"{kept.name} was changed after it had been submitted.", fix="Submit it again.")
    return Playable(kept.name, kept.bytes, _file_reader(kept.media))


def media_type(playable: Playable) -> str:
    """By its content, whatever its name is; never a type that a browser would run."""
    head = b"".join(playable.read(0, min(HEAD_BYTES, playable.size_bytes)))
    container = recognise(head)
    if container == "mp4" and head[8:12] in _SOUND_BRANDS:
        return "audio/mp4"
    if container == "ogg" and b"theora" in head:
        return "video/ogg"
    return _TYPES.get(container or "", UNKNOWN_TYPE)


def _file_reader(path: Path) -> ReadRange:
    def read(start: int, end: int) -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                file.seek(start)
                while start < end and (block := file.read(min(BLOCK_BYTES, end - start))):
                    start += len(block)
                    yield block
        except OSError:
            raise _not_kept() from None

    return read


def _object_reader(media: S3Object, client: Callable[[], Any]) -> ReadRange:
    version = ObjectVersion(media.bucket, media.key, media.etag, media.bytes, media.version_id)

    def read(start: int, end: int) -> Iterator[bytes]:
        for offset in range(start, end, FETCH_BYTES):
            yield fetch_range(client(), version, offset, min(FETCH_BYTES, end - offset))

    return read


def _not_kept() -> MediaNotKeptError:
    return MediaNotKeptError("The recording is not kept any more.", fix="The results are still there.")
