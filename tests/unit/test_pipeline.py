"""The pipeline on real sound with fake model stages: order, batches, languages, failures, events."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoscribe.errors import NoAudioTrackError, StageError
from emoscribe.media import LocalSource
from emoscribe.pipeline import STAGES, AnalysisOptions, Finished, Progress, SegmentReady, analyse
from emoscribe.stages import Stages
from emoscribe.types import SAMPLE_RATE_HZ, Analysis, LanguageGuess, Samples, Transcript, TranscriptionRequest
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying, transcript
from tests.sounds import read_clip, silence


@pytest.fixture(scope="module")
def speech() -> Samples:
    """About half a minute of speech."""
    one = np.concatenate([read_clip("pt-1"), silence(600)])
    return np.tile(one, 1 + 30 * SAMPLE_RATE_HZ // len(one))


def recording(folder: Path, samples: Samples) -> LocalSource:
    path = folder / "recording.wav"
    soundfile.write(path, samples, SAMPLE_RATE_HZ, "PCM_16")
    return LocalSource(path)


def run(source: LocalSource, transcriber: FakeTranscriber, **options: object) -> Analysis:
    stages = Stages(transcriber, FakeTranslator(), FakeClassifier())
    *_, last = analyse(source, stages, AnalysisOptions(**options))  # type: ignore[arg-type]  # any option, for tests
    assert isinstance(last, Finished)
    return last.analysis


def test_sentences_carry_text_english_and_emotion(tmp_path: Path, speech: Samples) -> None:
    analysis = run(recording(tmp_path, speech), FakeTranscriber(saying("Que anger! Tudo bem.")))
    first, second = analysis.segments[:2]
    assert (first.text, first.text_en, first.translation_engine) == ("Que anger!", "QUE ANGER!", "bergamot")
    assert first.emotion is not None
    assert (first.emotion.label, first.needs_review) == ("anger", False)
    assert second.emotion is not None
    assert second.emotion.label == "neutral"
    assert [s.index for s in analysis.segments] == list(range(len(analysis.segments)))
    assert {m.role for m in analysis.models} == {"speech_detection", "transcription", "translation", "emotion"}
    assert (analysis.language.language, analysis.language.pinned) == ("pt", False)
    assert 20_000 < analysis.speech_ms <= analysis.source.duration_ms


def test_events_come_in_order_and_never_go_back(tmp_path: Path, speech: Samples) -> None:
    stages = Stages(FakeTranscriber(saying("Oi. Tudo bem?")), FakeTranslator(), FakeClassifier())
    events = list(analyse(recording(tmp_path, np.tile(speech, 4)), stages, AnalysisOptions(clips_per_batch=1)))
    assert isinstance(events[-1], Finished)
    segments = [event.segment for event in events if isinstance(event, SegmentReady)]
    assert tuple(segments) == events[-1].analysis.segments
    for stage in STAGES:
        positions = [e.position_ms for e in events if isinstance(e, Progress) and e.stage == stage]
        assert positions == sorted(positions)
        assert positions[-1] == events[-1].analysis.source.duration_ms


def test_clips_travel_in_batches(tmp_path: Path, speech: Samples) -> None:
    transcriber = FakeTranscriber(saying("Oi."))
    run(recording(tmp_path, np.tile(speech, 8)), transcriber, clips_per_batch=3)
    assert max(transcriber.batch_sizes) == 3
    assert sum(transcriber.batch_sizes) == len(transcriber.requests) >= 8


def test_no_speech_is_an_ordinary_result(tmp_path: Path) -> None:
    transcriber = FakeTranscriber(saying("Legendas"))
    analysis = run(recording(tmp_path, silence(5000)), transcriber)
    assert (analysis.segments, analysis.speech_ms, analysis.problems) == ((), 0, ())
    assert analysis.language.language is None
    assert analysis.source.duration_ms == 5000
    assert transcriber.requests == []


def test_invented_text_is_shown_flagged_and_has_no_emotion(tmp_path: Path, speech: Samples) -> None:
    analysis = run(recording(tmp_path, speech), FakeTranscriber(saying("Obrigado anger.", is_suspect=True)))
    for segment in analysis.segments:
        assert segment.emotion is None
        assert segment.review_reasons[0] == "suspect_hallucination"
        assert "low_confidence" not in segment.review_reasons


def test_a_failed_clip_is_a_problem_and_the_others_go_on(tmp_path: Path, speech: Samples) -> None:
    calls: Iterator[int] = iter(range(100))

    def say(request: TranscriptionRequest) -> Transcript | StageError:
        return StageError("This clip failed.") if next(calls) == 0 else saying("Oi.")(request)

    analysis = run(recording(tmp_path, np.tile(speech, 3)), FakeTranscriber(say))
    assert [p.code for p in analysis.problems] == ["stage_failed"]
    assert analysis.segments


def test_when_every_clip_fails_so_does_the_analysis(tmp_path: Path, speech: Samples) -> None:
    with pytest.raises(StageError, match="out of memory"):
        run(recording(tmp_path, speech), FakeTranscriber(lambda _: StageError("out of memory")))


def test_a_failed_sentence_is_kept_flagged_and_reported(tmp_path: Path, speech: Samples) -> None:
    analysis = run(recording(tmp_path, speech), FakeTranscriber(saying("FAIL agora. Broken agora. Tudo bem.")))
    failed, broken, fine = analysis.segments[:3]
    assert (failed.text_en, failed.emotion, failed.needs_review) == ("", None, True)
    assert (broken.text_en, broken.emotion, broken.needs_review) == ("BROKEN AGORA.", None, True)
    assert fine.emotion is not None
    assert {p.segment_index for p in analysis.problems} >= {0, 1}


def test_the_pinned_language_reaches_every_clip(tmp_path: Path, speech: Samples) -> None:
    transcriber = FakeTranscriber(saying("Oi."))
    analysis = run(recording(tmp_path, np.tile(speech, 3)), transcriber, language="pt")
    assert {r.language for r in transcriber.requests} == {"pt"}
    assert transcriber.detected == 0
    assert analysis.language.model_dump() == {"language": "pt", "probability": 1.0, "pinned": True}


def test_the_language_is_asked_in_several_places_before_the_first_clip(tmp_path: Path, speech: Samples) -> None:
    guesses = (LanguageGuess("en", 0.9, {"en": 0.9}), LanguageGuess("pt", 0.9, {"pt": 0.9}))
    transcriber = FakeTranscriber(saying("Oi."), guesses)
    run(recording(tmp_path, np.tile(speech, 6)), transcriber)
    assert transcriber.detected == 3
    assert transcriber.requests[0].likely_language == "pt"


def test_without_an_engine_the_english_comes_from_the_sound_of_the_sentence(tmp_path: Path, speech: Samples) -> None:
    def say(request: TranscriptionRequest) -> Transcript:
        text = "I am sadness." if request.task == "translate" else "Jag är ledsen. Ja. " * 6
        return transcript(text, len(request.samples) // 16, "sv")

    transcriber = FakeTranscriber(say)
    analysis = run(recording(tmp_path, speech), transcriber)
    segment = analysis.segments[0]
    assert (segment.text, segment.text_en, segment.translation_engine) == ("Jag är ledsen.", "I am sadness.", "whisper")
    sounds = [r for r in transcriber.requests if r.task == "translate"]
    assert len(sounds) == len(analysis.segments)
    assert sounds[0].language == "sv"
    assert abs(len(sounds[0].samples) / 16 - (segment.end_ms - segment.start_ms)) < 50


def test_a_recording_that_cannot_be_read_raises(tmp_path: Path) -> None:
    with pytest.raises(NoAudioTrackError):
        run(recording(tmp_path, silence(1000)), FakeTranscriber(saying("Oi.")), audio_track=3)


def test_closing_the_events_stops_the_decoder(tmp_path: Path, speech: Samples) -> None:
    stages = Stages(FakeTranscriber(saying("Oi.")), FakeTranslator(), FakeClassifier())
    before = children()  # of other tests: their servers
    events = analyse(recording(tmp_path, np.tile(speech, 8)), stages, AnalysisOptions(clips_per_batch=1))
    next(events)
    assert len(children() - before) == 1
    events.close()  # type: ignore[attr-defined]  # an Iterator that is a generator
    assert children() <= before


def children() -> set[str]:
    """Process ids."""
    return {child for task in Path("/proc/self/task").glob("*/children") for child in task.read_text().split()}
