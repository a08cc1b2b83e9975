"""Sound without words: what tells that Whisper passed over a sentence."""

import numpy as np

from emoscribe.types import SpokenWord
from emoscribe.whisper.writing import find_holes
from tests import sounds


def word(start_ms: int, end_ms: int) -> SpokenWord:
    return SpokenWord(" oi", start_ms, end_ms, 0.9)


def test_speech_that_no_word_covers_is_a_hole() -> None:
    speech = sounds.read_clip("pt-1")
    duration_ms = len(speech) // 16
    assert find_holes((word(0, duration_ms),), speech) == []
    assert find_holes((word(0, 1000), word(3500, duration_ms)), speech) == [(1000, 3500)]
    assert find_holes((word(3000, duration_ms),), speech) == [(0, 3000)]


def test_silence_is_no_hole() -> None:
    speech = sounds.read_clip("pt-2")
    recording = np.concatenate([speech, sounds.silence(4000)])
    assert find_holes((word(0, len(speech) // 16),), recording) == []


def test_without_words_there_is_nothing_to_miss() -> None:
    assert find_holes((), sounds.read_clip("pt-2")) == []
