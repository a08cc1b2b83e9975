"""The whole pipeline with the embedded models on recordings that go wrong elsewhere (REQUIREMENTS U1, U3, U5, U13)."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoscribe.local_stages import analysis_options, load_stages
from emoscribe.media import LocalSource
from emoscribe.pipeline import Finished, analyse
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from emoscribe.types import SAMPLE_RATE_HZ, Analysis, Samples
from tests import sounds

pytestmark = pytest.mark.models

Analyse = Callable[..., Analysis]


@pytest.fixture(scope="module")
def stages(models_dir: Path) -> Stages:
    return load_stages(load_settings())


@pytest.fixture
def analysed(stages: Stages, tmp_path: Path) -> Analyse:
    """Analyses samples, of shape (n,) or (n, channels), as a recording."""

    def run(samples: Samples, *, language: str | None = None) -> Analysis:
        path = tmp_path / "recording.flac"
        soundfile.write(path, samples, SAMPLE_RATE_HZ)
        *_, last = analyse(LocalSource(path), stages, analysis_options(load_settings(), language=language))
        assert isinstance(last, Finished)
        return last.analysis

    return run


SOUNDS = {
    "silence": sounds.silence,
    "white noise": sounds.white_noise,
    "pink noise": sounds.pink_noise,
    "music": sounds.music,
    "applause": sounds.applause,
    "laughter": sounds.laughter,
    "singing": sounds.singing,
    "babble": sounds.babble,
    "tone": sounds.tone,
}


@pytest.mark.parametrize("sound", SOUNDS)
def test_no_emotion_is_read_into_a_sound_without_words(sound: str, analysed: Analyse) -> None:
    analysis = analysed(SOUNDS[sound](8000))
    assert [s.emotion for s in analysis.segments if s.emotion] == []
    assert all(s.review_reasons[0] == "suspect_hallucination" for s in analysis.segments)


def test_a_loop_in_one_place_leaves_the_speech_beside_it_alone(analysed: Analyse) -> None:
    speech = sounds.read_clip("pt-3")
    recording, (_, _, spoken) = sounds.place(
        [(0, speech), (8000, sounds.laughter(6000)), (20_000, speech)], 20_000 + len(speech) // 16 + 1000
    )
    analysis = analysed(recording)
    late = [s for s in analysis.segments if s.start_ms >= spoken.start_ms - 500]
    assert "medo" in " ".join(s.text for s in late)
    assert next(s.emotion.label for s in late if s.emotion) == "fear"


def test_speech_is_found_where_it_is(analysed: Analyse) -> None:
    names = ["pt-1", "pt-2", "pt-3"]
    starts_ms, cursor = [], 1700
    for number in range(12):
        starts_ms.append(cursor)
        cursor += len(sounds.read_clip(names[number % 3])) // 16 + 1100 + 370 * (number % 4)
    placed = [(start, sounds.read_clip(names[number % 3])) for number, start in enumerate(starts_ms)]
    recording, places = sounds.place(placed, cursor + 2000)
    analysis = analysed(recording)
    begun = np.array([s.start_ms for s in analysis.segments])
    errors_ms = [int(np.abs(begun - place.start_ms).min()) for place in places]
    assert np.percentile(errors_ms, 95) <= 500, errors_ms
    assert analysis.segments[-1].end_ms <= analysis.source.duration_ms


def test_numbers_money_and_names_keep_their_words_and_times(analysed: Analyse) -> None:
    analysis = analysed(sounds.read_clip("pt-1"))
    words = [word for s in analysis.segments for word in s.words]
    text = " ".join(word.text for word in words)
    assert "2014" in text
    assert "13" in text
    for before, after in pairwise(words):
        assert before.start_ms <= before.end_ms <= after.start_ms


def test_two_languages_each_keep_their_own(analysed: Analyse) -> None:
    portuguese = np.concatenate([sounds.read_clip(name) for name in ("pt-1", "pt-2", "pt-3", "pt-1", "pt-2", "pt-3")])
    recording, _ = sounds.place(
        [(0, portuguese), (len(portuguese) // 16 + 6000, sounds.read_clip("en-1"))], len(portuguese) // 16 + 12_000
    )
    analysis = analysed(recording)
    assert analysis.language.language == "pt"
    assert [s.language for s in analysis.segments][-1] == "en"
    assert {s.language for s in analysis.segments[:-2]} == {"pt"}


def test_a_foreign_introduction_does_not_decide_the_language(analysed: Analyse) -> None:
    english = sounds.read_clip("en-1")
    portuguese = np.concatenate([sounds.read_clip(name) for name in ("pt-1", "pt-2", "pt-3")] * 2)
    first_ms = len(english) // 16 + 5000
    recording, _ = sounds.place([(0, english), (first_ms, portuguese)], first_ms + len(portuguese) // 16 + 500)
    assert analysed(recording).language.language == "pt"


def test_without_a_pack_the_english_comes_from_whisper(analysed: Analyse) -> None:
    analysis = analysed(sounds.read_clip("es-1"))
    assert {s.language for s in analysis.segments} == {"es"}
    assert {s.translation_engine for s in analysis.segments} == {"whisper"}
    assert all(s.text_en and s.emotion for s in analysis.segments)
    assert "bergamot-pt-en" not in {m.name for m in analysis.models}


def test_a_pinned_language_is_kept_even_if_it_is_wrong(analysed: Analyse) -> None:
    analysis = analysed(sounds.read_clip("es-1"), language="pt")
    assert analysis.language.model_dump() == {"language": "pt", "probability": 1.0, "pinned": True}
    assert {s.language for s in analysis.segments} == {"pt"}


def test_stereo_with_a_voice_on_each_side(analysed: Analyse) -> None:
    left, right = sounds.read_clip("pt-2"), sounds.read_clip("pt-3")
    silence_before = np.concatenate([np.zeros(len(left) + 16_000, np.float32), right])
    stereo = np.stack([np.pad(left, (0, len(silence_before) - len(left))), silence_before], axis=1)
    text = " ".join(s.text for s in analysed(stereo).segments)
    assert "Mariana" in text
    assert "medo" in text


@pytest.mark.parametrize("samples", [1, 160, 1600])
def test_hardly_any_sound_is_ordinary(samples: int, analysed: Analyse) -> None:
    analysis = analysed(np.full(samples, 0.1, np.float32))
    assert analysis.segments == ()
    assert analysis.source.duration_ms == samples // 16
