"""What a small translation model must be spared: splits and tidies text before it, checks the English after it.

A student model knows about a hundred characters, learnt from edited prose, and answers what it does not know with
noise or loops. Seen on bergamot-pt-en: "😂" gives `" " " "`, "Ó" is unknown to it, "QUE ÓDIO!" gives "THAT ODIO!".
Nothing here knows a model: `Preparation` says what the model at hand needs.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Final, Literal

MAX_UNIT_CHARACTERS: Final = 300
"""Longer sentences are cut, at a comma or a space.

bergamot-pt-en loses the thread on unpunctuated text from about 500 characters on, and its time grows with the square
of the length: 5 s, and nonsense, for 5,000 characters in one piece.
"""

_TYPOGRAPHY: Final = {
    **dict.fromkeys("“”„«»", '"'),
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("‒–—―", "-"),
    "…": "...",
    "€": "EUR ",
    "£": "GBP ",
}
_INVISIBLE: Final = {"Cc", "Cf", "Cs", "Co", "Cn"}  # Unicode categories
_SYMBOLS: Final = {"So", "Sk"}  # emoji and the colours of their skin
_ZERO_WIDTH_JOINER: Final = "\u200d"  # holds emoji together

_WORD: Final = re.compile(r"[^\W\d_]+")
_DRAWN_OUT: Final = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)
_CLOSING: Final = re.compile(r"[.!?…]*$")
_LOOP: Final = re.compile(r"(?<!\S)(\S+(?:\s\S+){0,5}?)((?:\s\1(?!\S)){3,})")  # a phrase, four times or more
_STUTTER: Final = re.compile(r"(\S{1,3}?)\1{15,}")


Case = Literal["as it comes", "capital first", "capitals"]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What one engine needs. The default changes nothing but control characters and length."""

    sentence_language: str = "en"  # sentencex code
    abbreviations: Collection[str] = ()  # lower case, with their full stop: they end no sentence
    alphabet: frozenset[str] | None = None  # the characters the model knows; None: it is not known to lack any
    phrases: Mapping[str, str] = field(default_factory=dict)  # bare sentence in lower case -> its English
    spellings: Mapping[str, str] = field(default_factory=dict)  # word in lower case -> written out
    writes_drawn_out_once: bool = False  # "Nããão" -> "Não"
    lowers_capitals: bool = False  # "QUE RAIVA" -> "Que raiva"


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a text: what the engine is given, or what stays as it is."""

    text: str  # neither empty nor with space around it
    space: str = ""  # what follows it
    is_fixed: bool = False  # not for the engine
    is_phrase: bool = False  # fixed, by the table of phrases
    case: Case = "as it comes"  # of its English


def clean(text: str) -> str:
    """NFC without control characters, lone surrogates and invisible marks; white space becomes single spaces."""
    text = unicodedata.normalize("NFC", text)
    visible = (ch if not _is_invisible(ch) else " " if ch.isspace() else "" for ch in text)
    return " ".join("".join(visible).split())


def _is_invisible(ch: str) -> bool:
    return unicodedata.category(ch) in _INVISIBLE and ch != _ZERO_WIDTH_JOINER


def is_foreign(text: str, preparation: Preparation) -> bool:
    """Whether most of the letters are of a script the model does not know."""
    letters = [ch for ch in text if ch.isalpha()]
    return sum(_known(ch, preparation) is None for ch in letters) * 2 > len(letters)


def units_of(text: str, preparation: Preparation) -> list[Unit]:
    """The pieces of a cleaned text, in order; [] for ""."""
    units: list[Unit] = []
    for sentence in _sentences(text, preparation):
        bare = sentence.strip()
        if bare:
            units += _units_of_sentence(bare, sentence[len(sentence.rstrip()) :], preparation)
    return units


def english_of(unit: Unit, english: str) -> str:
    """The engine's answer for a unit, without what only a loop can have made, in the case of the source."""
    return _in_case(_without_loops(unit.text, english.strip()), unit.case)


def _sentences(text: str, preparation: Preparation) -> list[str]:
    """The text in sentences, each with the space behind it."""
    from sentencex import segment

    sentences: list[str] = []
    is_open = False
    for part in segment(preparation.sentence_language, text):
        sentences.append(sentences.pop() + part if is_open else part)
        words = part.split()
        is_open = bool(words) and words[-1].lower() in preparation.abbreviations
    return sentences


def _units_of_sentence(sentence: str, space: str, preparation: Preparation) -> Iterator[Unit]:
    """The phrases it begins with ("Nossa, ..."), then the rest in pieces."""
    rest = sentence
    while rest:
        head, comma, tail = (rest, "", "") if _bare(rest) in preparation.phrases else rest.partition(", ")
        english = preparation.phrases.get(_bare(head))
        if english is None:
            break
        english = _in_case(english, _case(head)) + _closing(head)
        yield Unit(english, comma or space, is_fixed=True, is_phrase=True)
        rest = tail
    case = _case(rest)
    pieces = [p for run in _runs(_rewritten(rest, preparation), preparation) for p in _short_pieces(run)]
    for number, piece in enumerate(pieces, start=1):
        text = piece.strip()
        yield Unit(
            text,
            space if number == len(pieces) else piece[len(piece.rstrip()) :],
            is_fixed=not any(ch.isalpha() and _known(ch, preparation) for ch in text),
            case=case if number == 1 or case == "capitals" else "as it comes",
        )


def _case(text: str) -> Case:
    if _is_in_capitals(text):
        return "capitals"
    first = next((ch for ch in text if ch.isalpha()), "")
    return "capital first" if first.isupper() else "as it comes"


def _in_case(english: str, case: Case) -> str:
    if case == "capitals":
        return english.upper()
    return english[:1].upper() + english[1:] if case == "capital first" else english


def _closing(text: str) -> str:
    closing = _CLOSING.search(text)
    return closing.group() if closing else ""


def _bare(sentence: str) -> str:
    """Lower case, words and single spaces only: the key of a phrase."""
    return " ".join(_WORD.findall(_DRAWN_OUT.sub(r"\1", sentence.lower()))) if len(sentence) < 60 else ""


def _is_in_capitals(sentence: str) -> bool:
    """Whether it is shouted: all in capitals and more than an abbreviation."""
    return sentence.isupper() and sum(ch.isalpha() for ch in sentence) > 4


def _rewritten(sentence: str, preparation: Preparation) -> str:
    """The sentence in the model's characters and in spellings it knows."""
    if preparation.lowers_capitals:
        sentence = sentence.lower() if _is_in_capitals(sentence) else _WORD.sub(_lower_if_shouted, sentence)
    if preparation.writes_drawn_out_once:
        sentence = _DRAWN_OUT.sub(r"\1\1\1", sentence)  # so that the table can name a drawn-out word: "kkk"
    sentence = _respelt(sentence, preparation.spellings)
    if preparation.writes_drawn_out_once:
        sentence = _DRAWN_OUT.sub(r"\1", sentence)
    return "".join(_known(ch, preparation) or ch for ch in sentence)


def _lower_if_shouted(word: re.Match[str]) -> str:
    text = word.group()
    return text.lower() if text.isupper() and len(text) >= 5 else text  # shorter ones may be names: ONU, UFRJ


def _respelt(sentence: str, spellings: Mapping[str, str]) -> str:
    """With the words and runs of words that are in the table replaced; the longest run wins."""
    if not spellings:
        return sentence

    def written(match: re.Match[str]) -> str:
        found = match.group()
        return _in_case(spellings[found.lower()], "capital first" if found[0].isupper() else "as it comes")

    return _any_of(tuple(spellings)).sub(written, sentence)


@cache
def _any_of(keys: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(keys, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)


def _known(ch: str, preparation: Preparation) -> str | None:
    """The character as the model knows it: itself, its plain form or its small letter; None if it knows none."""
    alphabet = preparation.alphabet
    if alphabet is None or ch in alphabet or ch.isspace():
        return ch
    if ch in _TYPOGRAPHY:
        return _TYPOGRAPHY[ch]
    if ch.lower() in alphabet:
        return ch.lower()
    plain = unicodedata.normalize("NFD", ch)[0]
    return plain if plain in alphabet else None


def _runs(sentence: str, preparation: Preparation) -> Iterator[str]:
    """The sentence cut where emoji or a foreign script begins and ends; spaces and marks stay with what they follow."""
    is_unreadable = False
    marked = []
    for ch in sentence:
        category = unicodedata.category(ch)
        if category[0] not in "ZMC":
            is_unreadable = _known(ch, preparation) is None and (category[0] == "L" or category in _SYMBOLS)
        marked.append((is_unreadable, ch))
    for _, run in groupby(marked, key=lambda mark: mark[0]):
        yield "".join(ch for _, ch in run)


def _short_pieces(text: str) -> Iterator[str]:
    """Pieces of at most MAX_UNIT_CHARACTERS, cut after a comma in the second half or else after a space."""
    while len(text.rstrip()) > MAX_UNIT_CHARACTERS:
        window = text[:MAX_UNIT_CHARACTERS]
        comma = max(window.rfind(mark) for mark in (", ", "; ", ": "))
        cut = comma + 2 if comma >= MAX_UNIT_CHARACTERS // 2 else window.rfind(" ") + 1
        cut = cut or MAX_UNIT_CHARACTERS  # one endless word
        yield text[:cut]
        text = text[cut:]
    if text.strip():
        yield text


def _without_loops(source: str, english: str) -> str:
    """Repetitions of four times or more, cut back to what the source has."""
    said = max(map(_times, _LOOP.finditer(source)), default=1)
    english = _LOOP.sub(lambda loop: " ".join([loop.group(1)] * min(said, _times(loop))), english)
    return english if _STUTTER.search(source) else _STUTTER.sub(r"\1\1\1", english)


def _times(loop: re.Match[str]) -> int:
    return 1 + len(loop.group(2).split()) // len(loop.group(1).split())
