"""Makes recordings for tests, in memory: ordinary ones with PyAV, hostile ones by hand."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]  # (samples,) or (channels, samples)

RATE_HZ = 48_000
PICTURES_A_SECOND = 10
PICTURE_SECONDS = 3
SAMPLES_A_FRAME = 1024


def tone(seconds: float, hertz: float = 440.0, rate_hz: int = RATE_HZ) -> Wave:
    """A sine of half the full scale. (n,)"""
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return wave.astype(np.float32)


def beeps(seconds: float, rate_hz: int = RATE_HZ) -> Wave:
    """One second of tone, one of silence, and so on: shows at what time one is. (n,)"""
    wave = tone(seconds, rate_hz=rate_hz)
    wave[(np.arange(len(wave)) // rate_hz) % 2 == 1] = 0
    return wave


@dataclass(frozen=True)
class Track:
    """One audio track: `wave` at `rate_hz`, from `start_s` on; what lies in `pauses_s` is left out."""

    wave: Wave = field(default_factory=lambda: tone(3.0))
    codec: str = "aac"
    rate_hz: int = RATE_HZ
    start_s: float = 0.0
    pauses_s: tuple[tuple[float, float], ...] = ()

    def frames(self, layout: Any) -> Iterator[tuple[float, Any]]:
        """Times and frames for the encoder."""
        import av

        wave = np.atleast_2d(self.wave)
        for first in range(0, wave.shape[1], SAMPLES_A_FRAME):
            if any(start <= first / self.rate_hz < end for start, end in self.pauses_s):
                continue
            block = np.ascontiguousarray(wave[:, first : first + SAMPLES_A_FRAME])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate = self.rate_hz
            frame.time_base = Fraction(1, self.rate_hz)
            frame.pts = first + round(self.start_s * self.rate_hz)
            yield frame.pts / self.rate_hz, frame


def make(
    container: str,
    *tracks: Track,
    picture: str | None = None,
    picture_start_s: float = 0.0,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """A file with these tracks, well interleaved; `picture` names a video codec (3 s of 64 x 48 black)."""
    import av

    with TemporaryDirectory() as folder:
        target = Path(folder) / "recording"  # on disk, because FFmpeg reads it again to put the index first
        with av.open(target, "w", format=container, options=dict(options or {})) as output:
            _write(output, tracks, picture, picture_start_s)
        return target.read_bytes()


def _write(output: Any, tracks: Sequence[Track], picture: str | None, picture_start_s: float) -> None:
    streams, timed = [], []
    if picture:
        video = output.add_stream(picture, rate=PICTURES_A_SECOND)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        streams.append(video)
        timed += [(time_s, 0, partial(video.encode, frame)) for time_s, frame in _pictures(picture_start_s)]
    for number, track in enumerate(tracks, 1):
        audio = output.add_stream(track.codec, rate=track.rate_hz)
        audio.layout = "mono" if track.wave.ndim == 1 else "stereo"
        streams.append(audio)
        timed += [(time_s, number, partial(audio.encode, frame)) for time_s, frame in track.frames(audio.layout)]
    for _, _, encode in sorted(timed, key=lambda item: item[:2]):
        output.mux(encode())
    for stream in streams:
        output.mux(stream.encode(None))


def _pictures(start_s: float) -> Iterator[tuple[float, Any]]:
    import av

    for number in range(PICTURE_SECONDS * PICTURES_A_SECOND):
        frame = av.VideoFrame(64, 48, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.time_base = Fraction(1, PICTURES_A_SECOND)
        frame.pts = number + round(start_s * PICTURES_A_SECOND)
        yield frame.pts / PICTURES_A_SECOND, frame


def wav(samples: npt.NDArray[np.int16], rate_hz: int, channels: int = 1) -> bytes:
    """A plain RIFF file with any header figures one likes."""
    data = samples.astype("<i2").tobytes()
    block = 2 * channels
    shape = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * block & 0xFFFF_FFFF, block, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(shape)) + shape + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def flac_silence(seconds: int) -> bytes:
    """Silence as small as it gets: 14 bytes for 8 s; the header does not say how long it is (RFC 9639)."""
    block, rate_hz = 65_535, 8000
    stream_info = (
        struct.pack(">HH", block, block) + bytes(6) + (rate_hz << 44 | 15 << 36).to_bytes(8, "big") + bytes(16)
    )
    parts = [b"fLaC\x80" + len(stream_info).to_bytes(3, "big") + stream_info]
    for number in range(seconds * rate_hz // block):
        header = b"\xff\xf8\x74\x08" + chr(number).encode("utf-8", "surrogatepass") + struct.pack(">H", block - 1)
        frame = header + _crc(header, 0x07, 8) + b"\x00\x00\x00"
        parts.append(frame + _crc(frame, 0x8005, 16))
    return b"".join(parts)


def _crc(data: bytes, polynomial: int, bits: int) -> bytes:
    table, rest, mask = _crc_table(polynomial, bits), 0, (1 << bits) - 1
    for byte in data:
        rest = table[rest >> (bits - 8) ^ byte] ^ rest << 8 & mask
    return rest.to_bytes(bits // 8, "big")


@cache
def _crc_table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        rest = byte << (bits - 8)
        for _ in range(8):
            rest = (rest << 1 ^ (polynomial if rest >> (bits - 1) & 1 else 0)) & ((1 << bits) - 1)
        table.append(rest)
    return table


def ebml(identifier: str, content: bytes, claimed_bytes: int | None = None) -> bytes:
    """A Matroska element, which may claim any size."""
    size = len(content) if claimed_bytes is None else claimed_bytes
    return bytes.fromhex(identifier) + (size | 1 << 56).to_bytes(8, "big") + content
