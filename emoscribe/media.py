"""Opens a recording, whatever it is, safely: the file is decoded in a process of its own, under limits.

    with open_audio(LocalSource(path), limits=limits) as audio:
        for samples in audio: ...          # float32, mono, 16 kHz, 4 s at a time
        print(audio.info, audio.duration_ms, audio.truncated)

Names are labels: no name becomes an argument, an option or an address. The decoding process receives
an open file, or a description from which it makes its own reader, never a path.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from emoscribe.audio import BYTES_PER_SAMPLE, CHUNK_SAMPLES, AudioInfo, AudioStream, from_int16
from emoscribe.decoder import child
from emoscribe.decoder.decode import SLACK_S, DecodeRequest, TrackInfo
from emoscribe.decoder.process import DecodingProcess, ProcessLimits, decoding_process, nonsense, parse
from emoscribe.decoder.source import BytesSource, LocalSource, Source, SourceAccess
from emoscribe.errors import MediaError, MediaLimitError
from emoscribe.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Samples

__all__ = ["BytesSource", "DecodeLimits", "LocalSource", "Source", "SourceAccess", "open_audio"]

GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What an unknown recording may use; the defaults are those of the settings of the same names."""

    max_source_bytes: int = 20 * GIB
    max_duration_s: int = 12 * 3600
    memory_bytes: int = 2 * GIB  # address space of the decoding process
    cpu_s: int = 3600  # processor time of the decoding process, and at most as much waiting for it
    stall_s: int = 60  # without a word from it


@contextmanager
def open_audio(source: Source, *, track: int | None = None, limits: DecodeLimits) -> Iterator[AudioStream]:
    """The sound of a recording; `track` counts its audio tracks from 0, None is the first.

    Entering raises MediaNotFoundError, UnsupportedMediaError, CorruptMediaError, NoAudioTrackError,
    MediaLimitError or MediaError; so may iterating, for what shows only while decoding. Leaving ends the
    decoding process at once, wherever it is.
    """
    with source.open() as access:
        opened = _Opened(source, access, limits)
        request = DecodeRequest(SAMPLE_RATE_HZ, CHUNK_SAMPLES, limits.max_duration_s, track)
        process_limits = ProcessLimits(limits.memory_bytes, limits.cpu_s, limits.stall_s)
        with decoding_process(access, asdict(request), process_limits) as process:
            sha256 = access.sha256()  # while the process starts
            _, payload = process.receive(child.INFO)
            yield _DecodedStream(opened, process, opened.info(sha256, parse(TrackInfo, payload)))


class _Opened:
    """A source that has been opened: its size is checked, and that nobody writes to it meanwhile."""

    def __init__(self, source: Source, access: SourceAccess, limits: DecodeLimits) -> None:
        self.max_samples = (limits.max_duration_s + SLACK_S) * SAMPLE_RATE_HZ
        self._name = source.name
        self._access = access
        self._status = access.status()
        self._size_bytes = self._status[0] if self._status else source.size_bytes
        if (self._size_bytes or 0) > limits.max_source_bytes:
            raise MediaLimitError(
                f"The file has {self._size_bytes} bytes, more than {limits.max_source_bytes}.",
                fix="Extract its audio track, or raise EMOSCRIBE_MAX_SOURCE_BYTES.",
            )

    def info(self, sha256: str | None, track: TrackInfo) -> AudioInfo:
        """What is known of the source and what the decoding process said of its content."""
        if not 0 <= track.audio_track < track.audio_tracks:
            raise nonsense()
        return AudioInfo(name=self._name, size_bytes=self._size_bytes, sha256=sha256, **asdict(track))

    def check_unchanged(self) -> None:
        """Raises MediaError if the file was written to: the samples would belong to no version of it."""
        if self._access.status() != self._status:
            raise MediaError(
                "The file was changed while it was being read.", fix="Wait until it is complete, then try again."
            )


class _DecodedStream:
    """An AudioStream whose samples come from a decoding process."""

    def __init__(self, opened: _Opened, process: DecodingProcess, info: AudioInfo) -> None:
        self.info = info
        self.truncated = False
        self._opened = opened
        self._process = process
        self._samples_read = 0
        self._chunks = self._receive()

    @property
    def duration_ms(self) -> int:
        return self._samples_read // SAMPLES_PER_MS

    def __iter__(self) -> Iterator[Samples]:
        return self._chunks

    def _receive(self) -> Iterator[Samples]:
        while True:
            kind, payload = self._process.receive(child.SAMPLES, child.DONE)
            if kind == child.DONE:
                break
            if len(payload) > CHUNK_SAMPLES * BYTES_PER_SAMPLE or len(payload) % BYTES_PER_SAMPLE:
                raise nonsense()
            samples = from_int16(payload)
            self._samples_read += len(samples)
            if self._samples_read > self._opened.max_samples:
                raise nonsense()
            yield samples
        self.truncated = parse(child.Done, payload).truncated
        self._opened.check_unchanged()
