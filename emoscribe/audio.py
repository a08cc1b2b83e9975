"""What the stages know about sound: mono 16 kHz samples that arrive in chunks.

It does not know where the sound comes from; `media.py` does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from emoscribe.types import SAMPLE_RATE_HZ, Samples

CHUNK_SAMPLES: Final = 4 * SAMPLE_RATE_HZ  # a multiple of 512, the block of the voice activity model
BYTES_PER_SAMPLE: Final = 2  # of the 16-bit integers that decoders hand over


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What is known about a recording before its first sample is heard."""

    name: str  # for people; never a full local path
    size_bytes: int | None
    sha256: str | None  # of the whole file, hexadecimal; None where it is not read whole
    container: str  # "mp4", "webm", ... as recognised from the content
    codec: str  # of the chosen track, FFmpeg's name: "aac", "opus", ...
    audio_track: int  # the chosen one, from 0
    audio_tracks: int  # >= 1
    expected_duration_ms: int | None  # as the container says or estimates: for progress, not for decisions


class AudioStream(Protocol):
    """A recording being decoded: iterate once, then ask how it ended.

    Sample i is heard i / SAMPLE_RATE_HZ seconds after the start of the recording (of its earliest track,
    as players count). Every chunk but the last has CHUNK_SAMPLES samples.
    """

    @property
    def info(self) -> AudioInfo:
        """Known before the first chunk."""
        ...

    @property
    def duration_ms(self) -> int:
        """Length of what has been read so far; of the recording after the last chunk."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether the file ends before it should; known after the last chunk."""
        ...

    def __iter__(self) -> Iterator[Samples]: ...


def from_int16(data: bytes) -> Samples:
    """Little-endian 16-bit samples as float32 in [-1, 1)."""
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)


def read_all(stream: AudioStream) -> Samples:
    """The whole recording as one array: 64 kB of memory a second, so for short ones only."""
    return np.concatenate([np.zeros(0, dtype=np.float32), *stream])
