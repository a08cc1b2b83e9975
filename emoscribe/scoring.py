"""What the logits of an emotion model mean: its own probabilities, thresholds, choice and review thresholds.

All of that was fitted after training and travels in the metadata of the ONNX file (`emoscribe/training/export.py`).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from emoscribe.errors import EmoScribeError, ModelIntegrityError, StageError
from emoscribe.labels import LABELS
from emoscribe.types import EmotionScores

Floats = npt.NDArray[np.floating[Any]]
Exact = npt.NDArray[np.float64]
Places = npt.NDArray[np.integer[Any]]

_LEAST_PROBABILITY: Final = 1e-6
UNFITTED_REVIEW: Final = 0.5  # confidence below which the answers of a model without review thresholds are flagged


@dataclass(frozen=True, slots=True)
class Lines:
    """For each label a line from a logit to a better one (Platt scaling)."""

    slope: Exact  # (7,), > 0
    shift: Exact  # (7,)

    def probabilities(self, logits: Floats) -> Exact:
        """Of logits of all labels, (..., 7)."""
        return sigmoid(self.slope * logits + self.shift)

    def probability(self, logits: Floats, label: Places) -> Exact:
        """Of logits of these labels, given as places in LABELS; all (...)."""
        return sigmoid(self.slope[label] * logits + self.shift[label])


@dataclass(frozen=True, slots=True)
class Choice:
    """How the one label and its confidence follow from logits: softmax(scale * logits + bias), and the trust in it."""

    scale: float  # > 0
    bias: Exact  # (7,)
    trust: Lines | None = None  # None: the confidence is the label's probability in the choice

    def probabilities(self, logits: Floats) -> Exact:
        """Of each label in the choice, (..., 7); they add up to 1."""
        values = self.scale * np.asarray(logits, np.float64) + self.bias
        powers = np.exp(values - values.max(-1, keepdims=True))
        return np.asarray(powers / powers.sum(-1, keepdims=True))

    def answers(self, logits: Floats) -> tuple[Places, Exact]:
        """The label of each row of logits, as its place in LABELS, and the confidence in it; both (...)."""
        likely = self.probabilities(logits)  # (..., 7)
        label, confidence = likely.argmax(-1), likely.max(-1)
        return label, self.trust.probability(log_odds(confidence), label) if self.trust else confidence


@dataclass(frozen=True, slots=True)
class Persistence:
    """Emotions last: part of what the sentences before expressed is added to a sentence's own logits."""

    share: float  # in (0, 1), of the sentence just before; of each one further back half as much
    usual: Exact  # (7,), logits of an ordinary sentence, which add nothing

    def after(self, logits: Floats, before: Sequence[Floats]) -> Floats:
        """The logits, (7,), of a sentence after those `before` it, each (7,), the nearest last."""
        shares = self.share * 0.5 ** np.arange(len(before))[::-1]
        carried = (share * (row - self.usual) for share, row in zip(shares, before, strict=True))
        return np.asarray(logits + sum(carried), logits.dtype)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the model file says about itself, checked."""

    thresholds: Floats  # (7,), each in (0, 1), in the order of LABELS
    max_tokens: int
    temperature: float  # of logits, where one number for all labels will do: what a student learns from
    scores: Lines  # from logits to the probability of each label
    choice: Choice | None  # None: no choice was fitted
    review_below: Floats  # (7,), in [0, 1]: an answer with this label is flagged below this confidence
    context_sentences: int  # so many before a sentence have a say; 0: none
    persistence: Persistence | None  # how they have it; None: the model reads them together with the sentence

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str) -> Self:
        """Read the ONNX metadata of the model `name`. Raises ModelIntegrityError for anything missing or wrong."""
        try:
            labels: Any = json.loads(metadata["labels"])
            card = cls(
                _row(metadata["thresholds"]),
                int(metadata["max_tokens"]),
                float(metadata.get("temperature", "1")),
                _scores(metadata),
                _choice(metadata),
                _row(metadata.get("review_below", json.dumps([UNFITTED_REVIEW] * len(LABELS)))),
                int(metadata.get("context_sentences", "0")),
                _persistence(metadata),
            )
            activation = metadata["activation"]
        except (KeyError, ValueError, TypeError) as error:
            raise unusable(name, f"its metadata cannot be read ({error})") from None
        if labels != list(LABELS):
            raise unusable(name, f"its labels are {labels}, not {list(LABELS)}")
        if not ((card.thresholds > 0) & (card.thresholds < 1)).all():
            raise unusable(name, "it needs one threshold between 0 and 1 for each label")
        if not ((card.review_below >= 0) & (card.review_below <= 1)).all():
            raise unusable(name, "it needs one review threshold from 0 to 1 for each label")
        if activation != "sigmoid" or card.max_tokens < 8 or not 0 < card.temperature < math.inf:
            raise unusable(name, "its activation, max_tokens or temperature is not one this program knows")
        if card.context_sentences < 0:
            raise unusable(name, "context_sentences is negative")
        return card


def scores_of(logits: Floats, card: ModelCard, *, context_used: bool = False) -> EmotionScores | EmoScribeError:
    """What one row of logits, (7,), says; StageError if they are not numbers.

    Label and confidence are those of the fitted choice. Where the label stays below its own threshold while others do
    not, they are the mixed ones and it is not: the two answer different questions.
    """
    if not np.isfinite(logits).all():
        return StageError("The classifier gave no numbers for this text.")
    values = np.asarray(logits, np.float64)
    probabilities = card.scores.probabilities(values)  # (7,)
    answer = card.choice.answers(values) if card.choice else _standing(probabilities, card.thresholds)
    winner, confidence = int(answer[0]), float(answer[1])
    above = [k for k in np.argsort(-probabilities, kind="stable") if probabilities[k] >= card.thresholds[k]]
    asked = card.review_below[winner]
    return EmotionScores(
        scores={label: float(p) for label, p in zip(LABELS, probabilities, strict=True)},
        label=LABELS[winner],
        mixed=tuple(LABELS[k] for k in above),
        confidence=confidence,
        is_doubtful=bool(confidence < asked or asked >= 1),  # 1: no answer with this label is trusted
        context_used=context_used,
    )


def sigmoid(values: Floats) -> Exact:
    """Of finite numbers, however large; never warns."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float64)


def log_odds(probability: Floats | float) -> Exact:
    """The logit, the inverse of the sigmoid; for 0 and 1 too it stays within 14."""
    inside = np.clip(np.asarray(probability, np.float64), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.asarray(np.log(inside / (1 - inside)))


def unusable(name: str, cause: str) -> ModelIntegrityError:
    """The error for a model file that is not what it should be."""
    return ModelIntegrityError(
        f"The emotion model {name} cannot be used: {cause}.",
        fix="Run `emoscribe models verify`, then `emoscribe models pull`.",
    )


def _standing(probabilities: Floats, thresholds: Floats) -> tuple[int, float]:
    """The label that stands highest above its own threshold, as a share of the room there, and the confidence in it.

    For a model without a fitted choice: a rare emotion with a low threshold can win. On GoEmotions dev that gave the
    bootstrap model a single-label macro-F1 of 0.633 (largest probability 0.632, probability over threshold 0.625).
    """
    room = np.where(probabilities >= thresholds, 1 - thresholds, thresholds)
    winner = int(((probabilities - thresholds) / room).argmax())
    return winner, float(probabilities[winner] / max(1.0, probabilities.sum()))


def _choice(metadata: Mapping[str, str]) -> Choice | None:
    if "choice_scale" not in metadata:
        return None
    scale, bias = float(metadata["choice_scale"]), _row(metadata["choice_bias"])
    if not 0 < scale < math.inf or not np.isfinite(bias).all():
        raise ValueError("choice_scale and choice_bias must be numbers, the scale above 0")
    return Choice(scale, bias, _trust(metadata))


def _trust(metadata: Mapping[str, str]) -> Lines | None:
    return _lines(metadata, "confidence") if "confidence_slope" in metadata else None


def _scores(metadata: Mapping[str, str]) -> Lines:
    """Its own, or those of the one temperature that older files have."""
    if "score_slope" in metadata:
        return _lines(metadata, "score")
    temperature = float(metadata.get("temperature", "1"))
    return Lines(np.full(len(LABELS), 1 / temperature if temperature > 0 else np.nan), np.zeros(len(LABELS)))


def _lines(metadata: Mapping[str, str], name: str) -> Lines:
    slope, shift = _row(metadata[f"{name}_slope"]), _row(metadata[f"{name}_shift"])
    if not ((slope > 0) & np.isfinite(slope) & np.isfinite(shift)).all():
        raise ValueError(f"{name}_slope and {name}_shift must be numbers, the slopes above 0")
    return Lines(slope, shift)


def _persistence(metadata: Mapping[str, str]) -> Persistence | None:
    if "context_share" not in metadata:
        return None
    share, usual = float(metadata["context_share"]), _row(metadata["usual_logits"])
    if not 0 < share < 1 or not np.isfinite(usual).all():
        raise ValueError("context_share must be between 0 and 1, usual_logits numbers")
    return Persistence(share, usual)


def _row(text: str) -> Exact:
    row: Exact = np.array(json.loads(text), np.float64)
    if row.shape != (len(LABELS),):
        raise ValueError(f"{len(LABELS)} numbers are needed, not {row.shape}")
    return row
