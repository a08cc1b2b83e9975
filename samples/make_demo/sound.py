"""The sound track: sentences on a time line, over a melody, rain and a quiet room. Pure functions."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]  # (n,), mono, in [-1, 1]

SPEECH_LEVEL_DB: Final = -21.0  # RMS of each sentence relative to full scale
PEAK: Final = 0.89  # -1 dB: AAC overshoots a little
ROOM_LEVEL_DB: Final = -62.0
RAIN_LEVEL_DB: Final = -44.0
MELODY_LEVEL_DB: Final = -26.0
TITLE_NOTES_HZ: Final = (392.0, 440.0, 587.3, 784.0)  # g a d g
CREDITS_NOTES_HZ: Final = (587.3, 440.0, 392.0)


@dataclass(frozen=True)
class Placed:
    """Samples and where they begin on the sound track."""

    start_ms: int
    audio: Audio


def levelled(audio: Audio, level_db: float = SPEECH_LEVEL_DB) -> Audio:
    """The audio at the given RMS level, its peaks bent below PEAK."""
    rms = float(np.sqrt(np.mean(np.square(audio))))
    louder = audio * (10 ** (level_db / 20) / max(rms, 1e-6))
    return np.asarray(PEAK * np.tanh(louder / PEAK), dtype=np.float32)


def mix(placed: list[Placed], total_ms: int, rate_hz: int) -> Audio:
    """Everything added up on a track of `total_ms`, over the tone of a quiet room."""
    track = room(total_ms, rate_hz)
    for item in placed:
        start = item.start_ms * rate_hz // 1000
        track[start : start + len(item.audio)] += item.audio
    return np.asarray(np.clip(track, -PEAK, PEAK), dtype=np.float32)


def room(duration_ms: int, rate_hz: int) -> Audio:
    """Pink noise far below the speech: digital silence between sentences sounds like a fault."""
    return levelled(_noise(duration_ms, rate_hz, slope=-0.5, seed=1), ROOM_LEVEL_DB)


def rain(duration_ms: int, rate_hz: int) -> Audio:
    """Soft rain that fades in and out over half a second."""
    steady = levelled(_noise(duration_ms, rate_hz, slope=-0.25, seed=2), RAIN_LEVEL_DB)
    return steady * _fades(len(steady), rate_hz // 2)


def melody(notes_hz: tuple[float, ...], duration_ms: int, rate_hz: int) -> Audio:
    """Bell-like notes, one after the other, over a held fifth."""
    at_s = np.arange(duration_ms * rate_hz // 1000) / rate_hz
    total = 0.25 * sum(np.sin(2 * np.pi * hz * at_s) for hz in (98.0, 147.0, 196.0)) * np.exp(-at_s)
    for place, hz in enumerate(notes_hz):
        since_s = np.maximum(at_s - 0.28 * place, 0)
        struck = sum(np.sin(2 * np.pi * hz * k * since_s) * np.exp(-(2 + k) * since_s) / k**1.5 for k in (1, 2, 3, 4))
        total = total + np.where(at_s >= 0.28 * place, struck * -np.expm1(-200 * since_s), 0)
    return levelled(np.asarray(total, dtype=np.float32), MELODY_LEVEL_DB) * _fades(len(at_s), rate_hz // 5)


def _noise(duration_ms: int, rate_hz: int, slope: float, seed: int) -> Audio:
    """Noise whose amplitude goes with frequency ** slope."""
    length = duration_ms * rate_hz // 1000
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    shaped = spectrum * np.maximum(np.fft.rfftfreq(length, 1 / rate_hz), 50.0) ** slope
    return np.asarray(np.fft.irfft(shaped, length), dtype=np.float32)


def _fades(length: int, fade: int) -> Audio:
    ramp = np.minimum(np.arange(length), np.arange(length)[::-1]) / fade
    return np.asarray(np.minimum(ramp, 1), dtype=np.float32)
