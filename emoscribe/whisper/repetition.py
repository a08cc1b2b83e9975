"""Phrases that come again and again: Whisper's loops, and real refrains, which sound like what they are.

A loop is written without anything in the sound to hang on to: the alignment squeezes most of its words into no time.
A refrain that is really said takes about the same time each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import Final

from emoscribe.types import SpokenWord

MIN_REPEATS: Final = 4
_MIN_MS_PER_LETTER: Final = 25  # fast speech has 20 letters a second, 50 ms each
_MAX_UNEVENNESS: Final = 0.6  # standard deviation of the repeats' lengths, as a share of their mean
_MIN_PROBABILITY: Final = 0.4


@dataclass(frozen=True, slots=True)
class Repetition:
    """`count` times the same phrase of `length` words, from word `first` on."""

    first: int
    length: int
    count: int

    @property
    def end(self) -> int:
        """The first word behind it."""
        return self.first + self.length * self.count


def find_repetition(words: Sequence[SpokenWord]) -> Repetition | None:
    """The phrase repeated over the most words, if any comes MIN_REPEATS times in a row; case and punctuation aside."""
    texts = [bare(word.text) for word in words]
    found = [r for length in range(1, len(texts) // MIN_REPEATS + 1) for r in _repetitions(texts, length)]
    return max(found, key=lambda r: (r.length * r.count, -r.length), default=None)


def bare(text: str) -> str:
    """Letters, digits and signs of a word, case folded."""
    return "".join(character for character in text.casefold() if character.isalnum()) or text.strip()


def _repetitions(texts: Sequence[str], length: int) -> list[Repetition]:
    """All runs in which each word is the same as the one `length` before."""
    found = []
    run = 0
    for number in range(length, len(texts) + 1):
        if number < len(texts) and texts[number] == texts[number - length]:
            run += 1
            continue
        count = run // length + 1
        if count >= MIN_REPEATS:
            found.append(Repetition(number - run - length, length, count))
        run = 0
    return found


def is_heard(words: Sequence[SpokenWord], repetition: Repetition) -> bool:
    """Whether the sound bears the repetition out: probable words, each repeat as long as the others and long enough."""
    repeats = [
        words[start : start + repetition.length] for start in range(repetition.first, repetition.end, repetition.length)
    ]
    lengths_ms = [sum(word.end_ms - word.start_ms for word in repeat) for repeat in repeats]
    letters = sum(len(bare(word.text)) for word in repeats[0])
    return (
        median(lengths_ms) >= letters * _MIN_MS_PER_LETTER
        and pstdev(lengths_ms) <= _MAX_UNEVENNESS * fmean(lengths_ms)
        and fmean(word.probability for repeat in repeats for word in repeat) >= _MIN_PROBABILITY
    )


def collapse(words: Sequence[SpokenWord], repetition: Repetition) -> list[SpokenWord]:
    """The words with the phrase once."""
    return [*words[: repetition.first + repetition.length], *words[repetition.end :]]
