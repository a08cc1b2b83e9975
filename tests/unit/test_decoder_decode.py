"""What comes out of the decoder, in process; `test_media.py` shows the process around it."""

import io
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from emoscribe.audio import from_int16
from emoscribe.decoder.decode import DecodeRequest, TrackInfo, open_recording
from emoscribe.errors import CorruptMediaError, MediaError, MediaLimitError, NoAudioTrackError, UnsupportedMediaError
from emoscribe.types import Samples
from tests.media_maker import RATE_HZ, Track, Wave, beeps, ebml, flac_silence, make, tone, wav

OUT_HZ = 16_000
DAY_S = 86_400
FORMATS: dict[str, Callable[[Wave], bytes]] = {
    "mp4": lambda wave: make("mp4", Track(wave), picture="h264"),
    "mp4, index first": lambda wave: make("mp4", Track(wave), picture="h264", options={"movflags": "faststart"}),
    "mp4, eac3": lambda wave: make("mp4", Track(wave, "eac3"), picture="h264"),
    "mov, pcm": lambda wave: make("mov", Track(wave, "pcm_s16le"), picture="mpeg4"),
    "m4a, aac": lambda wave: make("ipod", Track(wave)),
    "m4a, alac": lambda wave: make("ipod", Track(wave, "alac")),
    "3gp": lambda wave: make("3gp", Track(wave[::6], "aac", 8000)),
    "matroska": lambda wave: make("matroska", Track(wave), picture="h264"),
    "matroska, flac": lambda wave: make("matroska", Track(wave, "flac")),
    "webm": lambda wave: make("webm", Track(wave, "libopus"), picture="vp8"),
    "mpegts": lambda wave: make("mpegts", Track(wave), picture="mpeg2video"),
    "mpegts, mp2": lambda wave: make("mpegts", Track(wave, "mp2"), picture="mpeg2video"),
    "mpegts, ac3": lambda wave: make("mpegts", Track(wave, "ac3"), picture="mpeg2video"),
    "avi": lambda wave: make("avi", Track(wave, "mp3"), picture="mpeg4"),
    "mp3": lambda wave: make("mp3", Track(wave, "mp3")),
    "wav": lambda wave: make("wav", Track(wave, "pcm_s16le")),
    "wav, 24 bit stereo": lambda wave: make("wav", Track(np.stack([wave, wave]), "pcm_s24le")),
    "flac": lambda wave: make("flac", Track(wave, "flac")),
    "ogg": lambda wave: make("ogg", Track(wave, "libopus")),
    "aac": lambda wave: make("adts", Track(wave)),
}


@cache
def recording(kind: str) -> bytes:
    return FORMATS[kind](beeps(3))


@cache
def steady(kind: str) -> bytes:
    """The same formats with 6 s of an unbroken tone: as many bytes in every second."""
    return FORMATS[kind](tone(6))


def decode(data: bytes, track: int | None = None, max_duration_s: int = DAY_S) -> tuple[TrackInfo, Samples, bool]:
    request = DecodeRequest(OUT_HZ, 4 * OUT_HZ, max_duration_s, track)
    with open_recording(io.BytesIO(data), request) as opened:
        chunks = list(opened.chunks())
        assert all(len(chunk) == 2 * request.chunk_samples for chunk in chunks[:-1])
        samples = from_int16(b"".join(chunks))
        return opened.info, samples, opened.is_truncated()


def decode_plainly(data: bytes) -> Samples:
    """The same by PyAV's own means, without any of ours."""
    import av

    resampler = av.AudioResampler("s16", "mono", OUT_HZ)
    with av.open(io.BytesIO(data), "r") as container:
        frames = [*container.decode(container.streams.audio[0]), None]
        blocks = [block.to_ndarray()[0] for frame in frames for block in resampler.resample(frame)]
    return from_int16(np.concatenate(blocks).tobytes())


def switches_s(samples: Samples) -> list[float]:
    """When the tone goes on or off, in blocks of 10 ms."""
    blocks = np.abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).max(axis=1) > 0.1
    return [round(int(at) / 100, 2) for at in np.flatnonzero(np.diff(blocks, prepend=False))]


def near(*expected_s: float, within_s: float = 0.05) -> object:
    return pytest.approx(list(expected_s), abs=within_s)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_samples_that_plain_decoding_gives(kind: str) -> None:
    info, samples, truncated = decode(recording(kind))
    assert info.container == kind.partition(",")[0]
    assert (info.audio_track, info.audio_tracks) == (0, 1)
    if kind != "aac":  # a guess from the size
        assert info.expected_duration_ms == pytest.approx(3000, abs=100)
    assert not truncated
    assert np.array_equal(samples, decode_plainly(recording(kind)))
    assert switches_s(samples)[:3] == near(0, 1, 2)


def test_real_recordings_give_the_samples_that_faster_whisper_works_on(shared_data: Path) -> None:
    from faster_whisper.audio import decode_audio

    fixtures = shared_data / "speech" / "fixtures"
    files = [
        shared_data / "video" / "example.mp4",
        *fixtures.glob("*.mp3"),
        *fixtures.glob("*.flac"),
        *fixtures.glob("*.wav"),
    ]
    assert len(files) >= 5
    for file in files:
        _, samples, truncated = decode(file.read_bytes())
        assert not truncated
        assert np.array_equal(samples, decode_audio(str(file))), file.name


# --- time -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "codec", "picture"),
    [
        ("mp4", "aac", "h264"),
        ("mov", "pcm_s16le", "mpeg4"),
        ("matroska", "flac", "h264"),
        ("webm", "libopus", "vp8"),
        ("mpegts", "aac", "mpeg2video"),
    ],
)
def test_sound_that_starts_after_the_picture_keeps_its_time(container: str, codec: str, picture: str) -> None:
    _, samples, truncated = decode(make(container, Track(beeps(3), codec, start_s=1.5), picture=picture))
    assert switches_s(samples)[:3] == near(1.5, 2.5, 3.5)
    assert not truncated


@pytest.mark.parametrize(("container", "picture"), [("mp4", "h264"), ("matroska", "h264"), ("mpegts", "mpeg2video")])
def test_a_picture_that_starts_late_changes_nothing(container: str, picture: str) -> None:
    _, samples, _ = decode(make(container, Track(beeps(3)), picture=picture, picture_start_s=1.5))
    assert switches_s(samples)[:3] == near(0, 1, 2)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_time_starts_with_the_earliest_track(container: str) -> None:
    """A piece of a longer recording keeps its clock; players show its start as 0."""
    picture = "mpeg2video" if container == "mpegts" else "h264"
    data = make(container, Track(beeps(3), start_s=3600.5), picture=picture, picture_start_s=3600)
    _, samples, _ = decode(data)
    assert switches_s(samples)[:3] == near(0.5, 1.5, 2.5)


def test_an_edit_list_that_skips_the_beginning_is_obeyed() -> None:
    data = bytearray(recording("m4a, aac"))
    entry = data.index(b"elst") + 12  # behind version, flags and count
    duration, media_time = struct.unpack_from(">Ii", data, entry)
    struct.pack_into(">Ii", data, entry, duration, media_time + RATE_HZ // 2)
    _, samples, _ = decode(bytes(data))
    assert switches_s(samples)[:3] == near(0, 0.5, 1.5)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "aac"), ("matroska", "aac"), ("webm", "libopus"), ("mpegts", "mp2"), ("ogg", "libopus")],
)
def test_a_pause_in_the_track_is_silence(container: str, codec: str) -> None:
    data = make(container, Track(beeps(7), codec, pauses_s=((1.0, 4.0),)))
    _, samples, _ = decode(data)
    assert switches_s(samples)[:4] == near(0, 1, 4, 5)
    assert len(samples) / OUT_HZ == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("mp4", "aac", {"movflags": "faststart"}),
        ("matroska", "aac", {"cluster_time_limit": "500"}),
        ("webm", "libopus", {"cluster_time_limit": "500"}),
        ("mpegts", "aac", {}),
        ("ogg", "libopus", {"page_duration": "200000"}),
    ],
)
def test_damage_in_the_middle_does_not_move_what_follows(container: str, codec: str, options: dict[str, str]) -> None:
    data = bytearray(make(container, Track(tone(10), codec), Track(beeps(12), codec), options=options))
    data[len(data) * 2 // 10 : len(data) * 3 // 10] = np.random.default_rng(1).bytes(len(data) // 10)
    _, samples, _ = decode(bytes(data), track=1)
    assert switches_s(samples[8 * OUT_HZ :])[:3] == near(0, 1, 2, within_s=0.12)


@pytest.mark.parametrize("kind", ["avi", "flac", "mp3", "aac", "wav"])
def test_damage_in_bare_frames_costs_only_themselves(kind: str) -> None:
    data = bytearray(steady(kind))
    middle, length = len(data) * 4 // 10, len(data) // 10
    data[middle : middle + length] = np.random.default_rng(1).bytes(length)
    _, samples, _ = decode(bytes(data))
    assert len(samples) / OUT_HZ == pytest.approx(6, abs=0.9)


def test_joined_broadcasts_are_heard_one_after_the_other() -> None:
    first = make("mpegts", Track(beeps(2), "mp2"), picture="mpeg2video")
    later = make("mpegts", Track(beeps(2), "mp2", start_s=5000), picture="mpeg2video", picture_start_s=5000)
    for data in (first + first, first + later, later + first):
        _, samples, _ = decode(data)
        assert switches_s(samples)[:4] == near(0, 1, 2, 3, within_s=0.15)


def test_a_track_may_change_its_shape() -> None:
    parts = [
        Track(beeps(2)),
        Track(np.stack([beeps(2, 44_100)] * 2), rate_hz=44_100),
        Track(beeps(2, 22_050), rate_hz=22_050),
    ]
    _, samples, _ = decode(b"".join(make("adts", part) for part in parts))
    assert len(samples) / OUT_HZ == pytest.approx(6, abs=0.2)
    assert switches_s(samples)[:6] == near(0, 1, 2, 3, 4, 5, within_s=0.15)


# --- tracks -----------------------------------------------------------------------------------


def two_tracks() -> bytes:
    return make("matroska", Track(tone(1, 440)), Track(tone(1, 1000)), picture="h264")


def pitch_hz(samples: Samples) -> int:
    spectrum = np.abs(np.fft.rfft(samples[:OUT_HZ]))
    return int(np.argmax(spectrum) * OUT_HZ / len(samples[:OUT_HZ]))


@pytest.mark.parametrize(("asked", "track", "hertz"), [(None, 0, 440), (0, 0, 440), (1, 1, 1000)])
def test_the_first_track_or_the_one_asked_for(asked: int | None, track: int, hertz: int) -> None:
    info, samples, _ = decode(two_tracks(), asked)
    assert (info.audio_track, info.audio_tracks) == (track, 2)
    assert pitch_hz(samples) == pytest.approx(hertz, abs=5)


@pytest.mark.parametrize("asked", [2, -1, 10**9])
def test_a_track_that_is_not_there(asked: int) -> None:
    with pytest.raises(NoAudioTrackError, match="the recording has 2") as caught:
        decode(two_tracks(), asked)
    assert "0 to 1" in caught.value.fix


def test_no_audio_track() -> None:
    for container, codec in (("mp4", "h264"), ("matroska", "h264"), ("mpegts", "mpeg2video"), ("avi", "mpeg4")):
        with pytest.raises(NoAudioTrackError):
            decode(make(container, picture=codec))


def test_pictures_are_not_decoded_even_to_learn_about_them() -> None:
    import av

    from emoscribe.decoder.container import open_container

    with open_container(io.BytesIO(recording("mp4")), lambda: None) as (container, _):
        assert container.streams.video[0].codec_context.pix_fmt is None
    with av.open(io.BytesIO(recording("mp4"))) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


# --- short, cut and broken ------------------------------------------------------------------


@pytest.mark.parametrize("samples", [0, 1, 2, 159, 16_000])
def test_short_recordings_are_ordinary(samples: int) -> None:
    _, decoded, truncated = decode(wav(np.full(samples, 1000, np.int16), OUT_HZ))
    assert decoded.tolist() == pytest.approx([1000 / 32768] * samples)
    assert not truncated


INDEX_LAST = {"mp4", "mp4, eac3", "mov, pcm", "m4a, aac", "m4a, alac", "3gp"}


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - INDEX_LAST))
@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.2])
def test_a_truncated_recording_yields_what_is_there(kind: str, share: float) -> None:
    data = steady(kind)
    _, whole, _ = decode(data)
    cut = data[: int(len(data) * share)]
    _, part, truncated = decode(cut)
    assert truncated or len(cut) % 188 == 0
    assert len(whole) * share - 1.2 * OUT_HZ < len(part) <= len(whole)
    sure = max(0, len(part) - OUT_HZ // 5)  # the last packet may be half there
    assert np.array_equal(part[:sure], whole[:sure])


@pytest.mark.parametrize("kind", sorted(INDEX_LAST))
@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_without_its_index_a_recording_cannot_be_read(kind: str, share: float) -> None:
    data = steady(kind)
    with pytest.raises(CorruptMediaError, match="index"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", CorruptMediaError),
        (b"\x00", UnsupportedMediaError),
        (bytes(100_000), UnsupportedMediaError),
        (b"Dear sir or madam,\n" * 1000, UnsupportedMediaError),
        (b"%PDF-1.7\n" + bytes(5000), UnsupportedMediaError),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), UnsupportedMediaError),
        (b"PK\x03\x04" + bytes(5000), UnsupportedMediaError),
        (b"RIFF\x00\x10\x00\x00WEBPVP8 " + bytes(5000), UnsupportedMediaError),
        (b"\x1a\x45\xdf\xa3" + bytes(5000), CorruptMediaError),
        (b"\x00\x00\x00\x20ftypisom" + bytes(5000), CorruptMediaError),
        (b"OggS" + bytes(5000), CorruptMediaError),
        (b"fLaC" + bytes(5000), CorruptMediaError),
    ],
)
def test_other_content_is_refused(data: bytes, error: type[MediaError]) -> None:
    with pytest.raises(error):
        decode(data)


def test_a_track_of_garbage_is_corrupt() -> None:
    data = bytearray(recording("mp4, index first"))
    start = data.index(b"mdat") + 4
    data[start:] = b"\xff" * (len(data) - start)
    with pytest.raises(CorruptMediaError, match="No audio"):
        decode(bytes(data))


def test_encrypted_audio_is_refused() -> None:
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "01" * 16, "encryption_kid": "02" * 16}
    with pytest.raises(UnsupportedMediaError, match="encrypted"):
        decode(make("mp4", Track(), options=key))


def test_a_codec_that_is_not_allowed_is_named_and_another_track_can_be_used() -> None:
    data = make("matroska", Track(codec="tta"), Track())
    with pytest.raises(UnsupportedMediaError, match="track 0 of 2 is not supported: tta"):
        decode(data)
    info, _, _ = decode(data, 1)
    assert info.codec == "aac"


# --- bounds -----------------------------------------------------------------------------------


def test_silence_that_never_ends_is_stopped() -> None:
    data = flac_silence(100 * 3600)
    assert len(data) < 2**20
    with pytest.raises(MediaLimitError, match="longer than 3600 s"):
        decode(data, max_duration_s=3600)


def test_a_recording_exactly_as_long_as_allowed_is_not_too_long() -> None:
    """Nor one that lasts a little longer than it says, for then the work on it has been done."""
    allowed, too_long = (wav(np.zeros(samples, np.int16), OUT_HZ) for samples in (3 * OUT_HZ, 3 * OUT_HZ + 1))
    assert len(decode(allowed, max_duration_s=2)[1]) == 3 * OUT_HZ
    with pytest.raises(MediaLimitError, match="longer than 2 s"):
        decode(too_long, max_duration_s=2)
    assert len(decode(make("ipod", Track(tone(2))), max_duration_s=2)[1]) >= 2 * OUT_HZ


def test_a_header_that_says_too_long_is_believed_before_the_work_begins() -> None:
    with (
        pytest.raises(MediaLimitError, match="longer than 2 s"),
        open_recording(io.BytesIO(recording("matroska")), DecodeRequest(OUT_HZ, OUT_HZ, 2)),
    ):
        pytest.fail("should not have been opened")


def test_a_pause_of_days_is_not_filled() -> None:
    """Where a length is declared, it is too long; where none is, the clock must have jumped."""
    declared, live = (
        make("matroska", Track(tone(1)), Track(tone(1), start_s=5 * DAY_S), options={"live": live}) for live in "01"
    )
    with pytest.raises(MediaLimitError):
        decode(declared, track=1)
    assert len(decode(live, track=1)[1]) / OUT_HZ == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("live", "pause_s"), [("0", 9000), ("1", 3000)])
def test_a_long_pause_that_can_be_true_is_filled(live: str, pause_s: int) -> None:
    data = make("matroska", Track(tone(1)), Track(tone(1), start_s=pause_s), options={"live": live})
    _, samples, _ = decode(data, track=1)
    assert switches_s(samples)[0] == pytest.approx(pause_s, abs=0.05)
    with pytest.raises(MediaLimitError):
        decode(data, track=1, max_duration_s=1000)


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(1, 1), (999, 1), (768_001, 1), (2**31 - 1, 1), (48_000, 25), (48_000, 1000)]
)
def test_shapes_that_no_recording_has(rate_hz: int, channels: int) -> None:
    with pytest.raises((MediaLimitError, CorruptMediaError, UnsupportedMediaError)):
        decode(wav(np.zeros(10_000, np.int16), rate_hz, channels))


def test_channels_that_cannot_be_mixed_down() -> None:
    with pytest.raises(UnsupportedMediaError, match="17 audio channels"):
        decode(wav(np.zeros(17 * 1000, np.int16), 48_000, 17))


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
def test_usual_numbers_of_channels_are_mixed_down(channels: int) -> None:
    wave = np.repeat((tone(1, rate_hz=OUT_HZ) * 32767).astype(np.int16), channels)
    _, samples, _ = decode(wav(wave, OUT_HZ, channels))
    assert len(samples) == OUT_HZ
    assert pitch_hz(samples) == pytest.approx(440, abs=5)


def test_a_codec_header_of_any_size_is_no_sound() -> None:
    """An element that claims 200 MB, in a file that has them: refused or passed over, not decoded."""
    private = ebml("63A2", bytes(2**20), claimed_bytes=200 * 2**20)
    track = ebml("AE", ebml("D7", b"\x01") + ebml("83", b"\x02") + ebml("86", b"A_OPUS") + private)
    data = ebml("1A45DFA3", ebml("4282", b"webm")) + ebml("18538067", ebml("1654AE6B", track))
    with pytest.raises(MediaError):
        decode(data)
