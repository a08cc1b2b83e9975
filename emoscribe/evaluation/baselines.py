"""What a model has to beat: the most frequent label, words counted by logistic regression, and the reference's figures.

Both of ours learn from GoEmotions train, as the first model did. Needs the extra `evaluate` (scikit-learn).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from emoscribe.evaluation.calibrate import fit_thresholds
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.evaluation.judging import Answers
from emoscribe.evaluation.report import BaselineRow
from emoscribe.labels import LABELS

QUOTED: Final = (
    BaselineRow(
        name="DistilRoBERTa on GoEmotions and other data (the reference's recipe)",
        kind="quoted",
        note="as reported by the reference team on their own test data; not reproduced: DistilRoBERTa cannot be had"
        " without a model hub",
        accuracy=0.71,
        macro_f1=0.56,
        weighted_f1=0.71,
    ),
)
"""Published figures, of other test data than those beside them."""


class MajorityJudge:
    """Answers every text with the label that is the most frequent in its training examples."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._shares = gold_of(list(examples)).mean(0)  # (7,)

    def judge(self, texts: Sequence[str], contexts: Sequence[str]) -> Answers:
        """Implements `Judge`; the confidence is the label's share of the training examples."""
        return _answers(np.tile(self._shares, (len(texts), 1)), np.where(self._shares == self._shares.max(), 0.0, 1.0))


class WordCountJudge:
    """TF-IDF of words and pairs of words, logistic regression for each label."""

    def __init__(self, train: Sequence[Example], dev: Sequence[Example]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self._words: Any = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
        counts = self._words.fit_transform([one.text for one in train])
        gold = gold_of(list(train))
        self._models: list[Any] = [
            # the labels' own frequencies are kept: the thresholds do the weighing
            LogisticRegression(C=4.0, solver="liblinear").fit(counts, gold[:, k])
            for k in range(len(LABELS))
        ]
        self._thresholds = fit_thresholds(self._logits([one.text for one in dev]), gold_of(list(dev)))

    def judge(self, texts: Sequence[str], contexts: Sequence[str]) -> Answers:
        """Implements `Judge`."""
        return _answers(1 / (1 + np.exp(-self._logits(texts))), self._thresholds)

    def _logits(self, texts: Sequence[str]) -> Any:
        counts = self._words.transform(texts)
        return np.stack([model.decision_function(counts) for model in self._models], axis=1)  # (n, 7)


def trained_baselines(folder: Path) -> dict[str, MajorityJudge | WordCountJudge]:
    """Both, by name; half a minute. Raises InvalidRequestError if GoEmotions is not in `folder`."""
    train, dev = load("goemotions", "train", folder), load("goemotions", "dev", folder)
    return {
        "most frequent label": MajorityJudge(train),
        "TF-IDF and logistic regression": WordCountJudge(train, dev),
    }


def _answers(scores: Any, thresholds: Any) -> Answers:
    label = scores.argmax(1)
    top = scores[np.arange(len(scores)), label]
    return Answers(
        scores=scores.astype(np.float64),
        above=scores >= thresholds,
        label=label,
        confidence=top / np.maximum(1.0, scores.sum(1)),  # the label's share, as for our models
    )
