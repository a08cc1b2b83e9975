"""Which words of a source text the words of its English stand for.

None of our engines says how it aligned the words, so it is found out by a dictionary: each source word, and each pair
of neighbours, is translated by itself, by the engine that translated the sentence, and looked for in the English.
Names, numbers and cognates need no dictionary. What is not found has no place: an English word is left without rather
than given a wrong one.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

MIN_COGNATE_LETTERS: Final = 5
MIN_COGNATE_LIKENESS: Final = 0.75  # of the letters, as SequenceMatcher counts them
EXACT, INFLECTED, COGNATE = 1.0, 0.8, 0.7
PAIR_COST: Final = 0.15  # a meaning that only two words have together says less of each
DISTANCE_COST: Final = 0.6  # for standing at the other end of the sentence
MIN_STANDING: Final = 0.5

# They stand everywhere: only a source word that means nothing else can be one of them.
_FUNCTION_WORDS: Final = """
a an and are as at be been but by can could did do does for from had has have he her him his i if in is it
its me my not of on or our she so that the their them there these they this those to up us was we were what
who will with would you your
"""
FUNCTION_WORDS: Final = frozenset(_FUNCTION_WORDS.split())


def align_same_text(text: str, words: Sequence[str], parts: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """For each part of the text, as (start, end) in characters, the numbers of the words that lie in it."""
    places: list[tuple[int, int] | None] = []
    after = 0
    for word in words:
        start = text.find(word, after) if word else -1
        places.append((start, start + len(word)) if start >= 0 else None)
        after = places[-1][1] if places[-1] else after
    return [
        tuple(number for number, place in enumerate(places) if place and place[0] < end and start < place[1])
        for start, end in parts
    ]


def align_by_dictionary(
    words: Sequence[str], english: Sequence[str], meanings: Mapping[str, str]
) -> list[tuple[int, ...]]:
    """For each English word the numbers of the source words it stands for, one or two; or nothing.

    `meanings`: the English of what `to_look_up` names; what has none may be missing.
    """
    entries = _entries(words, meanings)
    found: list[tuple[int, ...]] = []
    for place, word in enumerate(english):
        tokens = _tokens(word)
        standings = [
            entry.likeness(tokens) - DISTANCE_COST * abs(entry.words[0] / len(words) - place / len(english))
            for entry in entries
        ]
        best = max(range(len(entries)), key=standings.__getitem__, default=-1)
        found.append(entries[best].words if best >= 0 and standings[best] >= MIN_STANDING else ())
    return found


def to_look_up(words: Sequence[str]) -> list[str]:
    """The words without the punctuation around them, and each two neighbours."""
    letters = [bare(word) for word in words]
    pairs = [f"{one} {other}" for one, other in pairwise(letters) if one and other]
    return [*filter(None, letters), *pairs]


def bare(word: str) -> str:
    """The word without the punctuation around it."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", word)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One or two source words and the English tokens that can stand for them."""

    words: tuple[int, ...]
    meanings: frozenset[str]
    letters: str = ""  # of a single word, for names and cognates
    cost: float = 0.0

    def likeness(self, tokens: frozenset[str]) -> float:
        """To an English word, 0 to 1."""
        if tokens & (self.meanings | (_tokens(self.letters) - FUNCTION_WORDS)):
            return EXACT - self.cost
        content = tokens - FUNCTION_WORDS
        if any(_is_inflection(token, meaning) for token in content for meaning in self.meanings):
            return INFLECTED - self.cost
        return COGNATE if any(_is_cognate(token, self.letters) for token in content) else 0.0


def _entries(words: Sequence[str], meanings: Mapping[str, str]) -> list[_Entry]:
    """Of each word; and of each pair what its words do not mean by themselves, for those that mean nothing else in it.

    "Tenho medo" is "I am afraid", "tenho" is "I have", "medo" is "fear": so "afraid" stands for "medo".
    """
    letters = [bare(word) for word in words]
    known = [_tokens(meanings.get(one, "")) for one in letters]
    entries = [
        _Entry((number,), (tokens - FUNCTION_WORDS) or tokens, folded(one))
        for number, (one, tokens) in enumerate(zip(letters, known, strict=True))
    ]
    for number, (one, other) in enumerate(pairwise(letters)):
        together = _tokens(meanings.get(f"{one} {other}", "")) if one and other else frozenset[str]()
        own = [place for place in (number, number + 1) if not known[place] & together] or [number, number + 1]
        rest = together - known[number] - known[number + 1] - FUNCTION_WORDS
        entries.append(_Entry(tuple(own), rest, cost=PAIR_COST))
    return entries


def _is_inflection(one: str, other: str) -> bool:
    """Alike from the start but for the ending: hated, hating."""
    shared = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared >= max(3 if min(len(one), len(other)) > 4 else 4, max(len(one), len(other)) - 3)


def _is_cognate(one: str, other: str) -> bool:
    is_long = min(len(one), len(other)) >= MIN_COGNATE_LETTERS and one[0] == other[0]
    return is_long and SequenceMatcher(None, one, other, autojunk=False).ratio() >= MIN_COGNATE_LIKENESS


def _tokens(english: str) -> frozenset[str]:
    """Small letters; "don't" is do and not, "I'm" is i and am."""
    text = folded(english).replace("’", "'")
    for short, full in (("can't", "can not"), ("won't", "will not"), ("n't", " not"), ("'m", " am"), ("'re", " are")):
        text = text.replace(short, full)
    tokens = re.findall(r"\w+", re.sub(r"'(s|ll|ve|d)\b", "", text))
    return frozenset("not" if found == "no" else found for found in tokens)


def folded(text: str) -> str:
    """Small letters without accents."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn").casefold()
