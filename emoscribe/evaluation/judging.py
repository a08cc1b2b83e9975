"""What a model answers for each example, and who answers: an ONNX classifier of ours, or anything else that judges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from emoscribe.errors import EmoScribeError
from emoscribe.labels import LABELS
from emoscribe.stages import Classifier
from emoscribe.types import EmotionRequest, EmotionScores

NO_ANSWER = -1
"""In place of a label: the model could not judge the text. It counts as wrong, with confidence 0."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One row for each text, in order."""

    scores: npt.NDArray[np.float64]  # (n, 7), independent probabilities; 0 where there is no answer
    above: npt.NDArray[np.bool_]  # (n, 7), at or above the label's threshold
    label: npt.NDArray[np.int64]  # (n,), place in LABELS of the one answer; NO_ANSWER
    confidence: npt.NDArray[np.float64]  # (n,), that `label` is right
    doubtful: npt.NDArray[np.bool_] | None = None  # (n,), flagged by the model itself; None: it has no flag
    contexts_used: int = 0  # for how many texts the sentences before took part

    def right(self, gold: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Whether the answer is among the labels people gave, (n,)."""
        answered = self.label >= 0
        return answered & gold[np.arange(len(gold)), np.where(answered, self.label, 0)]


class Judge(Protocol):
    """Whoever can be evaluated."""

    def judge(self, texts: Sequence[str], contexts: Sequence[str]) -> Answers:
        """One row for each text; `contexts` are as long as `texts`, and an empty one is none."""
        ...


class ModelJudge:
    """An emotion model as the pipeline runs it."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def judge(self, texts: Sequence[str], contexts: Sequence[str]) -> Answers:
        """Implements `Judge`."""
        requests = [EmotionRequest(text, context) for text, context in zip(texts, contexts, strict=True)]
        return answers_of(self._classifier.classify(requests))


def answers_of(outcomes: Sequence[EmotionScores | EmoScribeError]) -> Answers:
    """The outcomes of a classifier as arrays."""
    known = [(number, out) for number, out in enumerate(outcomes) if isinstance(out, EmotionScores)]
    count = len(outcomes)
    doubtful = np.ones(count, bool)  # what has no answer is for a person
    answers = Answers(
        scores=np.zeros((count, len(LABELS))),
        above=np.zeros((count, len(LABELS)), bool),
        label=np.full(count, NO_ANSWER),
        confidence=np.zeros(count),
        doubtful=doubtful,
        contexts_used=sum(out.context_used for _, out in known),
    )
    for number, out in known:
        answers.scores[number] = [out.scores[label] for label in LABELS]
        answers.above[number] = [label in out.mixed for label in LABELS]
        answers.label[number] = LABELS.index(out.label)
        answers.confidence[number] = out.confidence
        doubtful[number] = out.is_doubtful
    return answers
