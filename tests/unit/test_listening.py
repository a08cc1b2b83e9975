"""The hearing half on real sound with a fake transcriber; what the pipeline makes of it is in test_pipeline.py."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from emoscribe.errors import EmoScribeError, StageError
from emoscribe.listening import Heard, HearingOptions, Listener, StageClock
from emoscribe.media import DecodeLimits, LocalSource, open_audio
from emoscribe.types import SAMPLE_RATE_HZ, LanguageGuess, Samples, Transcript, TranscriptionRequest
from tests.fakes import FakeTranscriber, saying, transcript
from tests.sounds import place, read_clip, silence

CALLS = 8
APART_MS = 6000  # speech so far apart does not share a clip


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech at 0, 6, 12... s, each a clip."""
    sounds = [(n * APART_MS, read_clip("pt-2")[: 2 * SAMPLE_RATE_HZ]) for n in range(CALLS)]
    return written(tmp_path_factory.mktemp("sound"), place(sounds, CALLS * APART_MS)[0])


def written(folder: Path, samples: Samples) -> Path:
    path = folder / "recording.flac"
    soundfile.write(path, samples, SAMPLE_RATE_HZ)
    return path


@contextmanager
def listening(path: Path, transcriber: FakeTranscriber, **options: Any) -> Iterator[Listener]:
    with open_audio(LocalSource(path), limits=DecodeLimits()) as audio:
        yield Listener(audio, transcriber, HearingOptions(**options))


def heard(listener: Listener) -> list[Heard]:
    return [*(listener.hear(clips) for clips in listener.batches()), listener.end()]


def texts(found: list[Heard]) -> list[str]:
    return [sentence.text for batch in found for sentence in batch.sentences]


def test_sentences_come_in_order_each_with_the_clips_it_lies_in(calls: Path) -> None:
    with listening(calls, FakeTranscriber(saying("Um. Dois.")), clips_per_batch=3) as listener:
        found = heard(listener)
    assert texts(found) == ["Um.", "Dois."] * CALLS
    for batch in found:
        for sentence in batch.sentences:
            samples = sum(len(clip.between(sentence.start_ms, sentence.end_ms)) for clip in batch.clips)
            assert samples == 16 * (sentence.end_ms - sentence.start_ms)


def test_clips_are_kept_only_as_long_as_a_sentence_needs_them(calls: Path) -> None:
    with listening(calls, FakeTranscriber(saying("Um. Dois.")), clips_per_batch=2) as listener:
        assert all(len(batch.clips) <= 3 for batch in heard(listener))


def test_speech_without_words_is_not_kept(calls: Path) -> None:
    """Hours of music that sound like speech must not fill the memory until somebody says something."""
    count = iter(range(CALLS))

    def say(request: TranscriptionRequest) -> Transcript:
        return transcript("Enfim." if next(count) == CALLS - 1 else "", 1000)

    with listening(calls, FakeTranscriber(say)) as listener:
        found = heard(listener)
    assert texts(found) == ["Enfim."]
    assert [len(batch.clips) for batch in found if batch.sentences] == [1]


def test_no_sentence_goes_on_over_a_clip_that_failed(tmp_path: Path) -> None:
    count = iter(range(100))

    def say(request: TranscriptionRequest) -> Transcript | EmoScribeError:
        number = next(count)
        return StageError("out of memory") if number == 1 else transcript(f"parte {number} sem fim", 20_000)

    speech = read_clip("pt-1")
    sound = place([(start_ms, speech) for start_ms in range(0, 90_000, len(speech) // 16 + 300)], 100_000)[0]
    with listening(written(tmp_path, sound), FakeTranscriber(say), max_sentence_ms=30_000) as listener:
        found = heard(listener)
    assert texts(found)[:2] == ["parte 0 sem fim", "parte 2 sem fim"]
    (problem,) = [problem for batch in found for problem in batch.problems]
    assert problem.code == "stage_failed"
    assert "out of memory" in problem.message


def test_where_every_clip_fails_the_end_raises_the_first_error(calls: Path) -> None:
    count = iter(range(100))
    with listening(calls, FakeTranscriber(lambda _: StageError(f"number {next(count)}"))) as listener:
        for clips in listener.batches():
            assert len(listener.hear(clips).problems) == len(clips)
        with pytest.raises(StageError, match="number 0"):
            listener.end()


def test_silence_has_no_batches(tmp_path: Path) -> None:
    transcriber = FakeTranscriber(saying("Legendas"))
    with listening(written(tmp_path, silence(3000)), transcriber) as listener:
        assert heard(listener) == [Heard(())]
        assert (listener.speech_ms, listener.language.language) == (0, None)
    assert (transcriber.requests, transcriber.detected) == ([], 0)


@pytest.mark.parametrize(("prompt", "expected"), [("", ""), ("Mariana Sousa", "Mariana Sousa")])
def test_a_prompt_replaces_that_of_the_language(calls: Path, prompt: str, expected: str) -> None:
    transcriber = FakeTranscriber(saying("Oi."))
    with listening(calls, transcriber, prompt=prompt, language="pt") as listener:
        heard(listener)
    assert {request.prompt for request in transcriber.requests} == {expected}


def test_models_and_times_tell_of_hearing_only(calls: Path) -> None:
    guess = LanguageGuess("pt", 0.9, {"pt": 0.9})
    with listening(calls, FakeTranscriber(saying("Oi."), (guess,))) as listener:
        heard(listener)
        assert [model.role for model in listener.models] == ["speech_detection", "transcription"]
        assert set(listener.clock.seconds) == {"reading", "transcription"}
        assert listener.clock.seconds["reading"] > 0
        assert listener.language.language == "pt"


def test_many_listeners_do_not_mix_in_one_process(calls: Path) -> None:
    """Runners' adapters let many recordings share one process and one transcriber."""
    names = [f"Pessoa {number}." for number in range(8)]

    def listen(name: str) -> list[str]:
        with listening(calls, FakeTranscriber(saying(name)), clips_per_batch=2) as listener:
            return texts(heard(listener))

    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(listen, names)) == [[name] * CALLS for name in names]


def test_the_clock_counts_what_fails_too() -> None:
    clock = StageClock()
    for _ in range(2):
        with pytest.raises(ValueError, match="no"), clock.timed("reading"):
            raise ValueError("no")
    assert clock.seconds["reading"] > 0
