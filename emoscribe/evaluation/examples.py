"""A labelled text, and a set of them as one corpus knows it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS, Label

Gold = npt.NDArray[np.bool_]  # (n, 7) in the order of LABELS


@dataclass(frozen=True, slots=True)
class Example:
    """One text with the labels people gave it."""

    text: str  # not blank
    labels: frozenset[Label]  # at least one; neutral is one
    context: str = ""  # the sentences before it, one a line, the nearest last; "": none, or not known
    source: str = ""  # name of the corpus
    language: str = "en"  # ISO 639-1, of `text`
    id: str = ""  # unique in its corpus

    def __post_init__(self) -> None:
        """Raises InvalidRequestError for an example without text or label."""
        if not self.text.strip() or not self.labels:
            raise InvalidRequestError(f"The example {self.id!r} of {self.source!r} has no text or no label.")


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Examples to measure a model on, with what their annotators could have said."""

    name: str
    examples: tuple[Example, ...]
    labels: tuple[Label, ...] = LABELS  # those the annotators knew; only these are scored one by one
    is_single_label: bool = False  # every example has exactly one label

    def gold(self) -> Gold:
        """Who has which label, (n, 7); labels the corpus does not know included where they were implied."""
        return gold_of(self.examples)


def gold_of(examples: tuple[Example, ...] | list[Example]) -> Gold:
    """Which example has which label, (n, 7)."""
    rows = [[label in example.labels for label in LABELS] for example in examples]
    return np.array(rows, bool).reshape(-1, len(LABELS))
