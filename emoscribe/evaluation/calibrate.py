"""What is fitted to a model's answers on a dev set, after training: probabilities, thresholds, the one label, the flag.

All of it is stored with the model. Logits are (n, 7) in the order of LABELS. Nothing here is random.
Needs the extra `evaluate` (SciPy).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS
from emoscribe.scoring import Choice, Lines, log_odds, sigmoid

Numbers = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.integer[Any]]

_EDGE: Final = 0.01  # thresholds stay this far from 0 and 1
RIDGE: Final = 10.0
"""Of the lines of `Lines`: chosen by the ECE of dev answers left out of the fit (docs/experiments.md)."""
NEVER_KEPT: Final = 1.0
"""The review threshold of a label whose answers are all flagged, however high their confidence."""


@dataclass(frozen=True, slots=True)
class ChoiceOptions:
    """How the choice is fitted."""

    ridge: float = 0.01  # pull of the bias to 0, where only the temperature is left; per example
    balance: float = 0.0  # examples weigh (n / examples of their label) ** balance; 1: every label counts the same
    # above 0 rare labels win more often, and the confidence is that of a world where they are that much more frequent


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """When an answer is flagged."""

    target_risk: float = 0.25  # share of wrong answers among those that are kept
    min_kept: int = 20  # fewer kept answers of a label say nothing of its risk


def fit_thresholds(logits: Numbers, gold: Flags) -> Floats:
    """Per label the threshold of sigmoid(logits) with the best F1, (7,); 0.5 for a label nobody gave.

    Give the log-odds of the model's probabilities. Thresholds lie in the middle of the gap they were found in.
    """
    probabilities = sigmoid(_checked(logits, gold))
    return np.array([_best_threshold(probabilities[:, k], gold[:, k]) for k in range(len(LABELS))])


def _best_threshold(probability: Floats, gold: Flags) -> float:
    if not gold.any():
        return 0.5
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    found = np.cumsum(gold[order])
    f1 = 2 * found / (np.arange(1, len(ranked) + 1) + gold.sum())
    below = np.append(ranked[1:], 0.0)
    f1[ranked == below] = -1  # no threshold parts equal probabilities
    best = int(f1.argmax())
    middle = float(ranked[best] + below[best]) / 2
    return min(max(middle, _EDGE), 1 - _EDGE)


def fit_temperature(logits: Numbers, gold: Flags) -> float:
    """The temperature for which sigmoid(logits / temperature) is most likely; gold is (n, 7). Between 0.05 and 20."""
    from scipy.optimize import minimize_scalar

    values = _checked(logits, gold)
    sign = np.where(gold, -1.0, 1.0)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, sign * values * np.exp(-log_temperature)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log((0.05, 20)), method="bounded").x))


def fit_scores(logits: Numbers, gold: Flags, ridge: float = RIDGE) -> Lines:
    """Platt scaling for each label (Platt 1999) by maximum likelihood, from logits to its probability; gold is (n, 7).

    A network whose loss makes rare labels weigh more gives them probabilities that are too high. A label nobody gave
    keeps its logits.
    """
    values = _checked(logits, gold)
    lines = [_line(values[:, k], gold[:, k], ridge) if gold[:, k].any() else (1.0, 0.0) for k in range(len(LABELS))]
    return Lines(*np.array(lines).T)


def fit_choice(logits: Numbers, label: Places, options: ChoiceOptions = ChoiceOptions()) -> Choice:
    """Vector scaling by maximum likelihood; `label` (n,) is the place of the one right label in LABELS.

    A bias for each label lets a model that learnt on one corpus follow the frequencies of another; the ridge keeps the
    bias of a label with few examples near 0.
    """
    from scipy.optimize import minimize

    if len(label) == 0 or label.shape != (len(logits),) or not ((label >= 0) & (label < len(LABELS))).all():
        raise InvalidRequestError("The choice needs one label, 0 to 6, for each row of logits, and at least one row.")
    target = np.eye(len(LABELS), dtype=bool)[label]
    values = _checked(logits, target)
    weights = _weights(target, options.balance)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scale, bias = np.exp(parameters[0]), parameters[1:]
        likely = Choice(scale, bias).probabilities(values)
        cost = -(weights * np.log(np.maximum(likely[target], 1e-300))).sum() + options.ridge / 2 * (bias**2).sum()
        slope = weights[:, None] * (likely - target)  # (n, 7)
        return float(cost), np.concatenate(([scale * (slope * values).sum()], slope.sum(0) + options.ridge * bias))

    start = np.zeros(1 + len(LABELS))
    edges = [(np.log(0.01), np.log(20))] + [(-10.0, 10.0)] * len(LABELS)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=edges).x
    return Choice(float(np.exp(found[0])), found[1:] - found[1:].mean())


def fit_trust(probability: Numbers, label: Places, is_right: Flags, ridge: float = RIDGE) -> Lines:
    """Platt scaling for each label (Platt 1999) by maximum likelihood; all three arguments are (n,).

    `probability`: of the answer in the choice; `label`: its place in LABELS. A choice that favours rare labels gives
    them the probabilities of a world in which they are more frequent; this puts that right, and changes no label. The
    ridge, on the sum over the answers of a label, keeps one with few answers near its probabilities as they are.
    """
    lines = [_line(log_odds(probability[label == k]), is_right[label == k], ridge) for k in range(len(LABELS))]
    return Lines(*np.array(lines).T)


def _line(logits: Floats, is_true: Flags, ridge: float) -> Floats:
    """Slope and shift, (2,), for one label; 1 and 0 for nothing to fit to."""
    from scipy.optimize import minimize

    sign = np.where(is_true, -1.0, 1.0)

    def loss(line: Floats) -> tuple[float, Floats]:
        values = sign * (line[0] * logits + line[1])
        slope = sign * sigmoid(values)
        away = line - (1.0, 0.0)
        cost = np.logaddexp(0, values).sum() + ridge / 2 * (away @ away)
        return float(cost), np.array([slope @ logits, slope.sum()]) + ridge * away

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=((0.1, 10), (-10, 10)))
    return np.asarray(found.x, np.float64)


def _weights(target: Flags, balance: float) -> Floats:
    """(n,), adding up to 1."""
    counts = target.sum(0)[target.argmax(1)]  # (n,), examples of the row's label
    weights = (len(target) / counts) ** balance
    return np.asarray(weights / weights.sum(), np.float64)


def fit_review_thresholds(
    confidence: Numbers, is_right: Flags, predicted: Places, options: ReviewOptions = ReviewOptions()
) -> Floats:
    """Per label the confidence below which an answer is flagged, (7,); all three arguments are (n,).

    As few answers as possible are flagged so that at most `target_risk` of the kept ones are wrong, at least `min_kept`
    being kept. Where no threshold reaches that, the one that leaves the fewest wrong is taken, if it is better than
    flagging none; else, and for a label with fewer answers than `min_kept`, all are flagged (NEVER_KEPT). So wherever
    some are kept and some flagged, the kept are the more accurate: here, on the answers it is fitted to.
    """
    return np.array(
        [
            _review_threshold(confidence[predicted == k].astype(np.float64), is_right[predicted == k], options)
            for k in range(len(LABELS))
        ]
    )


def _review_threshold(confidence: Floats, is_right: Flags, options: ReviewOptions) -> float:
    count = len(confidence)
    if count < max(1, options.min_kept):
        return NEVER_KEPT
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    kept = np.arange(1, count + 1)
    risk = np.cumsum(~is_right[order]) / kept
    below = np.append(ranked[1:], -1.0)
    is_cut = (ranked > below) & (kept >= options.min_kept)
    reached = np.flatnonzero(is_cut & (risk <= options.target_risk))
    if len(reached):
        best = int(reached[-1])
    else:
        best = int(np.where(is_cut, risk, np.inf).argmin())
        if risk[best] >= risk[-1]:  # no confidence is better than any
            return NEVER_KEPT
    if best == count - 1:
        return 0.0
    middle = (ranked[best] + below[best]) / 2
    return float(middle if middle > below[best] else ranked[best])


def _checked(logits: Numbers, gold: Flags) -> Floats:
    if logits.shape != gold.shape or logits.ndim != 2 or logits.shape[1] != len(LABELS) or len(logits) == 0:
        raise InvalidRequestError(
            f"Logits {logits.shape} and labels {gold.shape} must both be (n, {len(LABELS)}), n > 0."
        )
    if not np.isfinite(logits).all():
        raise InvalidRequestError("Some logits are not numbers.", fix="Look at the model: it gives NaN or infinity.")
    return logits.astype(np.float64)
