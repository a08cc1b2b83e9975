"""The public corpora: where they come from, what they allow, and their files as examples.

`load("xed", "train", folder)` reads `folder/xed/...`. Texts stay in their language; `translation.py` makes English.
Files of one's own and corrections are read by `own_files.py`.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation import corpus_files
from emoscribe.evaluation.examples import EvaluationSet, Example
from emoscribe.labels import LABELS, Label

Reader = Callable[[Path, str], Iterator[Example]]  # (folder of all corpora, split)


@dataclass(frozen=True, slots=True)
class Corpus:
    """One public corpus, or one language of it."""

    name: str
    title: str
    licence: str
    origin: str
    may_train: bool  # whether weights that are shipped may learn from it
    mapping: str  # how its labels become ours, and what was changed or dropped
    splits: tuple[str, ...]
    read: Reader
    labels: tuple[Label, ...] = LABELS  # those its annotators could give
    is_single_label: bool = False
    language: str = "en"


def load(corpus: str, split: str, folder: Path) -> list[Example]:
    """The examples of one split, in the order of the file. `folder` holds a folder for each corpus.

    Raises InvalidRequestError for a corpus or split that is not known, and for files that are missing or unreadable.
    """
    known = corpus_of(corpus)
    if split not in known.splits:
        raise InvalidRequestError(f"{corpus} has no split {split!r}.", fix=f"Its splits: {', '.join(known.splits)}.")
    try:
        return [replace(one, source=corpus, language=known.language) for one in known.read(folder, split)]
    except OSError as error:
        raise InvalidRequestError(
            f"The corpus {corpus} cannot be read: {error.filename}: {error.strerror}.",
            fix=f"Get it from {known.origin}, and name the folder above it with --folder.",
        ) from None
    except (KeyError, ValueError, IndexError, csv.Error) as error:
        raise InvalidRequestError(
            f"The files of {corpus} are not as expected ({type(error).__name__}: {error}).",
            fix=f"Get them from {known.origin}.",
        ) from None


def load_set(corpus: str, split: str, folder: Path) -> EvaluationSet:
    """The split as a set to evaluate on. Raises InvalidRequestError as `load` does."""
    known = corpus_of(corpus)
    examples = tuple(load(corpus, split, folder))
    return EvaluationSet(f"{corpus}:{split}", examples, known.labels, known.is_single_label)


def corpus_of(name: str) -> Corpus:
    """The corpus of that name. Raises InvalidRequestError."""
    if name not in CORPORA:
        raise InvalidRequestError(f"No corpus is called {name!r}.", fix=f"Corpora: {', '.join(CORPORA)}.")
    return CORPORA[name]


# --- all of them ----------------------------------------------------------------------------

_BRIGHTER_LANGUAGES: Final[Mapping[str, tuple[str, str]]] = {
    "eng": ("English", "en"),
    "ptbr": ("Brazilian Portuguese", "pt"),
    "ptmz": ("Mozambican Portuguese", "pt"),
    "esp": ("Latin American Spanish", "es"),
    "deu": ("German", "de"),
}


def _brighter_corpus(variety: str) -> Corpus:
    title, language = _BRIGHTER_LANGUAGES[variety]
    absent = {"neutral", "disgust"} if variety == "eng" else {"neutral"}
    return Corpus(
        name=f"brighter-{variety}",
        title=f"BRIGHTER (SemEval-2025 task 11), {title}",
        licence="CC BY 4.0",
        origin="https://github.com/emotion-analysis-project/SemEval2025-Task11",
        may_train=True,
        mapping="joy is happiness. A text with no emotion is neutral, which is not scored: its annotators had no such"
        " label." + (" English has no disgust." if variety == "eng" else ""),
        splits=("train", "dev", "test"),
        read=partial(corpus_files.brighter, variety=variety),
        labels=tuple(label for label in LABELS if label not in absent),
        language=language,
    )


def _by_name(corpora: Iterable[Corpus]) -> Mapping[str, Corpus]:
    return MappingProxyType({corpus.name: corpus for corpus in corpora})


CORPORA: Final = _by_name(
    (
        Corpus(
            name="goemotions",
            title="GoEmotions in the Ekman grouping, Reddit comments",
            licence="CC BY 4.0 (code Apache-2.0)",
            origin="https://github.com/google-research/google-research/tree/master/goemotions",
            may_train=True,
            mapping="The authors' own grouping of 27 emotions into six and neutral; joy is happiness.",
            splits=("train", "dev", "test"),
            read=corpus_files.goemotions,
        ),
        Corpus(
            name="xed",
            title="XED, English film subtitles",
            licence="CC BY 4.0",
            origin="https://github.com/Helsinki-NLP/XED",
            may_train=True,
            mapping="Plutchik: joy is happiness; anticipation and trust are left out, and lines with nothing else"
            " dropped. Lines of neu_en are neutral. What tells the two files apart and is not the words is"
            " taken out: spaces before punctuation, commas, placeholders; in both kinds of line names are replaced by"
            " others, drawn from one list, and lines with names kept in equal shares. Repeated lines count once."
            " Splits by SHA-256 of the text, 80/10/10: the corpus has none.",
            splits=("train", "dev", "test"),
            read=corpus_files.xed,
        ),
        *(_brighter_corpus(variety) for variety in _BRIGHTER_LANGUAGES),
        Corpus(
            name="meld",
            title="MELD, dialogues of a television series",
            licence="GPL-3.0; the text is the series'",
            origin="https://github.com/declare-lab/MELD",
            may_train=False,
            mapping="The same seven; joy is happiness. Apostrophes are made straight. Context: the two"
            " utterances before in the same dialogue, of any speaker.",
            splits=("train", "dev", "test"),
            read=corpus_files.meld,
            is_single_label=True,
        ),
        Corpus(
            name="isear",
            title="ISEAR, students' reports of situations",
            licence="for research",
            origin="https://github.com/sinmaniphel/py_isear_dataset",
            may_train=False,
            mapping="joy is happiness; shame and guilt are dropped, as are non-answers and repeated texts."
            " Splits by SHA-256 of the text, 80/10/10: the corpus has none.",
            splits=("train", "dev", "test"),
            read=corpus_files.isear,
            labels=("anger", "disgust", "fear", "happiness", "sadness"),
            is_single_label=True,
        ),
    )
)
