import io
from functools import cache

import pytest

from emoscribe.decoder.structure import is_cut_short, recognise
from tests.media_maker import Track, beeps, make

MAKERS = {
    "mp4": lambda: make("mp4", Track(), picture="h264"),
    "mp4 with its index first": lambda: make("mp4", Track(), picture="h264", options={"movflags": "faststart"}),
    "mp4 in fragments": lambda: make("mp4", Track(), picture="h264", options={"movflags": "frag_keyframe+empty_moov"}),
    "mov": lambda: make("mov", Track(codec="pcm_s16le"), picture="mpeg4"),
    "m4a": lambda: make("ipod", Track()),
    "matroska": lambda: make("matroska", Track(), picture="h264"),
    "webm": lambda: make("webm", Track(codec="libopus"), picture="vp8"),
    "avi": lambda: make("avi", Track(codec="mp3"), picture="mpeg4"),
    "wav": lambda: make("wav", Track(codec="pcm_s16le")),
    "ogg": lambda: make("ogg", Track(codec="libopus")),
    "mpegts": lambda: make("mpegts", Track(), picture="mpeg2video"),
    "mp3": lambda: make("mp3", Track(codec="mp3")),
    "aac": lambda: make("adts", Track()),
    "flac": lambda: make("flac", Track(beeps(3), codec="flac")),
}
SILENT_ABOUT_THEIR_LENGTH = {"aac", "flac"}  # flac counts its samples: decoder/decode.py compares them


@cache
def recording(kind: str) -> bytes:
    return MAKERS[kind]()


def container(kind: str) -> str:
    return kind.partition(" ")[0]


@pytest.mark.parametrize("kind", MAKERS)
def test_the_container_is_recognised_by_its_first_bytes(kind: str) -> None:
    expected = {"mov": "mp4", "m4a": "mp4"}.get(kind, container(kind))
    assert recognise(recording(kind)[:4096]) == expected


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff", b"#EXTM3U\n", b"RIFF\x00\x00\x00\x00WEBP", b"%PDF-1.7", b"PK\x03\x04" + bytes(60), b"G" * 100],
)
def test_other_content_is_not_recognised(head: bytes) -> None:
    assert recognise(head) is None


@pytest.mark.parametrize("kind", MAKERS)
def test_a_whole_file_is_whole(kind: str) -> None:
    assert not is_cut_short(io.BytesIO(recording(kind)), container(kind))


@pytest.mark.parametrize("kind", sorted(set(MAKERS) - SILENT_ABOUT_THEIR_LENGTH - {"mp4 in fragments"}))
def test_every_cut_is_noticed(kind: str) -> None:
    data = recording(kind)
    lengths = {len(data) * part // 60 for part in range(1, 60)} | {len(data) - 10}
    unnoticed = [length for length in lengths if not is_cut_short(io.BytesIO(data[:length]), container(kind))]
    if kind == "mpegts":  # has no end that could be missing, but packets of 188 bytes
        unnoticed = [length for length in unnoticed if length % 188]
    assert unnoticed == []


def test_a_fragmented_file_may_end_after_any_fragment_but_not_within_one() -> None:
    data = recording("mp4 in fragments")
    boundary = data.rindex(b"moof") - 4
    assert not is_cut_short(io.BytesIO(data[:boundary]), "mp4")
    assert is_cut_short(io.BytesIO(data[: boundary + 4]), "mp4")
    assert is_cut_short(io.BytesIO(data[: boundary - 4]), "mp4")


def test_recorders_that_did_not_know_the_length_are_believed() -> None:
    data = recording("wav")
    for unknown in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff"):
        assert not is_cut_short(io.BytesIO(data[:4] + unknown + data[8:9000]), "wav")


@pytest.mark.parametrize("kind", ["mp4", "matroska", "wav", "avi", "ogg", "mpegts", "mp3", "aac", "flac"])
@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 40, b"\xff" * 40, b"OggS", b"RIFF" + bytes(40), b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f"]
)
def test_nonsense_is_judged_without_complaint(kind: str, data: bytes) -> None:
    assert is_cut_short(io.BytesIO(data), kind) in {True, False}
