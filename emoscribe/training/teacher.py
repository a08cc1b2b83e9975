"""A larger model as the teacher of a smaller one: what it thinks of each row, beside or in place of people's labels.

Hinton et al. 2015 (arXiv 1503.02531), for seven labels of their own: the target is the teacher's sigmoid(logits /
temperature), and not its scores, whose lines were fitted to the frequencies of dev texts.
The teacher speaks as one corpus (`speaks_as` of its export); the student's head of that corpus learns from it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from emoscribe.emotion import EmotionClassifier
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.corpora import CORPORA, load
from emoscribe.labels import LABELS
from emoscribe.training.rows import Row
from emoscribe.types import EmotionRequest

JUDGED_AT_ONCE: Final = 512

Teacher = Callable[[Sequence[Row]], list[Row]]  # the rows with its opinion


def opinions(classifier: EmotionClassifier) -> Teacher:
    """A teacher that is a model as the program runs it."""

    def judged(rows: Sequence[Row]) -> list[Row]:
        from scipy.special import expit

        logits = classifier.logits([EmotionRequest(row.text, row.context) for row in rows])
        chances = expit(logits / classifier.card.temperature).round(4)  # (n, 7)
        return [replace(row, soft=tuple(map(float, chance))) for row, chance in zip(rows, chances, strict=True)]

    return judged


def taught(rows: Sequence[Row], teacher: Teacher, on_progress: Callable[[int, int], None]) -> list[Row]:
    """All rows with the teacher's opinion; each text is judged once."""
    seen: dict[tuple[str, str], Row] = {}
    asked = list({(row.text, row.context): row for row in rows}.values())
    for start in range(0, len(asked), JUDGED_AT_ONCE):
        some = teacher(asked[start : start + JUDGED_AT_ONCE])
        seen |= {(row.text, row.context): row for row in some}
        on_progress(start + len(some), len(asked))
    return [replace(row, soft=seen[row.text, row.context].soft) for row in rows]


def unlabelled(name: str, folder: Path, corpus: str) -> Iterator[Row]:
    """Texts without labels that are of use to a teacher alone: lines of a text file, or the train split of a corpus.

    `name`: a file below `folder` or a corpus; `corpus`: the one whose head learns. Raises InvalidRequestError.
    """
    if name in CORPORA:
        if not CORPORA[name].may_train:
            raise InvalidRequestError(f"Shipped weights may not learn from {name}.", fix="Take it out of `unlabelled`.")
        pairs = [(one.text, one.context) for one in load(name, "train", folder) if one.language == "en"]
    else:
        try:
            pairs = [(line.strip(), "") for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        except OSError as error:
            raise InvalidRequestError(
                f"The unlabelled texts {name} cannot be read: {error.strerror}.",
                fix="Give a corpus, or a text file in the folder of the corpora.",
            ) from None
    nothing = (0,) * len(LABELS)
    yield from (Row(text, nothing, nothing, corpus, context) for text, context in pairs if text)
