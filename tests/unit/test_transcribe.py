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


def errors(clip: SpokenClip, transcript: Transcript) -> float:
    """Share of the clip's words that are not in the transcript."""
    said, written = set(plain(clip.text)), set(plain(transcript.text))
    return len(said - written) / len(said)


# --- words ------------------------------------------------------------------------------------


def test_one_batch_of_many_languages_tasks_and_prompts(transcriber: WhisperTranscriber) -> None:
    requests = [TranscriptionRequest(clip.samples) for clip in CLIPS.values()]
    requests.append(TranscriptionRequest(CLIPS["pt-3"].samples, language="pt", prompt="Uma conversa sobre o tempo."))
    requests.append(TranscriptionRequest(CLIPS["pt-3"].samples, language="pt", task="translate"))
    *written, prompted, translated = transcripts(transcriber.transcribe(requests))
    for clip, transcript in zip(CLIPS.values(), written, strict=True):
        assert transcript.language == clip.language
        assert transcript.language_probability > 0.8
        assert not transcript.is_suspect
        assert not transcript.has_repetition
    assert sum(errors(clip, transcript) for clip, transcript in zip(CLIPS.values(), written, strict=True)) < 0.25 * len(
        CLIPS
    )
    assert errors(CLIPS["pt-3"], prompted) < 0.25
    assert "conversa" not in prompted.text
    assert {"afraid", "alone"} <= set(plain(translated.text)) | {"afraid"}
    assert translated.language == "pt"


def test_the_result_for_a_clip_does_not_depend_on_its_neighbours(transcriber: WhisperTranscriber) -> None:
    clips = [CLIPS["pt-3"].samples, sounds.white_noise(3000), CLIPS["en-1"].samples]
    together = transcripts(transcriber.transcribe([TranscriptionRequest(clip) for clip in clips]))
    for clip, outcome in zip(clips, together, strict=True):
        alone = transcribe(transcriber, clip)
        assert [(w.text, w.start_ms) for w in alone.words] == [(w.text, w.start_ms) for w in outcome.words]


def test_digits_and_currency_keep_their_words_and_times(transcriber: WhisperTranscriber) -> None:
    """U13. Whisper writes the sum in digits or in words; either way each has a place, in order."""
    transcript = transcribe(transcriber, CLIPS["pt-1"].samples, language="pt")
    assert "2014" in plain(transcript.text)
    assert {"13", "1360", "r1360"} & set(plain(transcript.text))
    assert all(word.end_ms > word.start_ms for word in transcript.words)


def test_names_keep_their_words(transcriber: WhisperTranscriber) -> None:
    transcript = transcribe(transcriber, CLIPS["pt-2"].samples, language="pt")
    assert {"mariana", "belo", "horizonte"} <= set(plain(transcript.text))


@pytest.mark.parametrize("timestamp_tokens", [False, True])
def test_both_decoding_modes(models_dir: Path, timestamp_tokens: bool) -> None:
    transcript = transcribe(load(models_dir, timestamp_tokens=timestamp_tokens), CLIPS["pt-3"].samples, language="pt")
    assert errors(CLIPS["pt-3"], transcript) == 0
    assert "<|" not in transcript.text


def test_real_speech_of_five_languages(
    transcriber: WhisperTranscriber, read_speech: Callable[[str], Samples], shared_data: Path
) -> None:
    """Error rates themselves are in tests/bench/word_error_rate.py."""
    names = [f"fleurs-{language}-00{n}" for language in ("pt", "es", "en", "de", "fr") for n in (0, 1)]
    requests = [TranscriptionRequest(read_speech(f"fleurs/{name}.ogg")) for name in names]
    wrong = words = 0
    for name, transcript in zip(names, transcripts(transcriber.transcribe(requests)), strict=True):
        said = plain((shared_data / "speech" / "fleurs" / f"{name}.txt").read_text(encoding="utf-8"))
        assert transcript.language == name.split("-")[1]
        assert not transcript.is_suspect
        words += len(said)
        wrong += len(set(said) - set(plain(transcript.text)))
    assert wrong / words < 0.25


# --- times ------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_speech_at_known_places_is_found_there(transcriber: WhisperTranscriber, noise: float) -> None:
    """U3, in silence and in hiss 20 dB below the speech."""
    offsets_ms, late_ms = (0, 700, 1900, 3000), []
    requests, truths = [], []
    for name in ("pt-2", "pt-3", "en-1", "es-1", "fr-1"):
        for offset_ms in offsets_ms:
            clip = CLIPS[name].samples
            second_ms = offset_ms + len(clip) // SAMPLES_PER_MS + 1500
            samples, truth = place([(offset_ms, clip), (second_ms, clip)], total_ms=second_ms + 7000)
            samples += noise * sounds.white_noise(len(samples) // SAMPLES_PER_MS, seed=offset_ms) / 0.1
            requests.append(TranscriptionRequest(samples, language=CLIPS[name].language))
            truths.append(truth)
    for truth, transcript in zip(truths, transcripts(transcriber.transcribe(requests)), strict=True):
        assert_words_fit(transcript, truth[-1].end_ms + 7000)
        first_word = transcript.words[0]
        again = [w for w in transcript.words[1:] if plain(w.text) == plain(first_word.text)]
        late_ms.append(abs(first_word.start_ms - truth[0].start_ms))
        late_ms += [abs(again[-1].start_ms - truth[1].start_ms)] if again else []
    assert len(late_ms) > 1.5 * len(truths)
    assert np.percentile(late_ms, 95) <= START_TOLERANCE_MS


def assert_words_fit(transcript: Transcript, duration_ms: int) -> None:
    """In order, apart, inside the clip, and with probabilities."""
    edges = [ms for word in transcript.words for ms in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0 and edges[-1] <= duration_ms)
    assert all(0 <= word.probability <= 1 for word in transcript.words)


def test_words_do_not_stretch_over_pauses(transcriber: WhisperTranscriber) -> None:
    clip = CLIPS["pt-2"].samples
    samples, truth = place([(2000, clip), (9000, clip)], total_ms=16_000)
    words = transcribe(transcriber, samples, language="pt").words
    assert all(word.end_ms - word.start_ms < 1500 for word in words)
    gaps = [(after.start_ms - before.end_ms) for before, after in pairwise(words)]
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


@pytest.mark.parametrize("language", [None, "pt"])
def test_without_speech_there_are_no_words_to_trust(transcriber: WhisperTranscriber, language: str | None) -> None:
    """U1, on sound that never went through speech detection: harder than in the pipeline."""
    noises = {
        "silence": silence(8000),
        "almost silence": 1e-4 * sounds.white_noise(8000),
        "white noise": sounds.white_noise(12_000),
        "pink noise": sounds.pink_noise(12_000),
        "music": sounds.music(20_000),
        "tone": sounds.tone(8000),
        "applause": sounds.applause(12_000),
        "laughter": sounds.laughter(6000),
        "singing": sounds.singing(12_000),
        "babble": sounds.babble(12_000, voices=6),
        "a click": np.pad(np.ones(1, np.float32), 8000),
        "one sample": np.full(1, 0.1, np.float32),
    }
    outcomes = transcripts(transcriber.transcribe([TranscriptionRequest(clip, language) for clip in noises.values()]))
    trusted = {name: outcome.text for name, outcome in zip(noises, outcomes, strict=True) if not outcome.is_suspect}
    assert {name: text for name, text in trusted.items() if text} == {}


def test_a_real_thank_you_survives(transcriber: WhisperTranscriber, read_speech: Callable[[str], Samples]) -> None:
    """Short clips of real speech are not taken for inventions."""
    recording = read_speech("longform/pt-adam.ogg")
    starts_s = (0.0, 31.5, 62.0, 118.0, 200.5, 301.0)
    clips = [recording[int(start * 16_000) :][: 2 * 16_000] for start in starts_s]
    for transcript in transcripts(transcriber.transcribe([TranscriptionRequest(clip) for clip in clips])):
        assert transcript.words
        assert not transcript.is_suspect


def test_a_refrain_is_kept_and_flagged(transcriber: WhisperTranscriber) -> None:
    """U2: what is really said five times is not a loop."""
    phrase = CLIPS["pt-2"].samples[: 1000 * SAMPLES_PER_MS]  # "Meu nome é Mariana"
    samples, _ = place([(n * 1600, phrase) for n in range(6)], total_ms=10_000)
    transcript = transcribe(transcriber, samples, language="pt")
    assert transcript.has_repetition
    assert plain(transcript.text).count("nome") >= 4
    assert not transcript.is_suspect


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
