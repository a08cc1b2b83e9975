"""Opens a recording of unknown kind and chooses its audio track. Runs in the decoding process; trusts nothing.

FFmpeg (through PyAV) gets an object of ours to read from, a list of demuxers and of decoders, and no
way to open anything else: playlists and references are refused before they could lead anywhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, Never, cast

from emoscribe.decoder.structure import HEAD_BYTES, BinaryReader, recognise
from emoscribe.errors import CorruptMediaError, MediaLimitError, NoAudioTrackError, UnsupportedMediaError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.packet import Packet

MICROSECONDS: Final = 1e6  # FFmpeg's unit for times of a container
START_PACKETS: Final = 50  # more than any muxer writes before the first of the earliest stream
DEMUXERS: Final = ("mov", "matroska", "mpegts", "avi", "mp3", "wav", "flac", "ogg", "aac")
DECODERS: Final = frozenset({
    "aac", "aac_latm", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "ac3", "eac3", "dca", "opus", "vorbis",
    "speex", "flac", "alac", "amrnb", "amrwb", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt",
    "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd",
})  # fmt: skip
FORMATS_FOR_PEOPLE: Final = "mp4, mov, m4a, mkv, webm, ts, avi, mp3, wav, flac, ogg or aac"
MIN_RATE_HZ: Final = 1000  # one sample becomes 16 at most
MAX_RATE_HZ: Final = 768_000
MAX_CHANNELS: Final = 24
READ_BYTES: Final = 64 * 1024


@contextmanager
def open_container(reader: BinaryReader, on_read: Callable[[], None]) -> Iterator[tuple["InputContainer", str]]:
    """The container, recognised by its content, and its usual name. `on_read` is called before every read.

    Nobody else may use `reader` until the last packet has been read. Raises UnsupportedMediaError or CorruptMediaError.
    """
    import av

    reader.seek(0)
    head = reader.read(HEAD_BYTES)
    if not head:
        raise CorruptMediaError("The file is empty.", fix="Check that it was copied whole.")
    reader.seek(0)
    try:
        container = av.open(
            _ReadOnly(reader, on_read),
            "r",
            container_options={
                "format_whitelist": ",".join(DEMUXERS),
                "codec_whitelist": ",".join(DECODERS),  # also for the look FFmpeg takes while opening: no pictures
                "protocol_whitelist": "none",
            },
            io_open=_refuse_to_open,
            metadata_errors="replace",
            buffer_size=READ_BYTES,
        )
    except av.error.FFmpegError as error:
        _refuse(error, head)
    with container:
        yield container, _usual_name(container, head)


def _usual_name(container: "InputContainer", head: bytes) -> str:
    """The demuxer's name alone does not tell m4a from mov, or webm from mkv."""
    demuxer = container.format.name.partition(",")[0]
    if demuxer == "mov":
        brand = container.metadata.get("major_brand", "").strip().lower()
        return "3gp" if brand.startswith("3g") else {"qt": "mov", "m4a": "m4a"}.get(brand, "mp4")
    if demuxer == "matroska":
        return recognise(head) or demuxer
    return demuxer


def choose_track(container: "InputContainer", wanted: int | None) -> "AudioStream":
    """The wanted audio track, the first by default.

    Raises NoAudioTrackError, UnsupportedMediaError (its codec) or MediaLimitError (its shape).
    """
    tracks = container.streams.audio
    if not tracks:
        raise NoAudioTrackError("The recording has no audio track.", fix="Provide a recording with sound.")
    index = wanted or 0
    if not 0 <= index < len(tracks):
        raise NoAudioTrackError(
            f"There is no audio track {index}: the recording has {len(tracks)}, counted from 0.",
            fix=f"Ask for a track from 0 to {len(tracks) - 1}.",
        )
    track = tracks[index]
    _check_codec(track, index, len(tracks))
    if track.sample_rate and track.channels:  # not known yet in some transport streams
        check_shape(track.sample_rate, track.channels)
    return track


def begin(container: "InputContainer", track: "AudioStream") -> tuple[float, "list[Packet[AudioStream]]"]:
    """When the earliest stream starts, in seconds on the container's clock, and packets of the track read meanwhile.

    From then on, all other streams are switched off.
    """
    from av.stream import Discard

    start_s = max(0, container.start_time or 0) / MICROSECONDS
    packets: list[Packet[AudioStream]] = []
    if container.format.name.startswith("matroska"):
        start_s, packets = _look_for_start(container, track)
    for stream in container.streams:
        if stream.index != track.index:
            stream.discard = Discard.all
    track.codec_context.thread_count = 1
    return start_s, packets


def _look_for_start(container: "InputContainer", track: "AudioStream") -> tuple[float, "list[Packet[AudioStream]]"]:
    """FFmpeg finds out when H.264 in Matroska starts by decoding pictures, and guesses wrong if it may not."""
    from av.error import FFmpegError

    times_s, packets = [0.0], []
    with suppress(FFmpegError, IndexError):  # damage shows itself again when the track is read
        first = [packet for packet in islice(container.demux(), START_PACKETS) if packet.size]
        times_s = [float(packet.pts * packet.time_base) for packet in first if packet.pts is not None] or times_s
        packets = [cast("Packet[AudioStream]", packet) for packet in first if packet.stream_index == track.index]
    return max(0.0, min(times_s)), packets


def check_shape(rate_hz: int, channels: int) -> None:
    """Raises MediaLimitError for sound that no recording of speech has and that costs memory to convert."""
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ or channels > MAX_CHANNELS:
        raise MediaLimitError(
            f"The audio has {channels} channels at {rate_hz} Hz; at most {MAX_CHANNELS} channels and "
            f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are accepted.",
            fix="Convert the audio to 48000 Hz stereo.",
        )


def _check_codec(track: "AudioStream", index: int, count: int) -> None:
    if track.codec_context is None or track.codec_context.codec.name not in DECODERS:
        codec = track.codec_context.codec.canonical_name if track.codec_context else "unknown"
        raise UnsupportedMediaError(
            f"The codec of audio track {index} of {count} is not supported: {codec}.",
            fix="Convert the audio to AAC, Opus, MP3 or FLAC, or ask for another track.",
        )


def _refuse_to_open(_url: str, _flags: int, _options: object) -> Never:
    raise PermissionError("a recording may not refer to other files")


def _refuse(error: "FFmpegError", head: bytes) -> Never:
    """Says why FFmpeg could not open the file."""
    if isinstance(error, MemoryError):
        raise error
    kind = recognise(head)
    if kind is None:
        raise UnsupportedMediaError(
            "The content is not a recording in a supported container.", fix=f"Use {FORMATS_FOR_PEOPLE}."
        ) from None
    raise CorruptMediaError(
        f"The file starts like {kind} but cannot be opened: its index or its end is missing or damaged.",
        fix="Check that it was copied whole and that it plays.",
    ) from None


class _ReadOnly:
    """What FFmpeg reads from. It has no name, so that nothing but the content counts."""

    def __init__(self, reader: BinaryReader, on_read: Callable[[], None]) -> None:
        self._reader = reader
        self._on_read = on_read
        self.seek = reader.seek
        self.tell = reader.tell

    def read(self, size: int) -> bytes:
        self._on_read()
        return self._reader.read(size)
