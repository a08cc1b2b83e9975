"""What is fitted to a model's logits on dev sets: probabilities, thresholds, choice and review thresholds."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emoscribe.evaluation.calibrate import (
    ChoiceOptions,
    ReviewOptions,
    fit_choice,
    fit_review_thresholds,
    fit_scores,
    fit_temperature,
    fit_thresholds,
    fit_trust,
)
from emoscribe.scoring import Choice, Floats, Lines, Persistence
from emoscribe.training.options import ExportOptions


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the metadata of a model file says beside labels and lengths."""

    temperature: float
    scores: Lines
    thresholds: Floats  # (7,), of the scores
    choice: Choice
    review_below: Floats  # (7,)
    persistence: Persistence | None = None

    def plain(self) -> dict[str, object]:
        """For JSON."""
        context = (
            {
                "context_share": persistence.share,
                "usual_logits": persistence.usual.round(4).tolist(),
            }
            if (persistence := self.persistence)
            else {}
        )
        return {
            "temperature": round(self.temperature, 4),
            **_plain(self.scores, "score"),
            "thresholds": self.thresholds.round(4).tolist(),
            "choice_scale": round(self.choice.scale, 4),
            "choice_bias": self.choice.bias.round(4).tolist(),
            "review_below": self.review_below.round(4).tolist(),
            **(_plain(self.choice.trust, "confidence") if self.choice.trust else {}),
            **context,
        }


def _plain(lines: Lines, name: str) -> dict[str, object]:
    return {f"{name}_slope": lines.slope.round(4).tolist(), f"{name}_shift": lines.shift.round(4).tolist()}


NEUTRAL = Fitted(1.0, Lines(np.ones(7), np.zeros(7)), np.full(7, 0.5), Choice(1.0, np.zeros(7)), np.zeros(7))
"""While there is nothing but logits."""


def fit(logits: Floats, gold: npt.NDArray[np.bool_], options: ExportOptions) -> Fitted:
    """`logits` and `gold` (n, 7)."""
    scores = fit_scores(logits, gold)
    thresholds = fit_thresholds(scores.slope * logits + scores.shift, gold)
    single = gold.sum(1) == 1
    choice = fit_choice(logits[single], gold[single].argmax(1), ChoiceOptions(balance=options.balance))
    label, probability = choice.answers(logits)
    right = gold[np.arange(len(gold)), label]
    choice = replace(choice, trust=fit_trust(probability, label, right))
    confidence = choice.answers(logits)[1]
    review = fit_review_thresholds(confidence, right, label, ReviewOptions(options.target_risk))
    persistence = Persistence(options.context_share, logits.mean(0, np.float64)) if options.context_share else None
    return Fitted(fit_temperature(logits, gold), scores, thresholds, choice, review, persistence)
