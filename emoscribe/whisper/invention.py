"""Whether the text of a clip looks invented: what Whisper writes when it hears music, noise, laughter or nothing.

No single sign is enough: a real "Thank you." is also a phrase that Whisper likes to invent. Signs are counted; the
figures behind the limits are in docs/experiments.md.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Final

from emoscribe.types import SpokenWord
from emoscribe.whisper.decoding import MAX_COMPRESSION_RATIO, Decoding
from emoscribe.whisper.repetition import bare

_PHRASES: Final = Path(__file__).with_name("invented_phrases.toml")

SUSPECT_SCORE: Final = 3

_DOUBTFUL_LOG_PROBABILITY: Final = -0.7
_LOW_LOG_PROBABILITY: Final = -1.0
_LOW_WORD_PROBABILITY: Final = 0.45
_NO_SPEECH_PROBABILITY: Final = 0.5
_UNDECIDED_LANGUAGE: Final = 1.5  # entropy over languages, nats; speech of 3 s or more in one language is below 0.7
_SQUEEZED_MS: Final = 40  # a word that takes no longer was not heard
_SQUEEZED_SHARE: Final = 0.35
_SPARSE_WORDS_PER_S: Final = 0.6  # of sound; slow speech has more than 1
_SPARSE_MIN_SOUND_MS: Final = 4000
_DENSE_LETTERS_PER_S: Final = 35  # of clip; fast speech has 20


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about a clip beside its text."""

    decoding: Decoding
    sound_ms: int  # how much of the clip is not silence
    languages: Mapping[str, float]  # probabilities; empty if nobody asked


def suspicion(words: Sequence[SpokenWord], circumstances: Circumstances) -> int:
    """The signs that the words were invented; from SUSPECT_SCORE on they probably were."""
    decoding = circumstances.decoding
    letters = sum(len(bare(word.text)) for word in words)
    squeezed = sum(word.end_ms - word.start_ms <= _SQUEEZED_MS for word in words)
    sound_ms = circumstances.sound_ms
    signs = {
        "doubtful": decoding.average_log_probability < _DOUBTFUL_LOG_PROBABILITY,
        "improbable": decoding.average_log_probability < _LOW_LOG_PROBABILITY,
        "improbable words": fmean(word.probability for word in words) < _LOW_WORD_PROBABILITY,
        "no speech": decoding.no_speech_probability > _NO_SPEECH_PROBABILITY,
        "no language": _entropy(circumstances.languages) > _UNDECIDED_LANGUAGE,
    }
    strong = {
        "looping": decoding.compression_ratio > MAX_COMPRESSION_RATIO,
        "squeezed": squeezed > _SQUEEZED_SHARE * len(words),
        "sparse": sound_ms >= _SPARSE_MIN_SOUND_MS and len(words) < _SPARSE_WORDS_PER_S * sound_ms / 1000,
        "dense": letters > _DENSE_LETTERS_PER_S * max(sound_ms, 1) / 1000,
    }
    return sum(signs.values()) + 2 * sum(strong.values()) + familiarity("".join(word.text for word in words))
