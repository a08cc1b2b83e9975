"""The process around the decoder: what goes in, what comes out, and that it ends. The rest: test_decoder_decode.py."""

import hashlib
import os
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from emoscribe.audio import BYTES_PER_SAMPLE, CHUNK_SAMPLES, read_all
from emoscribe.decoder import child, process
from emoscribe.errors import (
    CorruptMediaError,
    EmoScribeError,
    MediaError,
    MediaLimitError,
    MediaNotFoundError,
    NoAudioTrackError,
    UnsupportedMediaError,
)
from emoscribe.media import BytesSource, DecodeLimits, LocalSource, Source, SourceAccess, open_audio
from emoscribe.types import Samples
from tests.broken_child import WAYS
from tests.media_maker import Track, beeps, flac_silence, make, tone, wav

LIMITS = DecodeLimits(stall_s=120)
MIB = 2**20
PIPE_BYTES = 64 * 1024


def read(source: Source, track: int | None = None, limits: DecodeLimits = LIMITS) -> Samples:
    with open_audio(source, track=track, limits=limits) as audio:
        return read_all(audio)


def children() -> set[int]:
    """Ids of this process's children, zombies included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:  # ended meanwhile
            continue
        if int(text.rpartition(")")[2].split()[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = children(), descriptors()
    yield
    assert (children(), descriptors()) == before


@pytest.fixture(scope="module")
def mp4() -> bytes:
    return make("mp4", Track(beeps(3)), Track(tone(3)), picture="h264")


# --- what comes out -----------------------------------------------------------------------


def test_a_local_file_and_its_bytes_give_the_same(tmp_path: Path, mp4: bytes) -> None:
    file = tmp_path / "interview.mp4"
    file.write_bytes(mp4)
    with open_audio(LocalSource(file), limits=LIMITS) as local:
        info = local.info
        assert not local.truncated
        local_samples = read_all(local)
        assert local.duration_ms == len(local_samples) // 16 == pytest.approx(3000, abs=50)
    with open_audio(BytesSource(mp4, "interview.mp4"), limits=LIMITS) as memory:
        assert memory.info == info
        assert np.array_equal(read_all(memory), local_samples)
    assert info.name == "interview.mp4"
    assert info.size_bytes == len(mp4)
    assert info.sha256 == hashlib.sha256(mp4).hexdigest()
    assert (info.container, info.codec, info.audio_track, info.audio_tracks) == ("mp4", "aac", 0, 2)
    assert info.expected_duration_ms == pytest.approx(3000, abs=50)


def test_chunks_are_equal_floats_and_are_given_once() -> None:
    data = wav(np.arange(2 * CHUNK_SAMPLES + 5, dtype=np.int64).astype(np.int16), 16_000)
    with open_audio(BytesSource(data), limits=LIMITS) as audio:
        chunks = list(audio)
        assert list(audio) == []
    assert [len(chunk) for chunk in chunks] == [CHUNK_SAMPLES, CHUNK_SAMPLES, 5]
    assert {chunk.dtype for chunk in chunks} == {np.dtype(np.float32)}
    assert all(chunk.min() >= -1 and chunk.max() < 1 for chunk in chunks)


def test_a_track_is_chosen(mp4: bytes) -> None:
    first, second = read(BytesSource(mp4)), read(BytesSource(mp4), track=1)
    assert np.abs(first[20_000:30_000]).max() < 0.1 < np.abs(second[20_000:30_000]).max()
    with pytest.raises(NoAudioTrackError, match="has 2"):
        read(BytesSource(mp4), track=2)


def test_a_truncated_file_is_said_to_be(mp4: bytes) -> None:
    data = make("matroska", Track(tone(3)), picture="h264")
    with open_audio(BytesSource(data[: len(data) // 2]), limits=LIMITS) as audio:
        samples = read_all(audio)
        assert audio.truncated
        assert 8000 < len(samples) < 32_000
    with pytest.raises(CorruptMediaError, match="index"):
        read(BytesSource(mp4[: len(mp4) // 2]))


def test_every_kind_of_stream_is_passed_over(tmp_path: Path) -> None:
    """By then the process can open no file any more, not even to import a part of PyAV."""
    import av

    for container, extra in (("matroska", "attachment"), ("mpegts", "data")):
        with av.open(tmp_path / extra, "w", format=container) as output:
            if extra == "data":
                output.add_data_stream("klv")
            else:
                output.add_attachment("font.ttf", "font/ttf", bytes(100))
                output.add_attachment("cover.jpg", "image/jpeg", b"\xff\xd8" + bytes(100))
            stream = output.add_stream("aac", rate=48_000)
            for _, frame in Track(tone(1)).frames("mono"):
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        assert len(read(LocalSource(tmp_path / extra))) == pytest.approx(16_000, abs=500)


def test_subtitles_are_passed_over(shared_data: Path) -> None:
    assert len(read(LocalSource(shared_data / "video" / "mov_text.mp4"))) > 0


def test_real_recording(shared_data: Path) -> None:
    from faster_whisper.audio import decode_audio

    file = shared_data / "video" / "example.mp4"
    assert np.array_equal(read(LocalSource(file)), decode_audio(str(file)))


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "-i",
        "--help",
        "concat:a|b",
        "http:example.org",
        "pipe:0",
        "%d.mp4",
        "two\nlines.mp4",
        "\x1b[2Jscreen.mp4",
        "отпуск 日本 👩‍👩‍👧.mp4",
        os.fsdecode(b"latin1-\xe9.mp4"),
        "x" * 255,
        "wrong.txt",
        " ",
    ],
)
def test_a_name_is_only_a_label(tmp_path: Path, name: str) -> None:
    data = wav(np.full(160, 1000, np.int16), 16_000)
    (tmp_path / name).write_bytes(data)
    source = LocalSource(tmp_path / name)
    with open_audio(source, limits=LIMITS) as audio:
        assert len(read_all(audio)) == 160
        assert audio.info.name == source.name == BytesSource(data, name).name
    source.name.encode()
    assert len(source.name) == len(name)
    assert source.name.splitlines() == [source.name]


def test_names_that_cannot_be_shown_are_made_so() -> None:
    assert LocalSource(Path("/a/b/two\nlines\x1b.mp4")).name == "two\ufffdlines\ufffd.mp4"
    assert LocalSource(Path(os.fsdecode(b"\xe9.mp4"))).name == "\ufffd.mp4"
    assert LocalSource(Path("/a/日本\u3000語.mp4")).name == "日本\u3000語.mp4"
    assert BytesSource(b"", "").name == "recording"


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"#EXTM3U\nhttp://127.0.0.1/1.ts\n")
    (tmp_path / "notes.txt").write_bytes(make("ogg", Track(codec="libopus")))
    with pytest.raises(UnsupportedMediaError):
        read(LocalSource(tmp_path / "film.mp4"))
    assert len(read(LocalSource(tmp_path / "notes.txt"))) > 0


# --- what is not a recording ------------------------------------------------------------------


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "none.mp4", tmp_path / "file" / "none.mp4", tmp_path / "nu\0ll", Path()):
        with pytest.raises((MediaNotFoundError, UnsupportedMediaError)):
            read(LocalSource(path))
    assert LocalSource(tmp_path / "none.mp4").size_bytes is None


def test_folders_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.mp4"))
        for path in (tmp_path, tmp_path / "pipe.mp4", tmp_path / "socket.mp4", Path("/dev/zero"), Path("/dev/stdin")):
            with pytest.raises(UnsupportedMediaError, match="not a file"):
                read(LocalSource(path))


def test_a_file_that_becomes_a_pipe_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    regular = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda _self, **_: regular)
    with pytest.raises(UnsupportedMediaError, match="not a file"):
        read(LocalSource(tmp_path / "pipe"))


def test_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(MediaError, match="cannot be opened"):
        read(LocalSource(tmp_path / "loop"))
    with pytest.raises(MediaError, match="could not be read"):  # opens, but every read of address 0 fails
        read(LocalSource(Path("/proc/self/mem")))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "mine.mp4").write_bytes(b"x")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MediaError, match="Permission denied"):
        read(LocalSource(tmp_path / "mine.mp4"))


def test_an_empty_file_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for source in (LocalSource(tmp_path / "empty.mp4"), BytesSource(b"")):
        with pytest.raises(CorruptMediaError, match="empty"):
            read(source)


def test_playlists_and_references_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(np.full(16_000, 9999, np.int16), 16_000))
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"
        for target in (url, str(secret)):
            for name, text in playlists(target).items():
                (tmp_path / name).write_text(text)
                with pytest.raises(UnsupportedMediaError):
                    read(LocalSource(tmp_path / name))
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def playlists(target: str) -> dict[str, str]:
    port = target.rpartition(":")[2].partition("/")[0]
    segment = f'<SegmentList><SegmentURL media="{target}"/></SegmentList>'
    return {
        "hls.m3u8": f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        "dash.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period><AdaptationSet mimeType="audio/mp4">'
        f'<Representation id="1" bandwidth="1">{segment}</Representation></AdaptationSet></Period></MPD>',
        "list.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "session.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "film.ref": f"[Reference]\nRef1={target}\n",
    }


# --- hostile recordings ---------------------------------------------------------------------


def sound_recordings() -> list[bytes]:
    return [
        make("mp4", Track(tone(1)), picture="h264"),
        make("matroska", Track(tone(1)), picture="h264"),
        make("mpegts", Track(tone(1)), picture="mpeg2video"),
        make("avi", Track(tone(1), "mp3"), picture="mpeg4"),
        make("ogg", Track(tone(1), "libopus")),
        make("flac", Track(tone(1), "flac")),
        make("wav", Track(tone(1), "pcm_s16le")),
        make("mp3", Track(tone(1), "mp3")),
    ]


def outcome(data: bytes) -> str | MediaError:
    try:
        return f"{len(read(BytesSource(data)))} samples"
    except MediaError as error:
        return error


def test_damaged_recordings_give_a_result_or_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.default_rng(2024)
    outcomes: list[str | MediaError] = []
    for data in sound_recordings():
        for damage in (1, 20, 400):
            broken = bytearray(data)
            reach = len(data) if damage != 20 else 400  # the headers are the most interesting part
            for _ in range(damage):
                broken[random.integers(min(reach, len(data)))] ^= 1 << int(random.integers(8))
            outcomes.append(outcome(bytes(broken)))
    assert len(outcomes) == 24
    assert {type(outcome) for outcome in outcomes} >= {str, CorruptMediaError}
    assert all(
        400 <= outcome.http_status < 500 and outcome.message for outcome in outcomes if not isinstance(outcome, str)
    )
    assert "ended with status" not in caplog.text


def test_a_header_that_asks_for_more_memory_than_allowed() -> None:
    """An ALAC track whose frames are said to hold 16 million samples: the decoder wants buffers of 64 MB."""
    data = bytearray(make("ipod", Track(tone(1), "alac")))
    frame_length = data.rindex(b"alac") + 8
    data[frame_length : frame_length + 4] = (4096 * 4096).to_bytes(4, "big")
    with pytest.raises(MediaLimitError, match="memory"):
        read(BytesSource(bytes(data)), limits=replace(LIMITS, memory_bytes=256 * MIB))


def test_silence_without_end_is_stopped_while_decoding() -> None:
    with (
        open_audio(BytesSource(flac_silence(10 * 3600)), limits=replace(LIMITS, max_duration_s=60)) as audio,
        pytest.raises(MediaLimitError, match="longer than 60 s"),
    ):
        read_all(audio)


def test_a_file_larger_than_allowed_is_not_read() -> None:
    data = wav(np.zeros(100, np.int16), 16_000)
    limits = replace(LIMITS, max_source_bytes=len(data))
    assert len(read(BytesSource(data), limits=limits)) == 100
    with pytest.raises(MediaLimitError, match="bytes"):
        read(BytesSource(data + b"x"), limits=limits)


def test_a_file_that_changes_meanwhile_has_no_result(tmp_path: Path) -> None:
    file = tmp_path / "growing.wav"
    file.write_bytes(wav(np.zeros(10 * CHUNK_SAMPLES, np.int16), 16_000))
    with open_audio(LocalSource(file), limits=LIMITS) as audio:
        next(iter(audio))
        with file.open("ab") as more:
            more.write(b"more")
        with pytest.raises(MediaError, match="changed"):
            read_all(audio)


# --- the process ------------------------------------------------------------------------------


def the_child(before: set[int]) -> Path:
    (process,) = children() - before
    return Path(f"/proc/{process}")


def test_the_process_has_few_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    (tmp_path / "private name.flac").write_bytes(flac_silence(3600))
    before = children()
    with open_audio(LocalSource(tmp_path / "private name.flac"), limits=LIMITS) as audio:
        process = the_child(before)
        next(iter(audio))
        limits = {line[:25].strip(): line[25:].split()[:2] for line in (process / "limits").read_text().splitlines()}
        assert "hunter2" not in (process / "environ").read_text()
        assert "private name" not in (process / "cmdline").read_text()
        assert Path(process / "cwd").readlink() == Path("/")
        assert os.getsid(int(process.name)) == int(process.name)
    for what in ("Max open files", "Max file size", "Max core file size", "Max processes"):
        assert limits[what] == ["0", "0"]
    assert limits["Max address space"] == [str(LIMITS.memory_bytes)] * 2
    assert limits["Max cpu time"][0] == str(LIMITS.cpu_s)


def test_leaving_early_ends_the_process(tmp_path: Path) -> None:
    """The fixture looks for what is left, however the context is left."""
    source = BytesSource(flac_silence(10 * 3600))
    with open_audio(source, limits=LIMITS):
        pass
    with open_audio(source, limits=LIMITS) as audio:
        next(iter(audio))
    for error in (KeyboardInterrupt, GeneratorExit, ValueError):
        with pytest.raises(error):
            fail_while_reading(source, error)
    generator = sounds(source)
    next(generator)
    generator.close()


def fail_while_reading(source: Source, error: type[BaseException]) -> None:
    with open_audio(source, limits=LIMITS) as audio:
        next(iter(audio))
        raise error


def sounds(source: Source) -> Generator[Samples, None, None]:
    with open_audio(source, limits=LIMITS) as audio:
        yield from audio


def figure(file: Path, name: str) -> int:
    return int(file.read_text().partition(name)[2].split()[0])


def test_memory_does_not_grow_and_the_decoder_waits_for_its_reader() -> None:
    before = children()
    with open_audio(BytesSource(flac_silence(3 * 3600)), limits=LIMITS) as audio:
        process = the_child(before)
        sizes = []
        for number, _ in enumerate(audio, 1):
            if number % 300 == 100:
                sizes.append(figure(process / "status", "VmRSS:"))
                ahead_bytes = figure(process / "io", "wchar:") - number * CHUNK_SAMPLES * BYTES_PER_SAMPLE
                assert ahead_bytes <= PIPE_BYTES + 2 * number * child.HEADER.size
        assert audio.duration_ms > 10_700_000
    assert len(sizes) == 9
    assert max(sizes) - sizes[0] < 2000, sizes  # kB in 3 h
    assert sizes[0] < 150_000


def test_two_recordings_at_once(mp4: bytes) -> None:
    alone = read(BytesSource(mp4))
    with open_audio(BytesSource(mp4), limits=LIMITS) as one, open_audio(BytesSource(mp4), limits=LIMITS) as other:
        pairs = list(zip(one, other, strict=True))
    assert all(np.array_equal(left, right) for left, right in pairs)
    results: list[Samples] = []
    threads = [threading.Thread(target=lambda: results.append(read(BytesSource(mp4)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(np.array_equal(result, alone) for result in results)


# --- a process that goes wrong ------------------------------------------------------------------


@dataclass(frozen=True)
class Wayward:
    """A source whose decoding process is `tests.broken_child`."""

    way: str
    name: str = "x"
    size_bytes: int | None = None

    @contextmanager
    def open(self) -> Iterator[SourceAccess]:
        yield SourceAccess("none", {"way": self.way})


STOOD_STILL = (MediaLimitError, "stood still for 1 s")
EXPECTED: dict[str, tuple[type[EmoScribeError], str]] = {
    "segfault": (CorruptMediaError, "crashed"),
    "abort": (CorruptMediaError, "crashed"),
    "killed": (MediaLimitError, "killed"),
    "crash after samples": (CorruptMediaError, "crashed"),
    "failed start": (EmoScribeError, "could not start"),
    "hang": STOOD_STILL,
    "hang after the track": STOOD_STILL,
    "complaining": STOOD_STILL,
    "unknown error": (CorruptMediaError, "x{500}"),
    "busy": (MediaLimitError, "longer than 1 s"),
    "still working": (MediaLimitError, "longer than 1 s"),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_process_does_there_is_a_reason(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MODULE", "tests.broken_child")
    error, message = EXPECTED.get(way, (CorruptMediaError, "thrown off"))
    stall_s = 1 if EXPECTED.get(way) == STOOD_STILL else 30
    with pytest.raises(error, match=message) as caught:
        read(Wayward(way), limits=DecodeLimits(cpu_s=1, stall_s=stall_s))
    assert len(caught.value.message) <= 500


def test_an_installation_that_cannot_decode_is_not_the_fault_of_the_recording(mp4: bytes) -> None:
    with pytest.raises(EmoScribeError, match="could not start") as caught:
        read(BytesSource(mp4), limits=replace(LIMITS, memory_bytes=64 * MIB))
    assert not isinstance(caught.value, MediaError)


def test_a_python_that_is_not_there(mp4: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EmoScribeError, match="could not start: No such file"):
        read(BytesSource(mp4))


def test_errors_are_put_into_words() -> None:
    assert isinstance(child.as_media_error(MemoryError()), MediaLimitError)
    assert child.as_media_error(OSError(5, "Input/output error")).code == "unreadable_media"
    assert child.as_media_error(ZeroDivisionError()).code == "corrupt_media"
    ours = NoAudioTrackError("none")
    assert child.as_media_error(ours) is ours
