"""How far the confidence can be trusted: calibration, and what is left wrong when the least confident are set aside.

ECE as in Guo et al. 2017 (arXiv 1706.04599), 15 bins of equal width; adaptive: 15 bins of equal size (Nixon et al.
2019, arXiv 1904.01685); class-wise: the mean over the labels of each probability's own ECE (Kull et al. 2019, arXiv
1910.12656). Risk and coverage as in Geifman and El-Yaniv 2017 (arXiv 1705.08500).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from emoscribe.evaluation.intervals import Floats
from emoscribe.evaluation.judging import Answers
from emoscribe.labels import LABELS, Label

BINS: Final = 15
_CURVE_POINTS: Final = 100

Flags = npt.NDArray[np.bool_]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Bin(_Record):
    """Answers of like confidence."""

    low: float
    high: float
    answers: int
    confidence: float = Field(description="Their mean confidence.")
    accuracy: float = Field(description="Share of them that is right.")


class Calibration(_Record):
    """Whether answers with confidence 0.8 are right in 80 % of cases. An answer is right if it is among people's."""

    ece: float = Field(description="Expected calibration error of the confidence, 15 bins of equal width.")
    adaptive_ece: float = Field(description="The same with 15 bins of equal size.")
    class_wise_ece: float = Field(description="Mean over the labels of the error of the label's own probability.")
    label_ece: dict[Label, float] = Field(description="The error of each label's own probability.")
    mean_confidence: float
    accuracy: float
    bins: tuple[Bin, ...] = Field(description="The reliability diagram; empty bins are left out.")


class CurvePoint(_Record):
    """The most confident share of the answers, and how much of it is wrong."""

    coverage: float
    risk: float


class Selection(_Record):
    """What is left wrong when only the most confident answers are kept."""

    aurc: float = Field(
        description="Area under the risk-coverage curve: mean risk over all coverages; lower is better."
    )
    risk: float = Field(description="Share of wrong answers when all are kept.")
    risk_at_80: float = Field(description="When the most confident 80 % are kept.")
    risk_at_50: float = Field(description="When the most confident half is kept.")
    curve: tuple[CurvePoint, ...]


def calibration(answers: Answers, gold: Flags, labels: Sequence[Label]) -> Calibration:
    """`gold` (n, 7), n > 0. The label-wise errors are of `labels` only."""
    right = answers.right(gold)
    per_label = {
        label: round(expected_error(answers.scores[:, k], gold[:, k]), 6)
        for k, label in enumerate(LABELS)
        if label in labels
    }
    return Calibration(
        ece=round(expected_error(answers.confidence, right), 6),
        adaptive_ece=round(_error(_equal_size(answers.confidence, right), len(right)), 6),
        class_wise_ece=round(sum(per_label.values()) / len(per_label), 6),
        label_ece=per_label,
        mean_confidence=round(float(answers.confidence.mean()), 6),
        accuracy=round(float(right.mean()), 6),
        bins=tuple(equal_width_bins(answers.confidence, right)),
    )


def expected_error(probability: Floats, is_true: Flags, bins: int = BINS) -> float:
    """Mean distance of probability and truth over bins of equal width, weighed by their size."""
    return _error(equal_width_bins(probability, is_true, bins), len(is_true))


def equal_width_bins(probability: Floats, is_true: Flags, bins: int = BINS) -> list[Bin]:
    """The bins that hold something; 1.0 is in the last."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return [
        _bin((k / bins, (k + 1) / bins), probability[place == k], is_true[place == k])
        for k in range(bins)
        if (place == k).any()
    ]


def _equal_size(probability: Floats, is_true: Flags) -> list[Bin]:
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [
        _bin((float(probability[part[0]]), float(probability[part[-1]])), probability[part], is_true[part])
        for part in parts
    ]


def _bin(edges: tuple[float, float], probability: Floats, is_true: Flags) -> Bin:
    return Bin(
        low=round(edges[0], 6),
        high=round(edges[1], 6),
        answers=len(is_true),
        confidence=float(probability.mean()),
        accuracy=float(is_true.mean()),
    )


def _error(bins: Sequence[Bin], count: int) -> float:
    return sum(part.answers * abs(part.confidence - part.accuracy) for part in bins) / count


def selection(confidence: Floats, right: Flags) -> Selection:
    """Both (n,), n > 0. Answers of equal confidence stand in no order: each counts as their mean."""
    count = len(right)
    wrong = _cumulated_wrong(confidence, right)
    risk = wrong / np.arange(1, count + 1)
    points = np.unique(np.linspace(1, count, min(count, _CURVE_POINTS)).round().astype(int))
    curve = tuple(CurvePoint(coverage=round(k / count, 6), risk=round(float(risk[k - 1]), 6)) for k in points)
    at = {share: float(risk[max(1, round(share * count)) - 1]) for share in (1, 0.8, 0.5)}
    return Selection(
        aurc=round(float(risk.mean()), 6),
        risk=round(at[1], 6),
        risk_at_80=round(at[0.8], 6),
        risk_at_50=round(at[0.5], 6),
        curve=curve,
    )


def _cumulated_wrong(confidence: Floats, right: Flags) -> Floats:
    """Expected number of wrong ones among the k most confident, k = 1 ... n."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.concatenate(([0.0], np.cumsum(~right[order])))
    ends = np.concatenate(([0], np.flatnonzero(np.diff(confidence[order])) + 1, [len(right)]))
    return np.interp(np.arange(1, len(right) + 1), ends, wrong[ends])
