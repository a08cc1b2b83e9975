"""Where a subtitle text is cut: into lines of at most 42 columns, two to a cue, at the places a reader expects.

Knows nothing of files or emotions. 42 columns and two lines are the common broadcast rule (Netflix Timed Text Style
Guide, EBU-TT-D guidance); 20 characters a second is the upper end of what adults read.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final

MAX_COLUMNS: Final = 42
MAX_LINES: Final = 2
READABLE_MS: Final = 1000
READABLE_CHARACTERS_PER_S: Final = 20
PAUSE_MS: Final = 300

_CUE_COST: Final = 100.0
_ZERO_WIDTH_JOINER: Final = "\u200d"
_FIRST_COMBINING_MARK: Final = "\u0300"
_SENTENCE_END: Final = tuple(".!?…。！？")
_CLAUSE_END: Final = tuple(",;:—、，；：")


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of text that is not broken, and when it is said."""

    text: str  # not empty, no space at either end, at most MAX_COLUMNS wide
    start_ms: int
    end_ms: int
    spaced: bool  # whether a space parts it from the one before


def clean(text: str) -> str:
    """One line: no control characters or line separators, single spaces, none at the ends."""
    printable = "".join(" " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char for char in text)
    return " ".join(printable.split())


@lru_cache(maxsize=8192)  # the same words are measured over and over: this halves the time
def columns(text: str) -> int:
    """Width on screen: East Asian wide characters take two columns, marks and format characters none."""
    if max(text, default="") < _FIRST_COMBINING_MARK:  # Latin text: every character takes one
        return len(text)
    return sum(_columns_of(char) for char in text)


def _columns_of(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def broken(atom: Atom) -> list[Atom]:
    """The atom, cut into pieces that fit a line; its time is shared out by width. Marks stay with their letter."""
    pieces, widths = [""], [0]
    for char in atom.text:
        width = _columns_of(char)
        if widths[-1] + width > MAX_COLUMNS and not pieces[-1].endswith(_ZERO_WIDTH_JOINER):
            pieces.append("")
            widths.append(0)
        pieces[-1] += char
        widths[-1] += width
    total, length_ms = max(sum(widths), 1), atom.end_ms - atom.start_ms
    times = [atom.start_ms + length_ms * width // total for width in accumulate(widths, initial=0)]
    return [Atom(piece, times[at], times[at + 1], atom.spaced and at == 0) for at, piece in enumerate(pieces)]


def joined(atoms: Sequence[Atom]) -> str:
    """The atoms as one line."""
    return "".join((" " if atom.spaced and at else "") + atom.text for at, atom in enumerate(atoms))


def lines_of(atoms: Sequence[Atom]) -> tuple[str, ...]:
    """One line if it fits, else two, as even as possible, rather after punctuation, rather with the longer below.

    Atoms that do not fit two lines get as many as they need.
    """
    filled = _filled(atoms)
    if len(filled) != MAX_LINES:
        return tuple(filled)
    splits = [(joined(atoms[:at]), joined(atoms[at:])) for at in range(1, len(atoms))]
    return min((split for split in splits if max(map(columns, split)) <= MAX_COLUMNS), key=_unevenness)


def _unevenness(lines: tuple[str, str]) -> float:
    upper, lower = columns(lines[0]), columns(lines[1])
    after_punctuation = lines[0].endswith(_SENTENCE_END + _CLAUSE_END)
    return abs(upper - lower) + (2 if upper > lower else 0) - (12 if after_punctuation else 0)


def _filled(atoms: Sequence[Atom]) -> list[str]:
    """The fewest lines that hold the atoms: each as full as it gets."""
    lines: list[str] = []
    width = 0
    for atom in atoms:
        gap = " " if atom.spaced and lines else ""
        needed = width + len(gap) + columns(atom.text)
        if lines and needed <= MAX_COLUMNS:
            lines[-1] += gap + atom.text
            width = needed
        else:
            lines.append(atom.text)
            width = columns(atom.text)
    return lines


def grouped(atoms: Sequence[Atom]) -> list[list[Atom]]:
    """The atoms of each cue: as few cues as the lines allow, parted where sense or breath parts them.

    Shortest path over the places to cut; every cue fits two lines.
    """
    if len(_filled(atoms)) <= MAX_LINES:
        return [list(atoms)]
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the atoms before, and where their last cue starts
    for end in range(1, len(atoms) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            if len(_filled(atoms[start:end])) > MAX_LINES:
                break
            options.append((best[start][0] + _cost(atoms, start, end), start))
        best.append(min(options))
    cuts = [len(atoms)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    cuts.reverse()
    return [list(atoms[start:end]) for start, end in pairwise(cuts)]


def _cost(atoms: Sequence[Atom], start: int, end: int) -> float:
    """What a cue costs: itself, hurry, and a cut where nothing parts the words."""
    cue = atoms[start:end]
    length_ms = cue[-1].end_ms - cue[0].start_ms
    if length_ms <= 0:  # an emotion without a word, say
        return 3 * _CUE_COST
    hurry = max(0.0, columns(joined(cue)) * 1000 / length_ms - READABLE_CHARACTERS_PER_S)
    cost = _CUE_COST + min(hurry, 20.0) + (40.0 if length_ms < READABLE_MS else 0.0)
    if end == len(atoms):
        return cost
    if atoms[end].start_ms - cue[-1].end_ms >= PAUSE_MS:
        cost -= 15.0
    if cue[-1].text.endswith(_SENTENCE_END):
        return cost - 20.0
    return cost if cue[-1].text.endswith(_CLAUSE_END) else cost + 20.0
