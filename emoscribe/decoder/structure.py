"""What the bytes of a container say about themselves: its kind, and whether its end is missing.

FFmpeg reads a file that was cut short to its end without a word, so this looks for itself whether
the file holds what its headers promise. Nothing here decodes; every read is small and bounded.
"""

import os
from collections.abc import Callable
from typing import Final, Protocol

from emoscribe.errors import MediaError

HEAD_BYTES: Final = 4096
MAX_BOXES: Final = 100_000  # a day of fragmented mp4 has about 80,000 boxes
OGG_TAIL_BYTES: Final = 2 * 65_307  # the largest page, twice
RIFF_SLACK_BYTES: Final = 8  # some writers miscount padding
EBML: Final = b"\x1a\x45\xdf\xa3"
RIFF: Final = frozenset({b"RIFF", b"RF64"})
UNKNOWN_RIFF_SIZES: Final = (0, 0xFFFF_FFFF)  # written by recorders that never came back to fill it in


class BinaryReader(Protocol):
    """A seekable binary file."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, never more; fewer only where the file ends, none behind its end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """The new position, from the start."""
        ...

    def tell(self) -> int:
        """The position."""
        ...


def unreadable(error: OSError) -> MediaError:
    """For a file that is there but whose bytes are not."""
    return MediaError(f"The recording could not be read: {error.strerror}.", fix="Check the file and its disk.")


def recognise(head: bytes) -> str | None:
    """The allowed container that `head` (HEAD_BYTES or the whole file) is the start of, None if there is none.

    Only chooses words for people: which demuxer runs is FFmpeg's decision, within its allow-list.
    """
    starts = {
        "mp4": head[4:8] in {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"wide", b"free", b"skip"},
        "webm": head.startswith(EBML) and b"webm" in head[:64],
        "matroska": head.startswith(EBML),
        "wav": head[:4] in RIFF and head[8:12] == b"WAVE",
        "avi": head[:4] in RIFF and head[8:12] == b"AVI ",
        "flac": head.startswith(b"fLaC"),
        "ogg": head.startswith(b"OggS"),
        "mpegts": _packet_bytes(head) > 0,
        "aac": head[:1] == b"\xff" and head[1:2] in {b"\xf0", b"\xf1", b"\xf8", b"\xf9"},
        "mp3": head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"),
    }
    return next((name for name, matches in starts.items() if matches), None)


def is_cut_short(reader: BinaryReader, container: str) -> bool:
    """Whether the file ends before its headers say it does. False where they do not say.

    `container`: as `recognise` names it, or one of mp4's kin (m4a, mov, 3gp).
    """
    size = reader.seek(0, os.SEEK_END)
    check = _CHECKS.get(container)
    return check is not None and check(reader, size)


def _read_at(reader: BinaryReader, offset: int, size: int) -> bytes:
    reader.seek(offset)
    return reader.read(size)


def _mp4_is_cut(reader: BinaryReader, size: int) -> bool:
    """Walks the top-level boxes (ISO 14496-12, 4.2)."""
    offset = 0
    for _ in range(MAX_BOXES):
        header = _read_at(reader, offset, 16)
        if not header:
            return False
        box_bytes = int.from_bytes(header[:4], "big")
        if box_bytes == 0:  # to the end of the file
            return False
        if box_bytes == 1:
            box_bytes = int.from_bytes(header[8:16], "big")
        if len(header) < 8 or offset + box_bytes > size:
            return True
        if box_bytes < 8:  # not a box: junk after the last one
            return False
        offset += box_bytes
    return False


def _matroska_is_cut(reader: BinaryReader, size: int) -> bool:
    """Compares the size of the Segment, the one element after the EBML header, with what is there (RFC 8794)."""
    head = _read_at(reader, 0, HEAD_BYTES)
    header_bytes, after = _vint(head, 4)
    segment = after + header_bytes
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return len(head) <= segment
    segment_bytes, after = _vint(head, segment + 4)
    is_unknown = segment_bytes == (1 << 7 * (after - segment - 4)) - 1
    return not is_unknown and after + segment_bytes > size


def _vint(data: bytes, offset: int) -> tuple[int, int]:
    """An EBML variable-size integer and the offset behind it."""
    first = data[offset] if offset < len(data) else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(data[offset : offset + length], "big") & ((1 << 7 * length) - 1)
    return value, offset + length


def _riff_is_cut(reader: BinaryReader, size: int) -> bool:
    """Walks the RIFF lists: one in a wav, several in a long avi."""
    offset = 0
    for _ in range(MAX_BOXES):
        header = _read_at(reader, offset, 32)
        if len(header) < 12 or header[:4] not in RIFF:
            break
        list_bytes = int.from_bytes(header[4:8], "little")
        if header[:4] == b"RF64":
            list_bytes = int.from_bytes(header[20:28], "little")
        if list_bytes in UNKNOWN_RIFF_SIZES:
            return False
        offset += 8 + list_bytes
    return offset > size + RIFF_SLACK_BYTES


def _ogg_is_cut(reader: BinaryReader, size: int) -> bool:
    """Whether the last page (RFC 3533, 6) is incomplete or not marked as the last."""
    start = max(0, size - OGG_TAIL_BYTES)
    tail = _read_at(reader, start, OGG_TAIL_BYTES)
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    page_bytes = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return len(page) < page_bytes or not page[5] & 0x04


def _mpegts_is_cut(reader: BinaryReader, size: int) -> bool:
    packet_bytes = _packet_bytes(_read_at(reader, 0, HEAD_BYTES))
    return packet_bytes > 0 and size % packet_bytes != 0


def _packet_bytes(head: bytes) -> int:
    """Size of a transport stream's packets: 188, 192 (m2ts: a time code of 4 bytes in front), 204; 0 if it is none."""
    for packet_bytes, first in ((188, 0), (192, 4), (204, 0)):
        if head[first::packet_bytes][:3] == b"GGG":
            return packet_bytes
    return 0


def _mp3_is_cut(reader: BinaryReader, size: int) -> bool:
    """Reads how many bytes the Xing header in the first frame promises, if there is one."""
    head = _read_at(reader, 0, 10)
    first_frame = 0
    if head[:3] == b"ID3" and len(head) == 10:
        first_frame = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    frame = _read_at(reader, first_frame, HEAD_BYTES)
    tag = next((at for at in (frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64)) if at >= 0), None)
    if tag is None:
        return first_frame >= size
    flags = int.from_bytes(frame[tag + 4 : tag + 8], "big")
    if not flags & 2:
        return False
    at = tag + 8 + (4 if flags & 1 else 0)
    return first_frame + int.from_bytes(frame[at : at + 4], "big") > size


_CHECKS: Final[dict[str, Callable[[BinaryReader, int], bool]]] = {
    **dict.fromkeys(("mp4", "m4a", "mov", "3gp"), _mp4_is_cut),
    **dict.fromkeys(("matroska", "webm"), _matroska_is_cut),
    **dict.fromkeys(("wav", "avi"), _riff_is_cut),
    "ogg": _ogg_is_cut,
    "mpegts": _mpegts_is_cut,
    "mp3": _mp3_is_cut,
}
