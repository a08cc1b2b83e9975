"""Whether the text of a clip looks invented: what Whisper writes when it hears music, noise, laughter or nothing.

No single sign is enough: a real "Thank you." is also what Whisper likes to invent. So signs are counted. The limits
were chosen on real speech, clean and noisy, and on music, noise and laughter: docs/experiments.md has the figures.
"""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from emoscribe.types import SpokenWord
from emoscribe.whisper.decoding import Decoding
from emoscribe.whisper.repetition import bare

PHRASES_FILE: Final = Path(__file__).with_name("invented_phrases.toml")

SUSPECT_SIGNS: Final = 3

_DOUBTFUL_LOG_PROBABILITY: Final = -0.7
_LOW_LOG_PROBABILITY: Final = -1.0
_LOW_WORD_PROBABILITY: Final = 0.45
_NO_SPEECH_PROBABILITY: Final = 0.5
_UNDECIDED_LANGUAGE: Final = 1.5  # entropy over the languages, nats; clean speech of 3 s or more is below 0.7
_SQUEEZED_MS: Final = 40  # a word that takes no longer was not heard
_SQUEEZED_SHARE: Final = 0.35
_SPARSE_WORDS_PER_S: Final = 0.6  # of sound; slow speech has more than 1
_SPARSE_MIN_SOUND_S: Final = 4.0
_DENSE_LETTERS_PER_S: Final = 35.0  # of sound; fast speech has 20
_LAUGHTER_SHARE: Final = 0.75  # of the words

_LAUGHTER: Final = re.compile(r"(a?h+[aeiou]+|j+[aeiou]+|a+h+|[хг]+[аеио]+|ха+|k{2,}|(rs){2,})+h*")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about a clip beside its words."""

    decoding: Decoding
    loops: bool  # it says the same again and again, and the sound does not
    sound_s: float  # of the clip that is not silence
    languages: Mapping[str, float]  # probabilities; empty if nobody asked
    context: str  # what the decoder was shown before


def signs_of_invention(words: Sequence[SpokenWord], circumstances: Circumstances) -> int:
    """How many signs there are; SUSPECT_SIGNS or more: the words were probably invented. At least one word."""
    decoding = circumstances.decoding
    weak = (
        decoding.average_log_probability < _DOUBTFUL_LOG_PROBABILITY,
        decoding.average_log_probability < _LOW_LOG_PROBABILITY,
        decoding.no_speech_probability > _NO_SPEECH_PROBABILITY,
        fmean(word.probability for word in words) < _LOW_WORD_PROBABILITY,
        entropy(circumstances.languages) > _UNDECIDED_LANGUAGE,
        _is_familiar(words),
    )
    strong = (
        circumstances.loops,
        _is_squeezed(words),
        _is_sparse(words, circumstances.sound_s),
        _is_credit(words),
        _plain(_text(words)) in _plain(circumstances.context),
    )
    decisive = (is_laughter(words), _is_dense(words, circumstances.sound_s))
    return sum(weak) + 2 * sum(strong) + SUSPECT_SIGNS * sum(decisive)


def entropy(distribution: Mapping[str, float]) -> float:
    """In nats; 0 for nothing."""
    return -sum(p * math.log(p) for p in distribution.values() if p > 0)


def is_laughter(words: Sequence[SpokenWord]) -> bool:
    """Whether the text is "Ha, ha, ha!", "hahaha", "jajaja", "kkk" and hardly anything else; one "Ah!" is not."""
    laughs = [bool(_LAUGHTER.fullmatch(bare(word.text))) for word in words]
    letters = sum(len(bare(word.text)) for word, laugh in zip(words, laughs, strict=True) if laugh)
    return letters >= 4 and sum(laughs) >= _LAUGHTER_SHARE * len(words)


def _is_squeezed(words: Sequence[SpokenWord]) -> bool:
    return sum(word.end_ms - word.start_ms <= _SQUEEZED_MS for word in words) > _SQUEEZED_SHARE * len(words)


def _is_sparse(words: Sequence[SpokenWord], sound_s: float) -> bool:
    return sound_s >= _SPARSE_MIN_SOUND_S and len(words) < _SPARSE_WORDS_PER_S * sound_s


def _is_dense(words: Sequence[SpokenWord], sound_s: float) -> bool:
    return sum(len(bare(word.text)) for word in words) > _DENSE_LETTERS_PER_S * max(sound_s, 0.5)


def _is_familiar(words: Sequence[SpokenWord]) -> bool:
    """Whether the text is made of phrases that Whisper likes to invent."""
    text = _text(words)
    parts = [_plain(part) for part in re.split(r"[.!?,;。！？、]", text)]
    return _plain(text) in _phrases() or all(part in _phrases() for part in parts if part)


def _is_credit(words: Sequence[SpokenWord]) -> bool:
    text = _text(words).casefold()
    return any(credit in text for credit in _credits())


def _text(words: Sequence[SpokenWord]) -> str:
    return "".join(word.text for word in words)


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


@cache
def _phrases() -> frozenset[str]:
    return frozenset(_plain(phrase) for phrases in _file()["phrases"].values() for phrase in phrases)


@cache
def _credits() -> tuple[str, ...]:
    return tuple(_file()["credits"])


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(PHRASES_FILE.read_text(encoding="utf-8"))
