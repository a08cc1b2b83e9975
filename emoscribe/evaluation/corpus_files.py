"""The files of the public corpora as examples, one reader a corpus; `corpora.py` says what each corpus is.

Texts stay as they are but for what tells the label and is not the words, and for characters that are mistakes.
A reader raises whatever a file that is missing or not as expected leads to; `corpora.load` names the cause.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from emoscribe.evaluation.examples import Example
from emoscribe.evaluation.film_lines import NameGiver, as_neutral_lines_look
from emoscribe.labels import LABELS, Label

CONTEXT_UTTERANCES: Final = 2

EKMAN: Final[Mapping[str, Label]] = {label: label for label in LABELS} | {"joy": "happiness"}
"""The names corpora use for our labels."""


def split_of(text: str) -> str:
    """The split of a text whose corpus has none: train, dev or test, 80/10/10.

    By the SHA-256 of its letters and digits, so that repeated lines are all in one split.
    """
    digest = hashlib.sha256(_bare(text).encode()).digest()
    share = int.from_bytes(digest[:8]) / 2**64
    return "train" if share < 0.8 else "dev" if share < 0.9 else "test"


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold()) or text.strip()


# --- GoEmotions -----------------------------------------------------------------------------


def goemotions(folder: Path, split: str) -> Iterator[Example]:
    """The split as its file has it."""
    root = folder / "goemotions_ekman"
    names = (root / "labels.txt").read_text(encoding="utf-8").split()
    for line in _lines(root / f"{split}.tsv"):
        text, ids, comment = line.split("\t")
        if text.strip():
            yield Example(text, frozenset(EKMAN[names[int(k)]] for k in ids.split(",")), id=comment)


# --- XED ------------------------------------------------------------------------------------

# anticipation (2) and trust (8) are none of ours
_PLUTCHIK: Final[Mapping[str, Label]] = {
    "1": "anger",
    "3": "disgust",
    "4": "fear",
    "5": "happiness",
    "6": "sadness",
    "7": "surprise",
}


def xed(folder: Path, split: str) -> Iterator[Example]:
    """The lines of the split, repeated ones once; see `film_lines.py` for what is done to them."""
    root = folder / "xed"
    emotional, neutral = list(_emotional_lines(root)), list(_neutral_lines(root))
    names = NameGiver([line for _, line in neutral], (line for _, line, _ in emotional))
    seen: set[tuple[str, frozenset[Label]]] = set()
    lines = [(f"annotated-{n}", line, names.placeholders_named(line), labels) for n, line, labels in emotional]
    lines += [(f"neutral-{n}", line, names.renamed(line) or "", frozenset[Label]({"neutral"})) for n, line in neutral]
    for name, line, text, labels in lines:
        key = (_bare(line), labels)
        if text and key not in seen and split_of(line) == split:
            yield Example(text, labels, id=name)
        seen.add(key)


def _emotional_lines(root: Path) -> Iterator[tuple[int, str, frozenset[Label]]]:
    for number, line in enumerate(_lines(root / "en-annotated.tsv"), 1):
        text, ids = line.split("\t")
        labels = frozenset(_PLUTCHIK[k] for k in ids.split(", ") if k in _PLUTCHIK)
        if labels and (readable := as_neutral_lines_look(text)):
            yield number, readable, labels


def _neutral_lines(root: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(_lines(root / "neu_en.txt"), 1):
        cells = line.split("\t")
        if len(cells) == 2 and cells[1].strip():  # eight lines are malformed
            yield number, cells[1].strip()


# --- BRIGHTER -------------------------------------------------------------------------------


def brighter(folder: Path, split: str, *, variety: str) -> Iterator[Example]:
    """The split of one language; a text without an emotion is neutral."""
    with (folder / "brighter" / split / f"{variety}.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            given = frozenset(EKMAN[name] for name, cell in row.items() if name in EKMAN and int(cell))
            if row["text"].strip():
                yield Example(row["text"], given or frozenset({"neutral"}), id=row["id"])


# --- MELD -----------------------------------------------------------------------------------


def meld(folder: Path, split: str) -> Iterator[Example]:
    """The split, dialogue by dialogue, the two utterances before each as its context."""
    with (folder / "meld" / f"{split}_sent_emo.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (int(row["Dialogue_ID"]), int(row["Utterance_ID"])))
    dialogue, before = "", list[str]()
    for row in rows:
        if row["Dialogue_ID"] != dialogue:
            dialogue, before = row["Dialogue_ID"], []
        text = straight_apostrophes(row["Utterance"]).strip()
        if text:
            context = "\n".join(before[-CONTEXT_UTTERANCES:])
            utterance = f"{dialogue}-{row['Utterance_ID']}"
            yield Example(text, frozenset({EKMAN[row["Emotion"]]}), context, id=utterance)
            before.append(text)


def straight_apostrophes(text: str) -> str:
    """With ' for the typographic apostrophes and for U+0092, which Windows files leave behind."""
    return text.translate({0x91: "'", 0x92: "'", 0x2018: "'", 0x2019: "'"})


# --- ISEAR ----------------------------------------------------------------------------------

_ISEAR_EMOTION: Final = 36  # column Field1
_ISEAR_TEXT: Final = 40  # column SIT; a text may hold the separator, two columns follow it
_NO_ANSWER: Final = re.compile(
    r"^\[|^not? (response|applicable)|^do(es)?( not|n't) (apply|remember)\b|^the same as in\b"
    r"|^(none|nothing|never|blank)\W*$",
    re.IGNORECASE,
)


def isear(folder: Path, split: str) -> Iterator[Example]:
    """The answers of the split that name one of our labels."""
    seen: set[tuple[str, str]] = set()
    rows = csv.reader(_lines(folder / "isear" / "isear.csv"), delimiter="|", quoting=csv.QUOTE_NONE)
    next(rows)
    for number, cells in enumerate(rows, 1):
        text = " ".join("|".join(cells[_ISEAR_TEXT:-2]).replace("á", " ").split()).strip('"')
        emotion = cells[_ISEAR_EMOTION]
        key = (_bare(text), emotion)
        is_answer = any(character.isalpha() for character in text) and not _NO_ANSWER.search(text)
        if is_answer and key not in seen and emotion in EKMAN and split_of(text) == split:
            yield Example(text, frozenset({EKMAN[emotion]}), id=str(number))
        seen.add(key)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file without their ends; other characters that Unicode calls line ends are text."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for line in file:
            yield line.rstrip("\r\n")
