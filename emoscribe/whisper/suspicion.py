"""Whether text was invented: Whisper writes fluent text about music, laughter and noise.

No single sign tells, so several are counted. The limits were chosen on first decodings by whisper-base of 120
clips without speech (music, laughter, animals, machines) and 187 of speech (FLEURS in five languages, clean and
under music or noise, long recordings, short talk): two signs flag 117 of the former and none of the clean speech;
under noise as loud as the speech they flag what was indeed misheard.
"""

import math
from itertools import pairwise
from statistics import fmean
from typing import Final

from emoscribe.types import LanguageGuess, SpokenWord
from emoscribe.whisper.decoding import MAX_COMPRESSION_RATIO, Decoding
from emoscribe.whisper.model import MS_PER_POSITION, Alignment

SIGNS_OF_INVENTION: Final = 2
MAX_LANGUAGE_ENTROPY: Final = 1.0  # nats: about three languages alike; speech is near 0
MIN_TOKEN_PROBABILITY: Final = 0.6
MAX_INSTANT_TOKENS: Final = 0.3  # share of tokens without duration
MAX_NO_SPEECH_PROBABILITY: Final = 0.45
MIN_TOKENS_PER_S: Final = 0.5

LOOP_REPEATS: Final = 4
_LONGEST_PHRASE: Final = 12  # words


def looks_invented(decoding: Decoding, alignment: Alignment, guess: LanguageGuess, duration_ms: int) -> bool:
    """Whether at least SIGNS_OF_INVENTION speak against the text. `guess` is about the clip's own language."""
    if not decoding.tokens:
        return False
    signs = (
        entropy(guess) > MAX_LANGUAGE_ENTROPY,
        fmean(alignment.probabilities) < MIN_TOKEN_PROBABILITY,
        instant_tokens(alignment) > MAX_INSTANT_TOKENS,
        decoding.no_speech_probability > MAX_NO_SPEECH_PROBABILITY,
        decoding.compression_ratio > MAX_COMPRESSION_RATIO,
        len(decoding.tokens) < MIN_TOKENS_PER_S * duration_ms / 1000,
    )
    return sum(signs) >= SIGNS_OF_INVENTION


def entropy(guess: LanguageGuess) -> float:
    """Of the belief in languages, nats: 0 is certain."""
    return -sum(p * math.log(p) for p in guess.distribution.values() if p > 0)


def instant_tokens(alignment: Alignment) -> float:
    """Share of the tokens that the sound has no room for."""
    lengths = [end - start for start, end in pairwise(alignment.edges_ms)]
    return fmean(length <= MS_PER_POSITION for length in lengths) if lengths else 0.0


def is_sung(alignment: Alignment) -> bool:
    """Whether a repetition is in the sound: its tokens have room, and the model believes them."""
    return instant_tokens(alignment) <= MAX_INSTANT_TOKENS and fmean(alignment.probabilities) >= MIN_TOKEN_PROBABILITY


def repeats(words: tuple[SpokenWord, ...]) -> bool:
    """Whether a phrase stands LOOP_REPEATS times or more in a row, punctuation and case aside."""
    plain = ["".join(filter(str.isalnum, word.text.casefold())) for word in words]
    for length in range(1, min(_LONGEST_PHRASE, len(plain) // LOOP_REPEATS) + 1):
        run = 0  # words in a row that equal the one a phrase before
        for before, word in zip(plain, plain[length:], strict=False):
            run = run + 1 if word == before else 0
            if run >= length * (LOOP_REPEATS - 1):
                return True
    return False
