"""Film lines of XED, made alike: nothing but the words may tell the emotional ones from the neutral ones.

The two files were prepared differently. Of the emotional lines 98 % have a space before their full stop, a third a
comma, and an eighth [PERSON] in place of a name; of the neutral lines practically none, and a fifth hold real names. A
model learns such things instead of the words. Putting in eight names of our own made it worse: those names were then
emotional to the model, and all others neutral. So names are drawn for both kinds of line from one list of many origins,
and half of the neutral lines with names are left out, so that a name is as frequent in one kind as in the other.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

# Chosen by hand, for being names in many places and no words in English. None of them is in `swaps.py`, which checks.
_LIST: Final = """
Abdul Abena Ahmed Aiko Aisha Akira Alejandro Alice Amara Amina Amit Ana Andrea Andrei Anita Antonio Aryan Astrid
Ayesha Babajide Beatriz Bilal Bjorn Brandon Bruno Camila Carlos Carmen Catherine Chidi Chinedu Chloe Claire
Dalia Daniel Darnell David Deepak Deshawn Diego Dmitri Eduardo Elena Elif Elizabeth Emeka Emma Eric Fatima
Fernando Francesca Gabriela Giulia Hana Hannah Hans Hassan Helena Henrik Hiroshi Ibrahim Imani Ines Ingrid Irina
Ivan Jack Jacob Javier Jessica Jin Jorge Juan Julia Kareem Karin Kavita Keisha Kenji Khalid Kofi Kwame Lars
Latoya Laura Layla Leila Leroy Ling Linh Luca Lucia Luis Malik Manuel Marcus Maria Mariam Mateo Mei Miguel Mina
Ming Monique Nadia Nam Natasha Ngozi Nikhil Nina Nkechi Olga Oliver Olivia Omar Oscar Pablo Patricia Paula Peter
Priya Rachel Rafael Rahul Raj Rashid Ravi Ricardo Robert Rosa Rui Salma Samira Samuel Sanjay Sarah Sergei Shanice
Sofia Soo Stefan Sunita Susan Svetlana Tamika Tariq Tatiana Thabo Thandi Thiago Thomas Trevon Tunde Tyrone Valentina
Victor Wanjiru Xavier Yara Yasmin Yusuf Yuki Zainab Zanele Zuri
"""
NAMES: Final = tuple(_LIST.split())

_CAPITALISED: Final = re.compile(r"\b[A-Z][a-z]{2,}\b")
_INSIDE: Final = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")


def as_neutral_lines_look(text: str) -> str | None:
    """An emotional line in the form of the neutral ones, [PERSON] still in it; None for one that cannot be."""
    if "[LOCATION]" in text:
        return None  # 2 % of the lines: what is put in its place would tell
    plain = re.sub(r"(?<=\d) ?, ?(?=\d\d\d\b)", "", text).replace(",", " ")
    plain = re.sub(r"\s+([.?!:;%)]|'\w+\b|n't\b)", r"\1", plain)
    plain = re.sub(r"\b([Ww]an|[Gg]on|[Gg]ot) (na|ta)\b", r"\1\2", plain)
    plain = re.sub(r"(?<=\w) - (?=\w)", "-", plain)
    plain = re.sub(r"([(])\s+", r"\1", plain)
    plain = re.sub(r"\s+", " ", plain).strip(" *#-")
    return plain if any(character.isalnum() for character in plain.replace("[PERSON]", "")) else None


class NameGiver:
    """Puts names of the list in place of [PERSON], and of the names that neutral lines hold."""

    def __init__(self, neutral: Sequence[str], emotional: Iterable[str]) -> None:
        """All lines. A name is a word that stands capitalised inside a line and nowhere in lower case."""
        words = {word for line in (*neutral, *emotional) for word in re.findall(r"\b[a-z]{3,}\b", line)}
        inside = {word for line in neutral for word in _INSIDE.findall(line)}
        self._names = {word for word in inside if word.lower() not in words}

    def placeholders_named(self, text: str) -> str:
        """With a name for each [PERSON]."""
        return re.sub(r"\[PERSON\]", partial(_drawn, line=text), text)

    def renamed(self, text: str) -> str | None:
        """A neutral line with another name for each one; None for one that is left out for the sake of balance."""

        def other(match: re.Match[str]) -> str:
            return _drawn(match, text) if match[0] in self._names else match[0]

        renamed = _CAPITALISED.sub(other, text)
        is_left_out = renamed != text and hashlib.sha256(text.encode()).digest()[-1] % 2
        return None if is_left_out else renamed


def _drawn(match: re.Match[str], line: str) -> str:
    """A name that depends on the line and the place in it only: always the same, and it says nothing of the label."""
    digest = hashlib.sha256(f"{match.start()} {line}".encode()).digest()
    return NAMES[int.from_bytes(digest[:4]) % len(NAMES)]
