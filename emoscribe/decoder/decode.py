"""A recording's audio track as 16-bit mono sound whose sample index is its time, in bounded memory.

Runs in the decoding process. Damage is passed over where the demuxer and the decoder can; bounds are
checked while decoding, because a small file can hold days of silence.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emoscribe.decoder.container import MICROSECONDS, begin, check_shape, choose_track, open_container
from emoscribe.decoder.resample import Resampler
from emoscribe.decoder.structure import BinaryReader, is_cut_short
from emoscribe.decoder.timeline import TOLERANCE_S, Plausible, Timeline
from emoscribe.errors import CorruptMediaError, MediaLimitError, UnsupportedMediaError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

MAX_DEMUX_FAILURES: Final = 100  # in a row; some demuxers go on after bad data, others report it for ever
SLACK_S: Final = 1.0  # what is declared is rounded, and codecs fill up their last frame
BELIEVED_PAUSE_S: Final = 3600.0  # where the container keeps the time of every packet
BELIEVED_BROADCAST_PAUSE_S: Final = 60.0  # where clocks jump, as where two broadcasts were joined
BARE: Final = frozenset({"mp3", "aac", "flac", "wav"})
DECLARING: Final = frozenset({"mp4", "m4a", "mov", "3gp", "matroska", "webm", "flac"})  # the rest is estimated


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """What to decode, and into what."""

    sample_rate_hz: int
    chunk_samples: int
    max_duration_s: int
    track: int | None = None  # among the audio tracks, from 0; None: the first


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """What the container says about the chosen track."""

    container: str
    codec: str
    audio_track: int
    audio_tracks: int
    expected_duration_ms: int | None


class Recording:
    """An opened recording. Make it with `open_recording`, read its chunks once, then ask if it was truncated."""

    def __init__(
        self, container: "InputContainer", name: str, request: DecodeRequest, was_cut_short: Callable[[], bool]
    ) -> None:
        self._was_cut_short = was_cut_short
        self._container = container
        self._request = request
        self._stream = choose_track(container, request.track)
        self._duration_s = max(0, container.duration or 0) / MICROSECONDS
        self.info = TrackInfo(
            container=name,
            codec=self._stream.codec_context.codec.canonical_name,
            audio_track=request.track or 0,
            audio_tracks=len(container.streams.audio),
            expected_duration_ms=round(self._duration_s * 1000) or None,
        )
        self._timeline = Timeline(request.sample_rate_hz, self._plausible())
        self._resampler: Resampler | None = None
        self._given = 0  # output samples
        self._frames_decoded = 0
        self._ends_badly = False
        if self.info.container in DECLARING:  # spares hours of work on a recording that is going to be refused
            self._check_length(self._duration_s)
        self._origin_s, self._first_packets = begin(container, self._stream)

    def chunks(self) -> Iterator[bytes]:
        """Little-endian samples, `chunk_samples` at a time, the last time fewer; none from an empty track.

        Raises MediaLimitError when the sound becomes too long, CorruptMediaError if nothing could be decoded.
        """
        chunk_bytes = 2 * self._request.chunk_samples
        waiting = bytearray()
        for piece in self._pieces():
            self._given += len(piece) // 2
            self._check_length(self._given / self._request.sample_rate_hz - SLACK_S)
            waiting += piece
            while len(waiting) >= chunk_bytes:
                yield bytes(waiting[:chunk_bytes])
                del waiting[:chunk_bytes]
        if waiting:
            yield bytes(waiting)
        if not self._frames_decoded and self.is_truncated():
            raise CorruptMediaError("No audio could be decoded.", fix="Check that the file is whole and plays.")

    def is_truncated(self) -> bool:
        """Whether the file ended early. To be asked after the last chunk."""
        if self.info.container == "flac":  # its header counts the samples, but not the bytes
            missing_s = self._duration_s - self._given / self._request.sample_rate_hz
            return self._ends_badly or missing_s > TOLERANCE_S
        return self._ends_badly or self._was_cut_short()

    def _pieces(self) -> Iterator[bytes]:
        for frame in self._frames():
            check_shape(frame.sample_rate, frame.layout.nb_channels)
            self._frames_decoded += 1
            position = self._timeline.position
            gap = self._timeline.place(self._start_s(frame), frame.samples, frame.sample_rate)
            if gap is None:
                continue
            if gap or self._resampler is None or not self._resampler.fits(frame):
                yield from self._end_part(position)
                yield from self._silence(gap)
                self._resampler = Resampler(frame, self._request.sample_rate_hz)
            yield from self._resampler.resample(frame)
        if self._resampler:
            yield from self._resampler.flush()

    def _start_s(self, frame: "AudioFrame") -> float | None:
        """When the frame is to be heard; None in files of bare frames, whose times are only counted, and miscounted."""
        if frame.time is None or self.info.container in BARE:
            return None
        return frame.time - self._origin_s

    def _end_part(self, position: int) -> Iterator[bytes]:
        """What the resampler still holds, cut or filled up so that exactly `position` samples have been given."""
        if self._resampler:
            for piece in self._resampler.flush():
                yield piece[: 2 * max(0, position - self._given)]
            yield from self._silence(position - self._given)

    def _silence(self, samples: int) -> Iterator[bytes]:
        self._check_length((self._given + samples) / self._request.sample_rate_hz - SLACK_S)
        while samples > 0:
            part = min(samples, self._request.chunk_samples)
            yield bytes(2 * part)
            samples -= part

    def _frames(self) -> Iterator["AudioFrame"]:
        from av.error import FFmpegError

        for packet in self._packets():
            if packet.has_sidedata("encryption_info"):
                raise UnsupportedMediaError("The audio is encrypted.", fix="Provide a copy without DRM.")
            try:
                frames = packet.decode()
            except FFmpegError as error:
                self._pass_over(error)
            else:
                self._ends_badly = packet.is_corrupt
                yield from frames
        try:
            yield from self._stream.codec_context.decode(None)
        except FFmpegError as error:
            self._pass_over(error)

    def _packets(self) -> Iterator["Packet[AudioStream]"]:
        from av.error import FFmpegError

        yield from self._first_packets
        failures = 0
        while failures < MAX_DEMUX_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    if packet.size:  # an empty one would tell the decoder that this is the end
                        yield packet
            except IndexError:  # PyAV's own, between packets, where streams have turned up since the start
                failures += 1
            except FFmpegError as error:
                self._pass_over(error)
                failures += 1
            else:
                return

    def _pass_over(self, error: Exception) -> None:
        """Bad data is no reason to stop; want of memory is. What comes after shows if it was the end."""
        if isinstance(error, MemoryError):
            raise error
        self._ends_badly = True

    def _plausible(self) -> Plausible:
        """A pause that a declared length leaves room for is believed, whatever its length."""
        if self.info.container not in DECLARING:
            return Plausible(BELIEVED_BROADCAST_PAUSE_S)
        if not self._duration_s:
            return Plausible(BELIEVED_PAUSE_S)
        is_matroska = self.info.container in {
            "matroska",
            "webm",
        }  # a fragmented mp4 may declare its first fragment only
        return Plausible(0 if is_matroska else BELIEVED_PAUSE_S, self._duration_s + SLACK_S)

    def _check_length(self, seconds: float) -> None:
        if seconds > self._request.max_duration_s:
            raise MediaLimitError(
                f"The recording is longer than {self._request.max_duration_s} s.",
                fix="Cut it into parts, or raise EMOSCRIBE_MAX_DURATION_S.",
            )


@contextmanager
def open_recording(
    reader: BinaryReader, request: DecodeRequest, on_read: Callable[[], None] = lambda: None
) -> Iterator[Recording]:
    """Opens what `reader` reads. `on_read` is called before every read of the demuxer.

    Raises UnsupportedMediaError, CorruptMediaError, NoAudioTrackError or MediaLimitError.
    """
    with open_container(reader, on_read) as (container, name):
        yield Recording(container, name, request, lambda: is_cut_short(reader, name))
