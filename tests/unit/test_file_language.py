import numpy as np
import pytest

from emoscribe.file_language import SURVEY_CLIPS, LanguageVote, survey_places
from emoscribe.types import Clip, LanguageGuess, Piece
from tests.fakes import transcript


def clips(count: int) -> list[Clip]:
    return [Clip(np.zeros(16_000, np.float32), (Piece(0, n * 1000, 1000),)) for n in range(count)]


def test_survey_is_spread_over_the_clips() -> None:
    assert [clip.start_ms for clip in survey_places(clips(24))] == [4000, 12_000, 20_000]
    assert [clip.start_ms for clip in survey_places(clips(2))] == [0, 1000]


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_clip_is_not_heard_twice(count: int) -> None:
    assert survey_places(clips(count)) == []


@pytest.mark.parametrize("count", range(2, 30))
def test_survey_never_repeats_a_place(count: int) -> None:
    places = [clip.start_ms for clip in survey_places(clips(count))]
    assert places == sorted(set(places))
    assert len(places) == min(SURVEY_CLIPS, count)


def test_an_intro_in_another_language_does_not_decide() -> None:
    vote = LanguageVote(None)
    vote.hear(LanguageGuess("en", 0.99, {"en": 0.99, "pt": 0.01}), 8000)
    vote.hear(LanguageGuess("pt", 0.9, {"pt": 0.9, "es": 0.1}), 28_000)
    vote.hear(LanguageGuess("pt", 0.6, {"pt": 0.6, "es": 0.4}), 28_000)
    assert vote.likely == "pt"


def test_transcribed_clips_change_the_vote() -> None:
    vote = LanguageVote(None)
    vote.hear(LanguageGuess("en", 0.9), 10_000)
    for _ in range(5):
        vote.transcribed(transcript("bom dia", 1000, "pt", 0.9), 10_000)
    summary = vote.summary()
    assert (summary.language, summary.pinned) == ("pt", False)
    assert summary.probability == pytest.approx(5 * 0.9 / (0.9 + 5 * 0.9), abs=1e-4)


def test_invented_or_empty_text_has_no_vote() -> None:
    vote = LanguageVote(None)
    vote.transcribed(transcript("Obrigado", 1000, "nn", 0.9, is_suspect=True), 10_000)
    vote.transcribed(transcript("", 1000, "cy", 0.9), 10_000)
    assert vote.likely is None
    assert vote.summary().model_dump() == {"language": None, "probability": 0.0, "pinned": False}


def test_a_pinned_language_is_never_overruled() -> None:
    vote = LanguageVote("pt")
    vote.hear(LanguageGuess("en", 1.0), 30_000)
    assert vote.likely == "pt"
    assert vote.summary().model_dump() == {"language": "pt", "probability": 1.0, "pinned": True}
