"""Precision, recall, F1, accuracy and the rest, with intervals. NumPy only; ranking comes from scikit-learn.

Two views of the same answers. *One label*: the label that is shown, against examples on which people agreed on one.
*Several labels*: each label at its own threshold, against all that people gave. A label nobody gave in the whole set
is not scored: its F1 says nothing. F1 is 0 for a label that was given and never found.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from emoscribe.evaluation.intervals import Figure, Floats, with_intervals
from emoscribe.evaluation.judging import Answers
from emoscribe.labels import LABELS, Label

Flags = npt.NDArray[np.bool_]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class LabelScores(_Record):
    """How well one label is found."""

    label: Label
    examples: int = Field(description="How many examples people gave it.")
    predicted: int = Field(description="How many times the model gave it.")
    precision: Figure = Field(description="Share of the model's that are people's, too; none if it never gave it.")
    recall: Figure = Field(description="Share of people's that the model found.")
    f1: Figure = Field(description="Harmonic mean of the two.")


class OneLabelScores(_Record):
    """The label that is shown, against examples with exactly one label."""

    examples: int = Field(description="Examples with exactly one label, of those that are scored.")
    unanswered: int = Field(description="Of them, those the model had no answer for; they count as wrong.")
    accuracy: Figure
    macro_f1: Figure = Field(description="Mean F1 of the labels.")
    weighted_f1: Figure = Field(description="Mean F1, each label weighed by its examples.")
    labels: tuple[LabelScores, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="7 x 7: row what people said, column what the model did."
    )


class SeveralLabelsScores(_Record):
    """All labels at or above their thresholds, against all that people gave."""

    examples: int
    macro_f1: Figure
    micro_f1: Figure
    weighted_f1: Figure
    subset_accuracy: Figure = Field(description="Share of examples with exactly the right set of labels.")
    among: Figure = Field(description="Share of examples whose shown label is one of people's.")
    ranking_precision: float | None = Field(description="Label ranking average precision (LRAP).")
    labels: tuple[LabelScores, ...]


def one_label_scores(answers: Answers, gold: Flags, labels: Sequence[Label]) -> OneLabelScores:
    """`gold` (n, 7); only examples with exactly one label that is in `labels` count."""
    known = _places(labels)
    single = np.flatnonzero((gold.sum(1) == 1) & gold[:, known].any(1))
    gold, label = gold[single], answers.label[single]
    given = label[:, None] == np.arange(len(LABELS))  # (n, 7)
    scored = known[gold[:, known].any(0)]
    figures = with_intervals(_Counting(given[:, scored], gold[:, scored]), len(single)) if len(single) else {}
    confusion = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(confusion, (gold.argmax(1)[label >= 0], label[label >= 0]), 1)
    return OneLabelScores(
        examples=len(single),
        unanswered=int((label < 0).sum()),
        accuracy=_one(figures, "found"),
        macro_f1=_one(figures, "macro_f1"),
        weighted_f1=_one(figures, "weighted_f1"),
        labels=_label_scores(scored, given, gold, figures),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def several_labels_scores(answers: Answers, gold: Flags, labels: Sequence[Label]) -> SeveralLabelsScores:
    """`gold` (n, 7); only the columns of `labels` count, and of them those somebody gave."""
    known = _places(labels)
    scored = known[gold[:, known].any(0)]
    counting = _Counting(answers.above[:, scored], gold[:, scored], answers.right(gold))
    figures = with_intervals(counting, len(gold)) if len(scored) else {}
    return SeveralLabelsScores(
        examples=len(gold),
        macro_f1=_one(figures, "macro_f1"),
        micro_f1=_one(figures, "micro_f1"),
        weighted_f1=_one(figures, "weighted_f1"),
        subset_accuracy=_one(figures, "subset"),
        among=_one(figures, "among"),
        ranking_precision=_ranking_precision(answers.scores[:, known], gold[:, known]),
        labels=_label_scores(scored, answers.above, gold, figures),
    )


class _Counting:
    """A `Measure` over (n, labels) flags of what was given and what is right."""

    def __init__(self, given: Flags, gold: Flags, among: Flags | None = None) -> None:
        self._both, self._given, self._gold = (flags.astype(np.float64) for flags in (given & gold, given, gold))
        self._found = (given & gold).any(1).astype(np.float64)
        self._subset = (given == gold).all(1).astype(np.float64)
        self._among = self._found if among is None else among.astype(np.float64)

    def __call__(self, weights: Floats) -> Mapping[str, Floats]:
        both, given, gold = weights @ self._both, weights @ self._given, weights @ self._gold  # (draws, labels)
        total = weights.sum(1)
        # a label that a resample does not hold has no F1 there, and does not pull the mean down
        f1 = np.where(gold > 0, 2 * both / np.maximum(given + gold, 1), np.nan)
        share = gold / np.maximum(gold.sum(1, keepdims=True), 1)
        with np.errstate(invalid="ignore"):
            precision, recall = both / np.where(given > 0, given, np.nan), both / np.where(gold > 0, gold, np.nan)
        all_given, all_gold = given.sum(1), gold.sum(1)
        return {
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "macro_f1": np.nansum(f1, 1) / np.maximum((gold > 0).sum(1), 1),
            "weighted_f1": np.nansum(f1 * share, 1),
            "micro_f1": 2 * both.sum(1) / np.maximum(all_given + all_gold, 1),
            "found": weights @ self._found / total,
            "subset": weights @ self._subset / total,
            "among": weights @ self._among / total,
        }


def _label_scores(
    scored: npt.NDArray[np.intp], given: Flags, gold: Flags, figures: Mapping[str, list[Figure]]
) -> tuple[LabelScores, ...]:
    return tuple(
        LabelScores(
            label=LABELS[place],
            examples=int(gold[:, place].sum()),
            predicted=int(given[:, place].sum()),
            precision=figures["precision"][k],
            recall=figures["recall"][k],
            f1=figures["f1"][k],
        )
        for k, place in enumerate(scored)
    )


def _one(figures: Mapping[str, list[Figure]], name: str) -> Figure:
    return figures[name][0] if name in figures else Figure(value=None)


def _places(labels: Sequence[Label]) -> npt.NDArray[np.intp]:
    return np.array([LABELS.index(label) for label in labels], np.intp)


def _ranking_precision(scores: Floats, gold: Flags) -> float | None:
    from sklearn.metrics import label_ranking_average_precision_score

    some = gold.any(1)  # an example without any of the labels ranks nothing
    if not some.any() or gold.shape[1] < 2:
        return None
    return round(float(label_ranking_average_precision_score(gold[some], scores[some])), 6)
