"""Whisper on real and made sound: words, times, languages, bad items, and nothing that nobody said."""

import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emoscribe import catalog
from emoscribe.errors import EmoScribeError, InvalidRequestError, ModelIntegrityError, UnsupportedLanguageError
from emoscribe.transcribe import WhisperOptions, WhisperTranscriber, choose_language
from emoscribe.types import SAMPLES_PER_MS, LanguageGuess, Samples, Transcript, TranscriptionRequest
from tests import sounds
from tests.sounds import SpokenClip, place, silence

CLIPS = sounds.speech_clips()
START_TOLERANCE_MS = 500  # U3


@pytest.fixture(scope="module")
def transcriber(models_dir: Path) -> WhisperTranscriber:
    return load(models_dir)


def load(models_dir: Path, **options: object) -> WhisperTranscriber:
    folder = catalog.locate("whisper-base", models_dir)
    info = catalog.model_info("whisper-base", models_dir)
    return WhisperTranscriber(folder, info, WhisperOptions(device="cpu", **options))  # type: ignore[arg-type]  # any option


def transcripts(outcomes: Sequence[Transcript | EmoScribeError]) -> list[Transcript]:
    """The outcomes, none of which is an error."""
    assert not [outcome for outcome in outcomes if isinstance(outcome, EmoScribeError)]
    return [outcome for outcome in outcomes if isinstance(outcome, Transcript)]


def transcribe(transcriber: WhisperTranscriber, samples: Samples, **fields: object) -> Transcript:
    return transcripts(transcriber.transcribe([TranscriptionRequest(samples, **fields)]))[0]  # type: ignore[arg-type]  # any field


def plain(text: str) -> list[str]:
    """Words in lower case without punctuation."""
    return ["".join(filter(str.isalnum, word.casefold())) for word in text.split()]


def missing_words(clip: SpokenClip, transcript: Transcript) -> float:
    """Share of the clip's words that are not in the transcript."""
    said, written = set(plain(clip.text)), set(plain(transcript.text))
    return len(said - written) / len(said)


def assert_words_fit(transcript: Transcript, samples: Samples) -> None:
    """In order, apart, inside the clip, and with probabilities."""
    edges = [ms for word in transcript.words for ms in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(samples) // SAMPLES_PER_MS)
    assert all(0 <= word.probability <= 1 for word in transcript.words)


# --- words ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(transcriber: WhisperTranscriber) -> dict[str, Transcript]:
    """All our clips, a prompt and a translation in one call: languages open, tasks and prompt lengths mixed."""
    requests = {name: TranscriptionRequest(clip.samples) for name, clip in CLIPS.items()}
    requests["prompted"] = TranscriptionRequest(CLIPS["pt-3"].samples, "pt", prompt="Uma conversa sobre o tempo.")
    requests["translated"] = TranscriptionRequest(CLIPS["pt-3"].samples, "pt", task="translate")
    return dict(zip(requests, transcripts(transcriber.transcribe(list(requests.values()))), strict=True))


def test_one_batch_of_many_languages_tasks_and_prompts(written: dict[str, Transcript]) -> None:
    for name, clip in CLIPS.items():
        transcript = written[name]
        assert transcript.language == clip.language
        assert transcript.language_probability > 0.8
        assert not transcript.is_suspect
        assert not transcript.has_repetition
        assert_words_fit(transcript, clip.samples)
    assert np.mean([missing_words(clip, written[name]) for name, clip in CLIPS.items()]) < 0.25
    assert missing_words(CLIPS["pt-3"], written["prompted"]) < 0.25
    assert "conversa" not in plain(written["prompted"].text)
    assert {"afraid", "alone", "here"} & set(plain(written["translated"].text))
    assert written["translated"].language == "pt"


def test_digits_and_currency_keep_their_words_and_times(written: dict[str, Transcript]) -> None:
    """U13. Whisper writes the sum in digits or in words; either way each word has a place."""
    words = written["pt-1"].words
    assert {"2014"} <= set(plain(written["pt-1"].text))
    assert any(word.text.strip(" .,R$").replace(",", "").isdigit() for word in words[5:])
    assert all(word.end_ms > word.start_ms for word in words)


def test_names_keep_their_words(written: dict[str, Transcript]) -> None:
    assert {"mariana", "belo", "horizonte"} <= set(plain(written["pt-2"].text))


def test_the_result_for_a_clip_does_not_depend_on_its_neighbours(
    transcriber: WhisperTranscriber, written: dict[str, Transcript]
) -> None:
    alone = transcribe(transcriber, CLIPS["pt-3"].samples)
    assert [(w.text, w.start_ms) for w in alone.words] == [(w.text, w.start_ms) for w in written["pt-3"].words]


def test_timestamp_tokens_are_no_text(models_dir: Path) -> None:
    """The other decoding mode (U4); tests/bench/word_error_rate.py compares them."""
    transcript = transcribe(load(models_dir, timestamp_tokens=True), CLIPS["pt-3"].samples, language="pt")
    assert missing_words(CLIPS["pt-3"], transcript) == 0
    assert "<|" not in transcript.text


def test_real_speech_of_five_languages(
    transcriber: WhisperTranscriber, read_speech: Callable[[str], Samples], shared_data: Path
) -> None:
    names = [f"fleurs-{language}-001" for language in ("pt", "es", "en", "de", "fr")]
    requests = [TranscriptionRequest(read_speech(f"fleurs/{name}.ogg")) for name in names]
    missed = said = 0
    for name, transcript in zip(names, transcripts(transcriber.transcribe(requests)), strict=True):
        reference = plain((shared_data / "speech" / "fleurs" / f"{name}.txt").read_text(encoding="utf-8"))
        assert transcript.language == name.split("-")[1]
        assert not transcript.is_suspect
        said += len(reference)
        missed += len(set(reference) - set(plain(transcript.text)))
    assert missed / said < 0.25


# --- times ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hiss", [0.0, 0.01])  # digital silence around the speech, or noise 20 dB below it
def test_speech_at_known_places_is_found_there(transcriber: WhisperTranscriber, hiss: float) -> None:
    """U3: every sentence starts where it was put, give or take half a second."""
    first, second = CLIPS["pt-2"].samples, CLIPS["pt-3"].samples  # "Meu nome ...", "Estou com ..."
    requests, truths = [], []
    for offset_ms, gap_ms in ((0, 600), (700, 4000), (2500, 1500), (5000, 9000)):
        second_ms = offset_ms + len(first) // SAMPLES_PER_MS + gap_ms
        samples, truth = place([(offset_ms, first), (second_ms, second)], total_ms=second_ms + 6000)
        noise = sounds.white_noise(len(samples) // SAMPLES_PER_MS, seed=offset_ms)
        requests.append(TranscriptionRequest(samples + np.float32(hiss) * noise / np.float32(0.1), language="pt"))
        truths.append(truth)
    off_ms = []
    for request, truth, transcript in zip(requests, truths, transcripts(transcriber.transcribe(requests)), strict=True):
        assert_words_fit(transcript, request.samples)
        starts_ms = {plain(word.text)[0]: word.start_ms for word in transcript.words}
        off_ms += [abs(starts_ms["meu"] - truth[0].start_ms), abs(starts_ms["estou"] - truth[1].start_ms)]
        assert all(word.end_ms - word.start_ms <= 1500 for word in transcript.words)
    assert len(off_ms) == 8
    assert max(off_ms) <= START_TOLERANCE_MS


def test_what_is_said_twice_is_written_twice(transcriber: WhisperTranscriber) -> None:
    """Whisper leaves out the second time, if nobody looks after it."""
    clip = CLIPS["pt-2"].samples
    samples, truth = place([(1000, clip), (9000, clip)], total_ms=14_000)
    words = transcribe(transcriber, samples, language="pt").words
    again = [word.start_ms for word in words if plain(word.text) == ["meu"]]
    assert [abs(start_ms - place.start_ms) <= START_TOLERANCE_MS for start_ms, place in zip(again, truth, strict=True)]
    gaps = [after.start_ms - before.end_ms for before, after in pairwise(words)]
    assert max(gaps) == pytest.approx(truth[1].start_ms - truth[0].end_ms, abs=500)


# --- languages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pinned", "likely", "distribution", "language", "probability"),
    [
        (None, None, {"es": 0.6, "pt": 0.4}, "es", 0.6),
        (None, "pt", {"es": 0.79, "pt": 0.21}, "pt", 0.21),
        (None, "pt", {"es": 0.8, "pt": 0.2}, "es", 0.8),
        (None, "pt", {"pt": 0.99, "es": 0.01}, "pt", 0.99),
        (None, "xx", {"es": 0.6, "pt": 0.4}, "es", 0.6),
        ("fr", "pt", {"es": 0.99, "pt": 0.01}, "fr", 1.0),
    ],
)
def test_which_language_is_used(
    pinned: str | None, likely: str | None, distribution: dict[str, float], language: str, probability: float
) -> None:
    best = max(distribution, key=distribution.__getitem__)
    guess = LanguageGuess(best, distribution[best], distribution)
    request = TranscriptionRequest(silence(1), language=pinned, likely_language=likely)
    assert choose_language(request, None if pinned else guess) == (language, probability)


def test_a_clip_in_another_language_leaves_the_recordings(transcriber: WhisperTranscriber) -> None:
    transcript = transcribe(transcriber, CLIPS["en-1"].samples, likely_language="pt")
    assert transcript.language == "en"
    pinned = transcribe(transcriber, CLIPS["en-1"].samples, language="pt", likely_language="pt")
    assert (pinned.language, pinned.language_probability) == ("pt", 1.0)


def test_a_guess_is_a_distribution_and_changes_nothing_later(transcriber: WhisperTranscriber) -> None:
    clips = [CLIPS[name].samples for name in ("pt-2", "es-1")]
    before = [transcribe(transcriber, clip) for clip in clips]
    guesses = transcriber.detect_languages([*clips, np.zeros(0, np.float32)])
    assert [guess.language for guess in guesses if isinstance(guess, LanguageGuess)] == ["pt", "es"]
    assert isinstance(guesses[2], InvalidRequestError)
    for guess in guesses[:2]:
        assert isinstance(guess, LanguageGuess)
        assert sum(guess.distribution.values()) == pytest.approx(1, abs=1e-3)
        assert guess.probability == max(guess.distribution.values())
    assert [transcribe(transcriber, clip) for clip in clips] == before


# --- nothing invented -------------------------------------------------------------------------


NO_SPEECH = {
    "silence": silence(8000),
    "almost silence": np.float32(1e-3) * sounds.white_noise(8000),
    "white noise": sounds.white_noise(6000),
    "pink noise": sounds.pink_noise(6000),
    "music": sounds.music(10_000),
    "tone": sounds.tone(4000),
    "applause": sounds.applause(8000),
    "laughter": sounds.laughter(6000),
    "singing": sounds.singing(8000),
    "babble": sounds.babble(8000, voices=6),
    "a click": np.pad(np.ones(1, np.float32), 8000),
    "one sample": np.full(1, 0.1, np.float32),
}


@pytest.mark.parametrize("language", [None, "pt"])
def test_without_speech_there_are_no_words_to_trust(transcriber: WhisperTranscriber, language: str | None) -> None:
    """U1, on sound that speech detection would not let through: harder than in the pipeline."""
    requests = [TranscriptionRequest(clip, language) for clip in NO_SPEECH.values()]
    outcomes = dict(zip(NO_SPEECH, transcripts(transcriber.transcribe(requests)), strict=True))
    assert {name: outcome.text for name, outcome in outcomes.items() if outcome.words and not outcome.is_suspect} == {}
    assert not outcomes["silence"].words


def test_short_clips_of_real_speech_are_trusted(
    transcriber: WhisperTranscriber, read_speech: Callable[[str], Samples]
) -> None:
    recording = read_speech("longform/pt-adam.ogg")
    clips = [recording[start_s * 16_000 :][: 2 * 16_000] for start_s in (1, 62, 118, 200)]
    for transcript in transcripts(transcriber.transcribe([TranscriptionRequest(clip) for clip in clips])):
        assert transcript.words
        assert not transcript.is_suspect


def test_a_refrain_is_kept_and_flagged(transcriber: WhisperTranscriber) -> None:
    """U2: what is really said five times is not a loop."""
    phrase = CLIPS["pt-3"].samples[2060 * SAMPLES_PER_MS :]  # "Não quero ficar sozinho aqui."
    samples, _ = place([(n * 2400, phrase) for n in range(5)], total_ms=12_500)
    transcript = transcribe(transcriber, samples, language="pt")
    assert transcript.has_repetition
    assert not transcript.is_suspect
    assert plain(transcript.text).count("sozinho") == 5


# --- bad items --------------------------------------------------------------------------------


def test_a_bad_item_fails_alone(transcriber: WhisperTranscriber) -> None:
    good = CLIPS["pt-2"].samples
    bad: list[Any] = [
        np.zeros(0, np.float32),
        np.full(16_000, np.nan, np.float32),
        np.full(16_000, 3e4, np.float32),
        good.astype(np.float64),
        np.stack([good, good]),
        np.zeros(30_000 * SAMPLES_PER_MS + 1, np.float32),
        [0.0, 0.1],
    ]
    requests = [TranscriptionRequest(samples, "pt") for samples in (good, *bad)]
    requests += [TranscriptionRequest(good, "xx"), TranscriptionRequest(good, "pt")]
    first, *failed, unknown, last = transcriber.transcribe(requests)
    assert isinstance(first, Transcript)
    assert first == last
    assert first.words
    assert all(isinstance(outcome, InvalidRequestError) for outcome in failed)
    assert isinstance(unknown, UnsupportedLanguageError)


def test_nothing_in_nothing_out(transcriber: WhisperTranscriber) -> None:
    assert transcriber.transcribe([]) == []
    assert transcriber.detect_languages([]) == []


def test_it_says_which_model_and_device_it_is(transcriber: WhisperTranscriber) -> None:
    assert [(model.role, model.name) for model in transcriber.models] == [("transcription", "whisper-base")]
    assert transcriber.device.startswith("cpu (int8")


@pytest.mark.parametrize("broken", ["model.bin", "tokenizer.json"])
def test_a_damaged_model_says_what_to_run(models_dir: Path, tmp_path: Path, broken: str) -> None:
    folder = Path(shutil.copytree(catalog.locate("whisper-base", models_dir), tmp_path / "whisper"))
    (folder / broken).unlink()
    (folder / broken).write_bytes(b"no model")
    with pytest.raises(ModelIntegrityError) as caught:
        WhisperTranscriber(folder, catalog.model_info("whisper-base", models_dir), WhisperOptions(device="cpu"))
    assert "emoscribe models" in caught.value.fix
