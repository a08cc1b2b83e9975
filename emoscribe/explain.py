"""Which words of a sentence made its label: weights found by leaving words out and asking the model again.

It works on whatever gives scores for tokens, so on the ONNX model, without gradients and without PyTorch. A weight is
in log-odds of the label's score: +2 makes the odds for the label seven times as high. What the methods do, how
faithful they are and what they cost: docs/explanations.md, tests/bench/explanation_faithfulness.py.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from emoscribe.encoding import Encoded, Span
from emoscribe.errors import EmoScribeError
from emoscribe.labels import Label
from emoscribe.scoring import log_odds
from emoscribe.types import EmotionScores, Explanation, WordWeight

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]
Score = Callable[[Sequence[Encoded]], list[EmotionScores | EmoScribeError]]

DEFAULT_METHOD: Final = "with_and_without"
LEFT_OUT_SINGLY: Final = 4  # words of a long sentence that are left out one by one
SHAPLEY_PAIRS: Final = 16  # of coalitions: 32 variants


class Ask(Protocol):
    """Asks the model about variants of one sentence."""

    def __call__(self, kept: Booleans, *, with_context: bool = True) -> Floats:
        """Log-odds of the label, (variants,), where only these words are kept, (variants, words)."""
        ...


# Ask, number of words (at least one), log-odds of the whole sentence -> weights of the words, (words,)
Method = Callable[[Ask, int, float], Floats]


def explain(encoded: Encoded, score: Score, method: str = DEFAULT_METHOD) -> Explanation | EmoScribeError:
    """What each word does for the label of this text. Words that the model did not see weigh nothing."""
    (whole,) = score([encoded])
    if isinstance(whole, EmoScribeError):
        return whole
    spans = [match.span() for match in re.finditer(r"\S+", encoded.text)]
    word_of = _words_of_tokens(encoded, spans)
    seen = sorted({word for word in word_of if word is not None})
    place = {word: number for number, word in enumerate(seen)}
    ask = _asker(encoded, [None if word is None else place[word] for word in word_of], whole.label, score)
    try:
        log_odds_of_all = _log_odds(whole, whole.label)
        found = METHODS[method](ask, len(seen), log_odds_of_all)
        alone = ask(np.ones((1, len(seen)), bool), with_context=False)[0] if encoded.context_used else log_odds_of_all
        weights = dict(zip(seen, found.tolist(), strict=True))
    except EmoScribeError as error:
        return error
    words = (
        WordWeight(encoded.text[start:end], weights.get(number, 0.0), start, end)
        for number, (start, end) in enumerate(spans)
    )
    return Explanation(whole.label, method, tuple(words), encoded.context_used, float(log_odds_of_all - alone))


# --- methods -------------------------------------------------------------------------------------


def occlusion(ask: Ask, words: int, whole: float) -> Floats:
    """What is lost when the word is left out: one variant a word."""
    return whole - ask(~np.eye(words, dtype=bool))


def with_and_without(ask: Ask, words: int, whole: float) -> Floats:
    """The mean of what the word adds to nothing and what is lost when it is left out.

    The first is cheap, for such a variant is one word long. In long sentences it decides which words are left out one
    by one, those that say the label by themselves; the others are left out together and share the loss. So the cost is
    bounded.
    """
    nothing = np.zeros((1, words), bool)
    alone = ask(np.concatenate([nothing, np.eye(words, dtype=bool)]), with_context=False)
    added = alone[1:] - alone[0]
    ranked = np.argsort(-added, kind="stable").tolist()
    groups = [[word] for word in ranked[:LEFT_OUT_SINGLY]]
    if others := ranked[LEFT_OUT_SINGLY:]:
        groups.append(others)
    without = np.ones((len(groups), words), bool)
    lost = np.zeros(words)
    for row, group in enumerate(groups):
        without[row, group] = False
    for group, answer in zip(groups, ask(without), strict=True):
        lost[group] = (whole - answer) / len(group)
    weights: Floats = (added + lost) / 2
    return weights


def kernel_shap(ask: Ask, words: int, whole: float) -> Floats:
    """Shapley values by weighted least squares over random coalitions, each with its complement; the same every time.

    They add up to the log-odds of the sentence over those of no words at all (Lundberg and Lee 2017; pairs: Covert
    and Lee 2021).
    """
    (nothing,) = ask(np.zeros((1, words), bool))
    total = whole - nothing
    if words == 1:
        return np.array([total])
    chance = np.random.default_rng(0)
    sizes = np.arange(1, words)
    likelihood = 1 / (sizes * (words - sizes))  # of a size, under the Shapley kernel
    drawn = chance.choice(sizes, SHAPLEY_PAIRS, p=likelihood / likelihood.sum())
    ranks = chance.permuted(np.tile(np.arange(words), (SHAPLEY_PAIRS, 1)), axis=1)
    kept: Booleans = np.concatenate([ranks < drawn[:, None], ranks >= drawn[:, None]])  # (2 pairs, words)
    gains = ask(kept) - nothing
    # the last weight follows from the others, for all add up to the total
    inputs = kept[:, :-1].astype(float) - kept[:, -1:]
    answers = gains - kept[:, -1] * total
    ridge = 1e-6 * len(kept) * np.eye(words - 1)
    weights = np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ answers)
    return np.append(weights, total - weights.sum())


METHODS: Final[Mapping[str, Method]] = {
    "with_and_without": with_and_without,
    "occlusion": occlusion,
    "kernel_shap": kernel_shap,
}


# --- how the model is asked ----------------------------------------------------------------------


def _words_of_tokens(encoded: Encoded, words: Sequence[Span]) -> list[int | None]:
    """The word that each token stands in; None for special tokens and the context's."""
    starts = np.array([start for start, _ in words])
    return [None if span is None else int(np.searchsorted(starts, span[0], "right")) - 1 for span in encoded.spans]


def _asker(encoded: Encoded, word_of: Sequence[int | None], label: Label, score: Score) -> Ask:
    def ask(kept: Booleans, *, with_context: bool = True) -> Floats:
        variants = [
            encoded.keeping([word is None or bool(row[word]) for word in word_of], with_context=with_context)
            for row in kept
        ]
        return np.array([_log_odds(outcome, label) for outcome in score(variants)])

    return ask


def _log_odds(outcome: EmotionScores | EmoScribeError, label: Label) -> float:
    if isinstance(outcome, EmoScribeError):
        raise outcome
    return float(log_odds(outcome.scores[label]))
