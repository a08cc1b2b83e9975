"""What is fitted to a model's logits on dev sets: temperature, thresholds, choice and review thresholds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoscribe.evaluation.calibrate import (
    ChoiceOptions,
    ReviewOptions,
    fit_choice,
    fit_review_thresholds,
    fit_temperature,
    fit_thresholds,
)
from emoscribe.scoring import Choice, Floats, Persistence
from emoscribe.training.options import ExportOptions


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the metadata of a model file says beside labels and lengths."""

    temperature: float
    thresholds: Floats  # (7,), of sigmoid(logits / temperature)
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
            "thresholds": self.thresholds.round(4).tolist(),
            "choice_scale": round(self.choice.scale, 4),
            "choice_bias": self.choice.bias.round(4).tolist(),
            "review_below": self.review_below.round(4).tolist(),
            **context,
        }


NEUTRAL = Fitted(1.0, np.full(7, 0.5), Choice(1.0, np.zeros(7)), np.zeros(7))
"""While there is nothing but logits."""


def fit(logits: Floats, gold: npt.NDArray[np.bool_], options: ExportOptions) -> Fitted:
    """`logits` and `gold` (n, 7)."""
    temperature = fit_temperature(logits, gold)
    single = gold.sum(1) == 1
    choice = fit_choice(logits[single], gold[single].argmax(1), ChoiceOptions(balance=options.balance))
    likely = choice.probabilities(logits)  # (n, 7)
    predicted = likely.argmax(1)
    right = gold[np.arange(len(gold)), predicted]
    review = fit_review_thresholds(likely.max(1), right, predicted, ReviewOptions(options.target_risk))
    persistence = Persistence(options.context_share, logits.mean(0, np.float64)) if options.context_share else None
    return Fitted(temperature, fit_thresholds(logits / temperature, gold), choice, review, persistence)
