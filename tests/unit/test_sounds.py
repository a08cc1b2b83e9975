"""The made sounds do what the tests that use them count on."""

from collections.abc import Callable

import numpy as np
import pytest

from emoscribe.types import SAMPLES_PER_MS, Samples
from tests import sounds

SEEDED = [
    sounds.white_noise,
    sounds.pink_noise,
    sounds.music,
    sounds.applause,
    sounds.laughter,
    sounds.singing,
    sounds.babble,
]
DURATION_MS = 6000


def share_taken_for_speech(samples: Samples) -> float:
    from faster_whisper.vad import get_speech_timestamps

    speech: int = sum(stretch["end"] - stretch["start"] for stretch in get_speech_timestamps(samples))
    return speech / len(samples)


@pytest.mark.parametrize("make", SEEDED)
@pytest.mark.parametrize("duration_ms", [0, 1, 999])
def test_same_seed_same_sound_of_the_length_asked_for(make: Callable[[int, int], Samples], duration_ms: int) -> None:
    samples = make(duration_ms, 3)
    assert samples.dtype == np.float32
    assert samples.shape == (duration_ms * SAMPLES_PER_MS,)
    assert np.abs(samples).max(initial=0) <= 1
    assert np.array_equal(samples, make(duration_ms, 3))


@pytest.mark.parametrize(
    "samples",
    [
        sounds.silence(DURATION_MS),
        sounds.tone(DURATION_MS),
        sounds.white_noise(DURATION_MS),
        sounds.pink_noise(DURATION_MS),
        sounds.music(DURATION_MS),
        sounds.applause(DURATION_MS),
    ],
    ids=["silence", "tone", "white noise", "pink noise", "music", "applause"],
)
def test_a_speech_detector_passes_no_noise(samples: Samples) -> None:
    assert share_taken_for_speech(samples) == 0


@pytest.mark.parametrize("voices", [1, 3, 8])
def test_a_speech_detector_is_taken_in_by_babble(voices: int) -> None:
    assert share_taken_for_speech(sounds.babble(DURATION_MS, voices=voices)) > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_a_speech_detector_is_taken_in_by_laughter(seed: int) -> None:
    assert share_taken_for_speech(sounds.laughter(DURATION_MS, seed)) > 0.9


def test_placed_sounds_are_where_the_truth_says() -> None:
    one, two = sounds.tone(100), sounds.white_noise(250)
    samples, truth = sounds.place([(700, two), (50, one)], total_ms=1000)
    assert truth == (sounds.Placement(50, 150), sounds.Placement(700, 950))
    assert np.array_equal(samples[700 * SAMPLES_PER_MS : 950 * SAMPLES_PER_MS], two)
    heard = np.flatnonzero(samples)
    assert (heard[0] // SAMPLES_PER_MS, heard[-1] // SAMPLES_PER_MS) == (50, 949)


@pytest.mark.parametrize("starts_ms", [(0, 99), (0, 901), (-1, 500)])
def test_sounds_that_do_not_fit_are_refused(starts_ms: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="overlaps"):
        sounds.place([(start_ms, sounds.tone(100)) for start_ms in starts_ms], total_ms=1000)
