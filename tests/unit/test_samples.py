"""The bundled sample and the speech clips are what their lists say they are."""

import hashlib
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from emoscribe.labels import LABELS
from emoscribe.types import SAMPLES_PER_MS
from tests.conftest import ROOT
from tests.sounds import SPEECH_DIR, read_clip, speech_clips

SAMPLES_DIR = ROOT / "samples"
VIDEO = SAMPLES_DIR / "demo-pt.mp4"
MB = 1_000_000


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SAMPLES_DIR / "demo-pt.json").read_text(encoding="utf-8"))
    return content


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def top_level_boxes(file: Path) -> list[bytes]:
    """Types of an mp4's boxes in order; each is 4 bytes of size, 4 of type, then its content."""
    data = file.read_bytes()
    types, at = [], 0
    while at < len(data):
        types.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4])
    return types


def test_the_video_belongs_to_its_screenplay_and_its_list(truth: dict[str, Any]) -> None:
    how = "run samples/make_demo/make_demo.py, see samples/README.md"
    assert sha256(VIDEO) == truth["video_sha256"], how
    assert sha256(SAMPLES_DIR / "make_demo" / "screenplay.toml") == truth["screenplay_sha256"], how


def test_the_video_plays_in_browsers_and_on_phones(truth: dict[str, Any]) -> None:
    with av.open(VIDEO) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert (video.codec_context.name, video.pix_fmt, audio.codec_context.name) == ("h264", "yuv420p", "aac")
        assert container.duration is not None
        duration_ms = container.duration // 1000
    assert 60_000 <= duration_ms <= 120_000
    assert abs(duration_ms - truth["duration_ms"]) <= 100
    assert VIDEO.stat().st_size < 4 * MB
    boxes = top_level_boxes(VIDEO)
    assert boxes.index(b"moov") < boxes.index(b"mdat")  # so that playing starts before all is loaded


def test_the_lines_are_in_order_and_show_every_emotion(truth: dict[str, Any]) -> None:
    times = [time for line in truth["lines"] for time in (line["start_ms"], line["end_ms"])]
    assert times == sorted(times)
    assert times[-1] < truth["duration_ms"]
    assert {line["emotion"] for line in truth["lines"]} == set(LABELS)


def test_speech_is_heard_where_the_list_says_and_nothing_is_clipped(truth: dict[str, Any]) -> None:
    from faster_whisper.audio import decode_audio

    samples = np.asarray(decode_audio(str(VIDEO)), dtype=np.float32)
    assert np.abs(samples).max() < 0.99
    ends_ms = [line["end_ms"] for line in truth["lines"]]
    starts_ms = [line["start_ms"] for line in truth["lines"]]
    spoken = [loudness(samples, *span) for span in zip(starts_ms, ends_ms, strict=True)]
    pauses = [loudness(samples, end + 60, start - 60) for end, start in zip(ends_ms, starts_ms[1:], strict=False)]
    assert min(spoken) > 5 * max(pauses)


def loudness(samples: np.ndarray[Any, np.dtype[np.float32]], start_ms: int, end_ms: int) -> float:
    return float(np.sqrt(np.mean(np.square(samples[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]))))


def test_every_clip_is_listed_small_and_as_long_as_listed() -> None:
    manifest = json.loads((SPEECH_DIR / "manifest.json").read_text(encoding="utf-8"))
    listed = {entry["file"]: entry["duration_ms"] for entry in manifest["clips"]}
    assert set(listed) == {file.name for file in SPEECH_DIR.glob("*.ogg")}
    for file, duration_ms in listed.items():
        assert (SPEECH_DIR / file).stat().st_size < 50_000
        assert 2000 <= duration_ms <= 6000
        length_ms = len(read_clip(file.removesuffix(".ogg"))) / SAMPLES_PER_MS
        assert abs(length_ms - duration_ms) <= 20  # one Opus frame
    assert {clip.language for clip in speech_clips().values()} == {"pt", "en", "es", "fr"}
