"""Tokens with their places become words with theirs.

Words are split where the text has spaces, so "R$", "13,60" and "guarda-chuva" stay whole; scripts without spaces give
a word for each character. Whisper's alignment knows no pauses: a token ends where the next one begins. So a word
beside a pause comes out as long as the pause, and the sound itself must tell where the word starts and ends.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emoscribe.types import SAMPLES_PER_MS, Samples, SpokenWord
from emoscribe.whisper.model import Alignment, Tokens

FRAME_MS: Final = 10
_PAUSE_FRAMES: Final = 20  # no word goes on over so long a silence
_MIN_WORD_MS: Final = 20
_MAX_WORD_MS: Final = 1500  # where no silence shows the edge of a word

_SPEECH_PERCENTILE: Final = 95
_FLOOR_PERCENTILE: Final = 5
_MIN_RANGE_DB: Final = 10.0  # between floor and speech; below, nothing can be told from loudness
_QUIET_BELOW_SPEECH_DB: Final = 35.0
_QUIET_ABOVE_FLOOR: Final = 0.25  # of the way from floor to speech

_OPENING: Final = frozenset("\"'¿¡-–—")  # beside the categories Ps and Pi, if a space is before and none behind
_SPOKEN_SIGNS: Final = frozenset("&@%#*/§°")  # punctuation to Unicode, words to a reader
_NO_SPACES: Final = (  # first and last character of scripts that put no spaces between words
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Burmese
    ("\u1780", "\u17ff"),  # Khmer
    ("\u3000", "\u30ff"),  # kana and their punctuation
    ("\u3400", "\u9fff"),  # Chinese characters
    ("\uf900", "\ufaff"),
    ("\uff00", "\uffef"),  # full-width forms
    ("\U00020000", "\U0003ffff"),
)
_SENTENCE_ENDS: Final = tuple(".!?…。！？।؟")


@dataclass(frozen=True, slots=True)
class Piece:
    """A token, or a few that make whole characters."""

    text: str
    start_ms: int
    end_ms: int
    probabilities: tuple[float, ...]  # of its tokens

    @property
    def is_spoken(self) -> bool:
        """Whether anything of it is said."""
        return any(is_spoken(character) for character in self.text)


def is_spoken(character: str) -> bool:
    """Whether a character is said, and not only written: letters, digits, signs such as "$" and "%", no notes."""
    category = unicodedata.category(character)
    return character in _SPOKEN_SIGNS or category[0] in "LNM" or category in {"Sc", "Sm"}


def spoken_words(tokens: Tokens, alignment: Alignment, tokenizer: Any, samples: Samples) -> tuple[SpokenWord, ...]:
    """The words of one clip's tokens; none if nothing but punctuation was written. `tokenizer` is faster-whisper's."""
    texts, groups = tokenizer.split_tokens_on_unicode(list(tokens))
    words = join_pieces(list(_pieces(texts, [len(group) for group in groups], alignment)))
    return tuple(repair_times(words, samples))


def _pieces(texts: Sequence[str], sizes: Sequence[int], alignment: Alignment) -> Iterator[Piece]:
    first = 0
    for text, size in zip(texts, sizes, strict=True):
        last = first + size
        edges = alignment.edges_ms
        yield Piece(text, edges[first], edges[last], alignment.probabilities[first:last])
        first = last


# --- pieces to words --------------------------------------------------------------------------


def join_pieces(pieces: Sequence[Piece]) -> list[SpokenWord]:
    """Pieces as words; punctuation that stands alone goes to the word it belongs to. Times and probability are those of
    what is said.
    """
    words: list[list[Piece]] = []
    for piece in pieces:
        if words and _goes_on(words[-1][-1].text, piece.text):
            words[-1].append(piece)
        else:
            words.append([piece])
    return [_word(word) for word in _attach_punctuation(words)]


def _goes_on(before: str, text: str) -> bool:
    """Whether a piece belongs to the same word as the piece before it."""
    if text[0].isspace() or _opens(text):
        return False
    if unicodedata.category(text[0])[0] == "M" or not any(map(is_spoken, text)):
        return True
    return not (is_spaceless(before[-1]) or is_spaceless(text[0]))


def _opens(text: str) -> bool:
    """Whether it is punctuation that belongs to what follows."""
    marks = text.strip()
    if text[0].isspace() and marks and all(mark in _OPENING for mark in marks):
        return True
    return bool(marks) and all(unicodedata.category(mark) in {"Ps", "Pi"} for mark in marks)


def is_spaceless(character: str) -> bool:
    """Whether it belongs to a script that puts no spaces between words."""
    return any(first <= character <= last for first, last in _NO_SPACES)


def _attach_punctuation(words: Sequence[list[Piece]]) -> list[list[Piece]]:
    attached: list[list[Piece]] = []
    opening: list[Piece] = []
    for word in words:
        if any(piece.is_spoken for piece in word):
            attached.append([*opening, *word])
            opening = []
        elif attached and not _opens("".join(piece.text for piece in word)):
            attached[-1] = [*attached[-1], *word]
        else:
            opening += word
    if attached:
        attached[-1] = [*attached[-1], *opening]
    return attached


def _word(pieces: Sequence[Piece]) -> SpokenWord:
    said = [piece for piece in pieces if piece.is_spoken]
    return SpokenWord(
        text="".join(piece.text for piece in pieces),
        start_ms=said[0].start_ms,
        end_ms=said[-1].end_ms,
        probability=min(1.0, fmean(p for piece in said for p in piece.probabilities)),
    )


# --- times ------------------------------------------------------------------------------------


def repair_times(words: Sequence[SpokenWord], samples: Samples) -> list[SpokenWord]:
    """Words without the pauses beside them: in order, apart, inside the clip, as long as there is room for."""
    duration_ms = len(samples) // SAMPLES_PER_MS
    quiet = quiet_frames(samples)
    placed = [_without_pauses(word, quiet) for word in words]
    placed = [_shortened(word, before) for before, word in zip([None, *placed], placed, strict=False)]
    repaired: list[SpokenWord] = []
    for number, word in enumerate(placed):
        earliest = repaired[-1].end_ms if repaired else 0
        latest = placed[number + 1].start_ms if number + 1 < len(placed) else duration_ms
        start = min(max(word.start_ms, earliest), duration_ms)
        end = min(max(word.end_ms, min(start + _MIN_WORD_MS, latest), start), duration_ms)
        repaired.append(replace(word, start_ms=start, end_ms=end))
    return repaired


def quiet_frames(samples: Samples) -> npt.NDArray[np.bool_]:
    """For each 10 ms of a clip, whether it is silence next to the speech around it; never, in steady noise."""
    frames = samples[: len(samples) // (FRAME_MS * SAMPLES_PER_MS) * FRAME_MS * SAMPLES_PER_MS]
    power = np.square(frames.reshape(-1, FRAME_MS * SAMPLES_PER_MS)).mean(axis=1)
    if not len(power):
        return np.zeros(0, np.bool_)
    loudness_db = 10 * np.log10(power + 1e-10)
    floor, speech = np.percentile(loudness_db, (_FLOOR_PERCENTILE, _SPEECH_PERCENTILE))
    if speech - floor < _MIN_RANGE_DB:
        return np.zeros(len(power), np.bool_)
    limit = max(speech - _QUIET_BELOW_SPEECH_DB, floor + _QUIET_ABOVE_FLOOR * (speech - floor))
    quiet: npt.NDArray[np.bool_] = loudness_db < limit
    return quiet


def _without_pauses(word: SpokenWord, quiet: npt.NDArray[np.bool_]) -> SpokenWord:
    """The longest part of a word between pauses; a word that lies in silence as it is, but short."""
    first = word.start_ms // FRAME_MS
    sound = first + np.flatnonzero(~quiet[first : -(-word.end_ms // FRAME_MS)])
    if not len(sound):
        return replace(word, end_ms=min(word.end_ms, word.start_ms + _PAUSE_FRAMES * FRAME_MS))
    parts = np.split(sound, np.flatnonzero(np.diff(sound) > _PAUSE_FRAMES) + 1)
    part = max(parts, key=len)
    start, end = int(part[0]) * FRAME_MS, int(part[-1] + 1) * FRAME_MS
    return replace(word, start_ms=max(word.start_ms, start), end_ms=min(word.end_ms, end))


def _shortened(word: SpokenWord, before: SpokenWord | None) -> SpokenWord:
    """A word that is too long to be one: the first of a sentence keeps its end, the others their start."""
    if word.end_ms - word.start_ms <= _MAX_WORD_MS:
        return word
    if before is None or before.text.endswith(_SENTENCE_ENDS):
        return replace(word, start_ms=word.end_ms - _MAX_WORD_MS)
    return replace(word, end_ms=word.start_ms + _MAX_WORD_MS)
