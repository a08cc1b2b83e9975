"""Sounds for tests, made from nothing but numpy and a seed; and our own speech clips, placed where a test wants them.

All functions give mono samples at SAMPLE_RATE_HZ, float32 in [-1, 1]. `laughter`, `singing` and `babble` are built
from harmonics and vowel formants. Silero's speech detector takes all of `laughter` and `babble` for speech, though no
word is in them: use these where invented text is to be provoked. It passes hardly any of `singing`, and nothing of
the others (checked in test_sounds.py).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from emoscribe.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Samples

SPEECH_DIR: Final = Path(__file__).parent / "data" / "speech"

# the first three formants of an adult voice, hertz (Peterson and Barney 1952, rounded)
FORMANTS_HZ: Final = {"a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010), "o": (570, 840, 2410)}
FORMANT_WIDTHS_HZ: Final = (90, 110, 160)

_Wave = npt.NDArray[np.float64]  # (n,)


@dataclass(frozen=True)
class SpokenClip:
    """One of the project's own clips and what is said in it."""

    name: str
    language: str  # ISO 639-1
    text: str  # as a person would write it down
    samples: Samples


@dataclass(frozen=True)
class Placement:
    """Where sound was put: what a test compares with what was found."""

    start_ms: int
    end_ms: int


def speech_clips() -> dict[str, SpokenClip]:
    """All clips of tests/data/speech, by name; speech begins and ends within 40 ms of the ends of the samples."""
    manifest = json.loads((SPEECH_DIR / "manifest.json").read_text(encoding="utf-8"))
    names = [(entry, entry["file"].removesuffix(".ogg")) for entry in manifest["clips"]]
    return {name: SpokenClip(name, entry["language"], entry["text"], read_clip(name)) for entry, name in names}


def read_clip(name: str) -> Samples:
    """The samples of tests/data/speech/<name>.ogg, read independently of our own decoder."""
    from faster_whisper.audio import decode_audio

    return np.asarray(decode_audio(str(SPEECH_DIR / f"{name}.ogg")), dtype=np.float32)


def place(sounds: Sequence[tuple[int, Samples]], total_ms: int) -> tuple[Samples, tuple[Placement, ...]]:
    """A recording of `total_ms` with each sound starting at its millisecond, silent elsewhere; and the truth.

    Raises ValueError if sounds overlap or reach past the end: the truth would not be what is heard.
    """
    samples = silence(total_ms)
    truth: list[Placement] = []
    for start_ms, sound in sorted(sounds, key=lambda item: item[0]):
        placed = Placement(start_ms, start_ms + -(-len(sound) // SAMPLES_PER_MS))
        if placed.end_ms > total_ms or start_ms < (truth[-1].end_ms if truth else 0):
            raise ValueError(f"the sound at {start_ms} ms overlaps another or the end at {total_ms} ms")
        samples[start_ms * SAMPLES_PER_MS :][: len(sound)] = sound
        truth.append(placed)
    return samples, tuple(truth)


def silence(duration_ms: int) -> Samples:
    """Digital silence."""
    return np.zeros(duration_ms * SAMPLES_PER_MS, dtype=np.float32)


def tone(duration_ms: int, hz: float = 440.0) -> Samples:
    """A sine."""
    return _levelled(np.sin(2 * np.pi * hz * _seconds(duration_ms)))


def white_noise(duration_ms: int, seed: int = 0) -> Samples:
    """Noise with the same energy at all frequencies: hiss."""
    return _levelled(np.random.default_rng(seed).standard_normal(duration_ms * SAMPLES_PER_MS))


def pink_noise(duration_ms: int, seed: int = 0) -> Samples:
    """Noise with the same energy in every octave: rain, wind, a ventilator."""
    length = max(duration_ms, 1) * SAMPLES_PER_MS  # a transform of nothing is an error
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), length)
    return _levelled(noise[: duration_ms * SAMPLES_PER_MS])


def music(duration_ms: int, seed: int = 0) -> Samples:
    """Four chords, a plucked melody and a drum, 120 beats a minute."""
    chance = np.random.default_rng(seed)
    at_s = _seconds(duration_ms)
    mix = np.zeros_like(at_s)
    for beat in range(int(at_s[-1] / 0.5) + 1 if len(at_s) else 0):
        root_hz = 220.0 * 2 ** (np.array([0, 5, 7, 3])[beat // 4 % 4] / 12)
        notes = [root_hz * 2 ** (step / 12) / 2 for step in (0, 4, 7)] if beat % 4 == 0 else []
        notes.append(root_hz * 2 ** (chance.choice([0, 2, 4, 7, 9, 12]) / 12))
        since = at_s - beat * 0.5
        for hz in notes:
            mix += np.where(since >= 0, _pluck(np.clip(since, 0, 4), hz), 0)
        hit = np.where(since >= 0, np.exp(-40 * np.clip(since, 0, 4)), 0)
        mix += 0.5 * hit * (chance.standard_normal(len(at_s)) if beat % 2 else np.sin(2 * np.pi * 60 * since))
    return _levelled(mix)


def applause(duration_ms: int, seed: int = 0) -> Samples:
    """Many hands: bursts of noise, a few milliseconds each, at random moments."""
    chance = np.random.default_rng(seed)
    length = duration_ms * SAMPLES_PER_MS
    claps = np.zeros(length)
    decay = np.exp(-np.arange(12 * SAMPLES_PER_MS) / (2.5 * SAMPLES_PER_MS))
    for start in chance.integers(0, max(length - len(decay), 1), size=duration_ms * 60 // 1000):
        burst = chance.uniform(0.2, 1) * decay * chance.standard_normal(len(decay))
        claps[start : start + len(decay)] += burst[: length - start]
    return _levelled(claps)


def laughter(duration_ms: int, seed: int = 0) -> Samples:
    """Ha ha ha: five syllables a second, each a breath and a vowel, lower towards the end of each round."""
    chance = np.random.default_rng(seed)
    pitch_hz = chance.uniform(210, 260)
    parts: list[_Wave] = []
    while sum(map(len, parts)) < duration_ms * SAMPLES_PER_MS:
        for syllable in range(int(chance.integers(5, 9))):
            falling = np.linspace(1.12, 0.9, 110 * SAMPLES_PER_MS) * pitch_hz * 0.97**syllable
            breath = _voiced_breath(70, chance)
            parts += [breath, _vowel("a", falling), np.zeros(int(chance.integers(15, 40)) * SAMPLES_PER_MS)]
        parts.append(np.zeros(350 * SAMPLES_PER_MS))
    return _levelled(np.concatenate([np.zeros(0), *parts])[: duration_ms * SAMPLES_PER_MS])


def singing(duration_ms: int, seed: int = 0) -> Samples:
    """One voice singing vowels, half a second a note, with vibrato."""
    chance = np.random.default_rng(seed)
    parts: list[_Wave] = []
    for _ in range(-(-duration_ms // 500)):
        hz = 196.0 * 2 ** (chance.choice([0, 2, 4, 5, 7, 9]) / 12)
        vibrato = 1 + 0.02 * np.sin(2 * np.pi * 5.5 * _seconds(460))
        parts += [_vowel(str(chance.choice(list(FORMANTS_HZ))), hz * vibrato), np.zeros(40 * SAMPLES_PER_MS)]
    return _levelled(np.concatenate([np.zeros(0), *parts])[: duration_ms * SAMPLES_PER_MS])


def babble(duration_ms: int, seed: int = 0, voices: int = 1) -> Samples:
    """Syllables without words, four a second, with the melody of speech; several voices at once if asked for."""
    chance = np.random.default_rng(seed)
    mix = np.zeros(duration_ms * SAMPLES_PER_MS)
    for _ in range(voices):
        voice = np.concatenate([_syllable(chance) for _ in range(duration_ms // 150 + 1)])
        mix += np.roll(voice, int(chance.integers(0, len(voice))))[: len(mix)]
    return _levelled(mix)


def _syllable(chance: np.random.Generator) -> _Wave:
    """Breath, vowel and a short stop; now and then a longer pause. At least 150 ms."""
    vowel_ms = int(chance.integers(90, 200))
    start_hz, end_hz = chance.uniform(95, 170, size=2)
    vowel = _vowel(str(chance.choice(list(FORMANTS_HZ))), np.linspace(start_hz, end_hz, vowel_ms * SAMPLES_PER_MS))
    pause_ms = 400 if chance.random() < 0.08 else int(chance.integers(10, 50))
    return np.concatenate([_voiced_breath(50, chance), vowel, np.zeros(pause_ms * SAMPLES_PER_MS)])


def _vowel(vowel: str, pitch_hz: _Wave) -> _Wave:
    """A vowel with the given pitch at each sample: harmonics as strong as the formants let them through."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    wave = np.zeros_like(phase)
    for harmonic in range(1, int(4000 / pitch_hz.max()) + 1):
        hz = harmonic * pitch_hz
        strength = sum(
            1 / (1 + ((hz - formant) / width) ** 2)
            for formant, width in zip(FORMANTS_HZ[vowel], FORMANT_WIDTHS_HZ, strict=True)
        )
        wave += (strength + 0.02) / np.sqrt(harmonic) * np.sin(harmonic * phase)
    return wave * _rise_and_fall(len(wave))


def _voiced_breath(duration_ms: int, chance: np.random.Generator) -> _Wave:
    """An "h" or a soft consonant: noise between 1 and 4 kHz."""
    length = duration_ms * SAMPLES_PER_MS
    spectrum = np.fft.rfft(chance.standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ)
    return np.asarray(0.25 * np.fft.irfft(spectrum * ((hz > 1000) & (hz < 4000)), length) * _rise_and_fall(length))


def _pluck(since_s: _Wave, hz: float) -> _Wave:
    return np.asarray(sum(np.sin(2 * np.pi * k * hz * since_s) * np.exp(-3 * k * since_s) / k for k in (1, 2, 3, 4)))


def _rise_and_fall(length: int) -> _Wave:
    return np.asarray(np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 0.5)


def _seconds(duration_ms: int) -> _Wave:
    return np.arange(duration_ms * SAMPLES_PER_MS) / SAMPLE_RATE_HZ


def _levelled(wave: _Wave, rms: float = 0.1) -> Samples:
    """At -20 dB below full scale, peaks bent into [-1, 1]."""
    if not len(wave):
        return silence(0)
    return np.asarray(np.tanh(wave * (rms / max(float(np.sqrt(np.mean(np.square(wave)))), 1e-9))), dtype=np.float32)
