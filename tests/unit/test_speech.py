"""Speech detection and packing: real clips against faster-whisper, and properties with a stand-in for the model."""

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emoscribe import catalog
from emoscribe.speech import SpeechDetector, SpeechOptions
from emoscribe.types import MAX_CLIP_MS, SAMPLES_PER_MS, Clip, Piece, Samples
from tests.conftest import ROOT

ReadSpeech = Callable[[str], Samples]
Interval = tuple[int, int]

FRAME_MS: Final = 32
FRAME_SAMPLES: Final = FRAME_MS * SAMPLES_PER_MS
PADDING_MS: Final = SpeechOptions().padding_ms
LONG_RECORDINGS: Final = ("longform/pt-adam.ogg", "longform/en-brian.ogg")
REAL_CLIPS: Final = (
    "fixtures/jfk.flac",
    "fixtures/multilingual.mp3",
    "fixtures/pt-BR_Sample1-16KHz.wav",
    "fixtures/stereo_diarization.wav",
    "fleurs/fleurs-pt-000.ogg",
    "fleurs/fleurs-fr-001.ogg",
    "fleurs/fleurs-de-002.ogg",
)


class SampleModel:
    """Stands in for Silero: the probability of speech in a frame is the frame's last sample."""

    def run(self, _names: None, inputs: dict[str, npt.NDArray[np.float32]]) -> Sequence[npt.NDArray[np.float32]]:
        return [inputs["input"][:, -1], inputs["h"], inputs["c"]]


def sound(probabilities: Iterable[float]) -> Samples:
    """A recording in which `SampleModel` finds these probabilities, one per frame."""
    return np.repeat(np.fromiter(probabilities, np.float32), FRAME_SAMPLES)


def runs(*parts: tuple[float, int]) -> Samples:
    """As `sound`, from (probability, ms) runs, ms in multiples of a frame."""
    return sound(p for p, duration_ms in parts for _ in range(duration_ms // FRAME_MS))


def find(recording: Samples, options: SpeechOptions | None = None) -> list[Clip]:
    return list(SpeechDetector(options, SampleModel()).clips([recording]))


def spans(clips: Iterable[Clip]) -> list[Interval]:
    """What the clips hold of the recording; what touches is one span."""
    return merged((piece.start_ms, piece.start_ms + piece.duration_ms) for clip in clips for piece in clip.pieces)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for start, end in intervals:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def check(clips: Sequence[Clip], recording: Samples, max_clip_ms: int = MAX_CLIP_MS) -> None:
    """Everything that `Clip` and `Piece` promise."""
    for clip in clips:
        assert 0 < len(clip.samples) <= max_clip_ms * SAMPLES_PER_MS
        assert clip.samples.dtype == np.float32
        assert len(clip.samples) == SAMPLES_PER_MS * sum(piece.duration_ms for piece in clip.pieces)
        clip_ms = 0
        for piece in clip.pieces:
            assert piece.clip_ms == clip_ms
            assert piece.duration_ms > 0
            clip_ms += piece.duration_ms
            there = recording[piece.start_ms * SAMPLES_PER_MS :][: piece.duration_ms * SAMPLES_PER_MS]
            here = clip.samples[piece.clip_ms * SAMPLES_PER_MS :][: piece.duration_ms * SAMPLES_PER_MS]
            assert np.array_equal(here, there)
        for piece, following in pairwise(clip.pieces):
            assert following.start_ms > piece.start_ms + piece.duration_ms
    assert all(after.start_ms >= before.end_ms for before, after in pairwise(clips))


def reference(recording: Samples) -> list[Interval]:
    """The speech faster-whisper finds, ms, what touches joined."""
    from faster_whisper.vad import get_speech_timestamps

    options = SpeechOptions()
    found = get_speech_timestamps(
        recording,
        threshold=options.start_threshold,
        neg_threshold=options.end_threshold,
        min_silence_duration_ms=options.min_silence_ms,
        min_speech_duration_ms=options.min_speech_ms - 1,  # theirs must be longer, ours as long
        speech_pad_ms=options.padding_ms,
    )
    return merged((found["start"] // SAMPLES_PER_MS, found["end"] // SAMPLES_PER_MS) for found in found)


# --- real speech ------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REAL_CLIPS)
def test_finds_the_speech_that_faster_whisper_finds(read_speech: ReadSpeech, name: str) -> None:
    recording = read_speech(name)
    clips = list(SpeechDetector().clips([recording]))
    check(clips, recording)
    expected = reference(recording)
    assert len(expected) > 0
    assert np.array(spans(clips)) == pytest.approx(np.array(expected), abs=FRAME_MS)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", LONG_RECORDINGS)
def test_fills_the_window_as_well_as_faster_whisper(read_speech: ReadSpeech, name: str) -> None:
    from faster_whisper.vad import collect_chunks, get_speech_timestamps

    recording = read_speech(name)[: 180 * 16_000]
    clips = list(SpeechDetector().clips(np.array_split(recording, 180)))
    check(clips, recording)
    theirs = get_speech_timestamps(recording, min_silence_duration_ms=160, max_speech_duration_s=30)
    windows, _ = collect_chunks(recording, theirs, max_duration=30)
    assert len(clips) <= len(windows)
    assert sum(clip.duration_ms for clip in clips[:-1]) / (len(clips) - 1) > 0.8 * MAX_CLIP_MS


@pytest.mark.shared_data
def test_chunking_changes_nothing(read_speech: ReadSpeech) -> None:
    recording = read_speech("fixtures/jfk.flac")
    options = SpeechOptions(max_clip_ms=4_000)
    whole = list(SpeechDetector(options).clips([recording]))
    assert len(whole) > 2

    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.integers(0, len(recording)), max_size=12), st.integers(1, 3))
    @example([], 3)
    def same_in_pieces(places: list[int], pieces_of: int) -> None:
        places = sorted([*places, *range(0, min(places, default=0), pieces_of)][:3_000])
        detector = SpeechDetector(options)
        clips = list(detector.clips(np.split(recording, places)))
        assert [clip.pieces for clip in clips] == [clip.pieces for clip in whole]
        assert all(np.array_equal(a.samples, b.samples) for a, b in zip(clips, whole, strict=True))

    same_in_pieces()


@pytest.mark.shared_data
def test_a_change_of_language_is_a_change_of_clip(read_speech: ReadSpeech) -> None:
    english, german = SpeechDetector().clips([read_speech("fixtures/multilingual.mp3")])
    assert english.end_ms < 30_000  # the speaker changes after a silence from 29.1 to 31.0 s
    assert german.start_ms > 30_000


def utterances(recording: Samples) -> Iterator[Samples]:
    """Stretches of 1 to 8 s of a recording without noise, cut where their sound begins and ends."""
    loud = np.abs(recording) > 0.01
    places = np.flatnonzero(loud)
    breaks = np.flatnonzero(np.diff(places) > 0.25 * 16_000)
    for first, last in zip(places[np.r_[0, breaks + 1]], places[np.r_[breaks, len(places) - 1]], strict=True):
        if 16_000 <= last - first <= 8 * 16_000:
            yield recording[first:last]


def with_silences(parts: Sequence[Samples], noise: float) -> tuple[Samples, npt.NDArray[np.float64]]:
    """The utterances with 0.5 to 8 s of silence before each, and (start, end) of each in ms."""
    random = np.random.default_rng(7)
    pieces: list[Samples] = []
    for part in parts:
        silence = random.normal(0, noise, int(random.uniform(0.5, 8) * 16_000)).astype(np.float32)
        pieces += [silence, part]
    ends = np.cumsum([len(piece) for piece in pieces])
    truth = np.stack([ends[0::2], ends[1::2]], axis=1) / SAMPLES_PER_MS
    return np.concatenate([*pieces, np.zeros(16_000, np.float32)]), truth


@pytest.mark.shared_data
def test_speech_is_found_where_it_is(read_speech: ReadSpeech) -> None:
    """U3, as far as it concerns speech: real utterances at known places."""
    recording, truth = with_silences(list(utterances(read_speech("longform/en-brian.ogg")))[:16], noise=3e-4)
    detector = SpeechDetector(SpeechOptions(padding_ms=0))
    found = np.array(spans(detector.clips([recording])))
    errors_ms = np.abs(found[:, None, :] - truth[None, :, :]).min(axis=0)  # (utterances, start and end)
    assert np.quantile(errors_ms, 0.95) <= 250  # Silero is late after a long silence; U3 allows 500
    assert detector.speech_ms == pytest.approx((truth[:, 1] - truth[:, 0]).sum(), rel=0.1)


@pytest.mark.shared_data
def test_no_word_loses_its_beginning(read_speech: ReadSpeech) -> None:
    """After digital silence Silero is late; the padding makes up for it."""
    recording, truth = with_silences(list(utterances(read_speech("longform/en-brian.ogg")))[:16], noise=0)
    clips = list(SpeechDetector().clips([recording]))
    for start, end in truth:
        held = sum(len(clip.between(int(start), int(end))) for clip in clips) / SAMPLES_PER_MS
        assert held >= end - start - 64
    assert all(b.start_ms - a.start_ms - a.duration_ms <= 3_000 for c in clips for a, b in pairwise(c.pieces))


@pytest.mark.shared_data
def test_speech_without_a_pause_is_cut_where_it_is_quiet(read_speech: ReadSpeech) -> None:
    recording = read_speech("longform/en-brian.ogg")
    gapless = np.concatenate([part[1600:-1600] for part in utterances(recording)])[: 100 * 16_000]
    clips = list(SpeechDetector(SpeechOptions(min_silence_ms=100_000)).clips([gapless]))
    check(clips, gapless)
    assert spans(clips) == [(clips[0].start_ms, clips[-1].end_ms)]
    assert all(clip.duration_ms >= 19_000 for clip in clips[:-1])

    def loudness(place_ms: int) -> float:
        around = gapless[(place_ms - 32) * SAMPLES_PER_MS : (place_ms + 32) * SAMPLES_PER_MS]
        return float(np.sqrt(np.square(around).mean()))

    anywhere = [loudness(place_ms) for place_ms in range(100, len(gapless) // SAMPLES_PER_MS - 100, 100)]
    cuts = [loudness(clip.end_ms) for clip in clips[:-1]]
    assert len(cuts) >= 3
    assert max(cuts) < np.quantile(anywhere, 0.2)


@pytest.mark.shared_data
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.1), (0.03, 0.0), (6.0, 0.0)])
def test_level_and_offset_do_not_matter_much(read_speech: ReadSpeech, gain: float, offset: float) -> None:
    recording = read_speech("fixtures/jfk.flac")
    plain, changed = SpeechDetector(), SpeechDetector()
    list(plain.clips([recording]))
    list(changed.clips([np.clip(gain * recording + offset, -1, 1).astype(np.float32)]))
    assert changed.speech_ms == pytest.approx(plain.speech_ms, rel=0.1)


def tone(frequency_hz: float) -> Samples:
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(160_000) / 16_000)).astype(np.float32)


@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(np.zeros(0, np.float32), id="nothing"),
        pytest.param(np.ones(1, np.float32), id="one sample"),
        pytest.param(np.zeros(160, np.float32), id="10 ms"),
        pytest.param(np.zeros(480_000, np.float32), id="silence"),
        pytest.param(np.full(160_000, 0.5, np.float32), id="direct current"),
        pytest.param(np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32), id="noise"),
        pytest.param(tone(440), id="tone"),
        pytest.param(np.sign(tone(100)), id="full-scale square wave"),
    ],
)
def test_what_is_not_speech_gives_no_clip(recording: Samples) -> None:
    detector = SpeechDetector()
    assert list(detector.clips([recording])) == []
    assert detector.speech_ms == 0


def test_no_chunks_give_no_clip() -> None:
    assert list(SpeechDetector().clips([])) == []


def test_the_model_is_the_one_in_the_catalogue(tmp_path: Path) -> None:
    assert SpeechDetector().models == (catalog.model_info("silero-vad", tmp_path),)


# --- with a stand-in for the model ------------------------------------------------------------

probability_runs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.34, 0.4, 0.5, 0.9, 1.0]), st.integers(1, 60)), max_size=40
)


@settings(max_examples=150, deadline=None)
@given(probability_runs, st.sampled_from([0, 30, 200, 400]), st.sampled_from([0, 96, 160, 500]))
def test_regions_are_those_of_faster_whisper(parts: list[tuple[float, int]], padding_ms: int, silence_ms: int) -> None:
    from faster_whisper import vad

    recording = sound(p for p, frames in parts for _ in range(frames))
    options = SpeechOptions(
        padding_ms=padding_ms, min_silence_ms=silence_ms, max_gap_ms=10**9, max_clip_ms=10**7, min_speech_ms=96
    )
    theirs = vad.VadOptions(
        threshold=0.5,
        neg_threshold=0.35,
        min_silence_duration_ms=silence_ms,
        speech_pad_ms=padding_ms,
        min_speech_duration_ms=95,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "get_vad_model", lambda: lambda padded: padded[:-1:FRAME_SAMPLES][: len(recording) // 512])
        expected = vad.get_speech_timestamps(recording, theirs)
    found = spans(find(recording, options))
    assert found == merged((span["start"] // SAMPLES_PER_MS, span["end"] // SAMPLES_PER_MS) for span in expected)


@settings(max_examples=150, deadline=None)
@given(
    probability_runs, st.sampled_from([1_500, 4_000, MAX_CLIP_MS]), st.sampled_from([0, 100, 200]), st.integers(0, 511)
)
def test_every_bit_of_speech_is_in_exactly_one_clip(
    parts: list[tuple[float, int]], max_clip_ms: int, padding_ms: int, rest: int
) -> None:
    recording = np.concatenate([sound(p for p, frames in parts for _ in range(frames)), np.zeros(rest, np.float32)])
    options = SpeechOptions(max_clip_ms=max_clip_ms, padding_ms=padding_ms, cut_within_ms=max_clip_ms // 4)
    clips = find(recording, options)
    check(clips, recording, max_clip_ms)
    is_held = np.zeros(len(recording), bool)
    for start, end in spans(clips):
        is_held[start * SAMPLES_PER_MS : end * SAMPLES_PER_MS] = True
    frame = 0
    for probability, frames in parts:
        if probability >= 0.5 and frames >= 3:  # 96 ms
            assert is_held[frame * FRAME_SAMPLES : (frame + frames) * FRAME_SAMPLES].all()
        frame += frames


def test_pauses_are_shortened_and_kept() -> None:
    [clip] = find(runs((0, 1024), (1, 1024), (0, 320), (1, 1024), (0, 2048), (1, 1024), (0, 1024)))
    assert clip.pieces == (
        Piece(0, 1024 - PADDING_MS, 2368 + 2 * PADDING_MS),  # the pause of 320 ms is kept whole
        Piece(2368 + 2 * PADDING_MS, 5440 - PADDING_MS, 1024 + 2 * PADDING_MS),
    )


def test_a_click_is_not_speech() -> None:
    detector = SpeechDetector(model=SampleModel())
    assert len(list(detector.clips([runs((0, 320), (1, 64), (0, 3200), (1, 96), (0, 320))]))) == 1
    assert detector.speech_ms == 96


@pytest.mark.parametrize(("silence_ms", "clips"), [(2_976, 1), (3_008, 2)])
def test_speech_on_both_sides_of_a_long_silence_is_not_packed_together(silence_ms: int, clips: int) -> None:
    assert len(find(runs((1, 3200), (0, silence_ms), (1, 3200)))) == clips


def test_a_full_clip_ends_at_the_longest_silence_near_its_end() -> None:
    sounds = [(1.0, 2048), (0.0, 320)] * 10 + [(1.0, 2048), (0.0, 960)] + [(1.0, 2048), (0.0, 320)] * 4
    first, second = find(runs(*sounds))
    assert first.end_ms == 11 * 2048 + 10 * 320 + PADDING_MS  # though there is room for the twelfth
    assert second.start_ms == first.end_ms + 960 - 2 * PADDING_MS


def test_what_the_cut_leaves_over_has_room_for_what_follows() -> None:
    recording = runs((1, 24_000), (0, 960), (1, 2_976), (0, 320), (1, 27_200))
    clips = find(recording)
    check(clips, recording)
    assert [clip.start_ms for clip in clips] == [0, 24_000 + 960 + 2_976 + 160]


def test_the_rest_of_speech_that_was_cut_is_kept_however_short() -> None:
    recording = runs((1, 28_992), (0.4, 64), (1, 384), (0, 640))
    clips = find(recording, SpeechOptions(min_speech_ms=500))
    assert spans(clips) == [(0, 28_992 + 64 + 384 + PADDING_MS)]


def test_endless_speech_without_a_pause_streams_through() -> None:
    minute = np.full(60 * 16_000, 0.9, np.float32)
    detector = SpeechDetector(model=SampleModel())
    place_ms = 0
    tracemalloc.start()
    try:
        for clip in detector.clips(minute for _ in range(20)):
            assert clip.start_ms == place_ms
            assert 0 < clip.duration_ms <= MAX_CLIP_MS
            place_ms = clip.end_ms
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert place_ms == detector.speech_ms == 20 * 60_000
    assert peak_bytes < 12 * 2**20  # six clips; the recording is 73 MiB


# --- from clip time to recording time ---------------------------------------------------------


@st.composite
def clips_with_pieces(draw: st.DrawFn) -> Clip:
    lengths = draw(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 3_000)), min_size=1, max_size=6))
    pieces: list[Piece] = []
    clip_ms = end_ms = 0
    for gap_ms, duration_ms in lengths:
        pieces.append(Piece(clip_ms, end_ms + gap_ms, duration_ms))
        clip_ms += duration_ms
        end_ms += gap_ms + duration_ms
    return Clip(np.arange(clip_ms * SAMPLES_PER_MS, dtype=np.float32), tuple(pieces))


@given(clips_with_pieces(), st.lists(st.integers(-10, 20_000)))
def test_recording_time_is_monotone_and_inside_a_piece(clip: Clip, places: list[int]) -> None:
    mapped = [clip.to_recording_ms(place) for place in sorted(places)]
    assert mapped == sorted(mapped)
    assert all(any(p.start_ms <= ms <= p.start_ms + p.duration_ms for p in clip.pieces) for ms in mapped)


@given(clips_with_pieces(), st.data())
def test_recording_time_goes_there_and_back(clip: Clip, data: st.DataObject) -> None:
    piece = data.draw(st.sampled_from(clip.pieces))
    inside_ms = data.draw(st.integers(0, piece.duration_ms - 1))
    assert clip.to_recording_ms(piece.clip_ms + inside_ms) == piece.start_ms + inside_ms
    assert clip.to_recording_ms(clip.duration_ms) == clip.end_ms


@given(clips_with_pieces(), st.lists(st.integers(0, 20_000), min_size=2, max_size=20))
def test_words_stay_in_one_piece_and_in_order(clip: Clip, places: list[int]) -> None:
    places = sorted(min(place, clip.duration_ms) for place in places)
    words = [clip.span_in_recording(start, end) for start, end in pairwise(places)]
    for start, end in words:
        assert any(p.start_ms <= start <= end <= p.start_ms + p.duration_ms for p in clip.pieces)
    for word, following in pairwise(words):
        assert word[1] <= following[0]


def test_a_word_belongs_to_the_piece_that_holds_more_of_it() -> None:
    clip = Clip(np.zeros(32_000, np.float32), (Piece(0, 1_000, 1_000), Piece(1_000, 9_000, 1_000)))
    assert clip.span_in_recording(1_000, 1_200) == (9_000, 9_200)  # it starts where the first piece ends
    assert clip.span_in_recording(700, 1_000) == (1_700, 2_000)
    assert clip.span_in_recording(900, 1_300) == (9_000, 9_300)
    assert clip.span_in_recording(600, 1_300) == (1_600, 2_000)
    assert clip.span_in_recording(1_000, 1_000) == (9_000, 9_000)
    assert clip.span_in_recording(1_900, 5_000) == (9_900, 10_000)


@given(clips_with_pieces(), st.integers(0, 40_000), st.integers(0, 40_000))
def test_samples_between_two_places(clip: Clip, start_ms: int, end_ms: int) -> None:
    expected = [
        clip.samples[(piece.clip_ms + ms) * SAMPLES_PER_MS]
        for piece in clip.pieces
        for ms in range(piece.duration_ms)
        if start_ms <= piece.start_ms + ms < end_ms
    ]
    assert clip.between(start_ms, end_ms)[::SAMPLES_PER_MS].tolist() == expected


def test_the_runtime_tells_nobody_about_its_sessions(tmp_path: Path) -> None:
    """ONNX Runtime 1.32 keeps a device id and events for its maker in the user's cache, unless told not to."""
    program = (
        "from emoscribe import catalog, speech_frames; catalog.forbid_downloads(); print(speech_frames.load_model())"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert not list(tmp_path.rglob("*"))
