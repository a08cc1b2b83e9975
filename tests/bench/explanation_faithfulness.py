"""How faithful the explanations are, and what they cost, by method.

    python -m tests.bench.explanation_faithfulness [--rows 100] [--model FOLDER]

Comprehensiveness: how far the label's score falls when the words that weigh most are taken out of the text; higher is
better. Sufficiency: how far it falls when only they are left; lower is better. Both at 1, 5, 10, 20 and 50 % of the
words, at least one (ERASER, DeYoung et al. 2020), and their means; beside them an order by chance. Texts are taken
apart as texts, so that nothing is shared with the methods. Data: GoEmotions dev and XED, texts of three words and more.
Cost: an explanation over a classification of the same text, both alone, by length of the text: in time of all threads,
which other programs on the machine hardly change, and in time on the clock.
"""

import argparse
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.explain import METHODS
from emoscribe.labels import Label
from emoscribe.types import EmotionRequest, EmotionScores, Explanation, ModelInfo
from tests.bench.output import save
from tests.conftest import ROOT

INFO = ModelInfo(role="emotion", name="emotion", version="", sha256="", license="Apache-2.0")
DATA = ROOT.parent / "shared" / "data"
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
LENGTHS = (8, 15, 30, 60)  # words
TEXTS_PER_LENGTH = 5
Order = Callable[[str], Sequence[int]]  # a text's words, what weighs most first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100, help="texts of each set")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "emotion")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    classifier = EmotionClassifier(chosen.model, INFO, ClassifierOptions(device="cpu", threads=chosen.threads))
    figures: dict[str, object] = {}
    for name, texts in (("GoEmotions dev", _goemotions()), ("XED", _xed())):
        figures[name] = _faithfulness(classifier, texts, chosen.rows)
    figures["times one classification, by words"] = cost(classifier)
    save("explanation_faithfulness", figures)


def _goemotions() -> list[str]:
    return [line.split("\t")[0] for line in (DATA / "goemotions_ekman" / "dev.tsv").read_text("utf-8").splitlines()]


def _xed() -> list[str]:
    return [line.split("\t")[0] for line in (DATA / "xed" / "en-annotated.tsv").read_text("utf-8").splitlines()]


# --- faithfulness --------------------------------------------------------------------------------


def _faithfulness(classifier: EmotionClassifier, texts: list[str], rows: int) -> dict[str, dict[str, float]]:
    texts = [text for text in texts if len(text.split()) >= 3]
    random.Random(1).shuffle(texts)
    chance = np.random.default_rng(1)
    orders: dict[str, Order] = {"by chance": lambda text: chance.permutation(len(text.split())).tolist()}
    orders |= {name: _order_of(classifier, name) for name in METHODS}
    figures = {}
    for name, order in orders.items():
        drops = np.array([drop for text in texts[:rows] for drop in _drops(classifier, text, order)])
        comprehensiveness, sufficiency = drops.mean(axis=0).T  # (shares,)
        figures[name] = {
            "comprehensiveness": round(float(comprehensiveness.mean()), 4),
            "sufficiency": round(float(sufficiency.mean()), 4),
            **{
                f"comprehensiveness at {k:.0%}": round(float(v), 4)
                for k, v in zip(SHARES, comprehensiveness, strict=True)
            },
            **{f"sufficiency at {k:.0%}": round(float(v), 4) for k, v in zip(SHARES, sufficiency, strict=True)},
        }
        print(name, figures[name], flush=True)
    return figures


def _order_of(classifier: EmotionClassifier, method: str) -> Order:
    def order(text: str) -> Sequence[int]:
        (outcome,) = classifier.explain([EmotionRequest(text)], method)
        assert isinstance(outcome, Explanation), outcome
        found: list[int] = np.argsort([-word.weight for word in outcome.words], kind="stable").tolist()
        return found

    return order


def _drops(classifier: EmotionClassifier, text: str, order: Order) -> Iterator[npt.NDArray[np.float64]]:
    """How far the score falls, (shares, 2): without the first words, with only them; nothing for a text that fails."""
    (whole,) = classifier.classify([EmotionRequest(text)])
    if not isinstance(whole, EmotionScores):
        return
    words, ranked = text.split(), order(text)
    variants = []
    for share in SHARES:
        first = set(ranked[: max(1, math.ceil(share * len(words)))])
        variants.append(" ".join(word for number, word in enumerate(words) if number not in first))
        variants.append(" ".join(word for number, word in enumerate(words) if number in first))
    scores = [_score(classifier, variant, whole.label) for variant in variants]
    yield whole.scores[whole.label] - np.array(scores).reshape(len(SHARES), 2)


def _score(classifier: EmotionClassifier, text: str, label: Label) -> float:
    (outcome,) = classifier.classify([EmotionRequest(text)])
    return outcome.scores[label] if isinstance(outcome, EmotionScores) else 0.0  # signs alone are no word: no score


# --- cost ----------------------------------------------------------------------------------------


def cost(classifier: EmotionClassifier) -> dict[str, dict[str, dict[str, float]]]:
    words = " ".join(text for text in _goemotions()[:200]).split()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for length in LENGTHS:
        starts = range(0, TEXTS_PER_LENGTH * length, length)
        texts = [" ".join(words[start : start + length]) for start in starts]
        figures[str(length)] = {name: _ratios(classifier, texts, name) for name in METHODS}
        print(length, "words", figures[str(length)], flush=True)
    return figures


def _ratios(classifier: EmotionClassifier, texts: list[str], method: str) -> dict[str, float]:
    """Sums over texts; each done three times, alternating, the fastest counted."""
    classified, explained = np.zeros(2), np.zeros(2)
    for text in texts:
        asked = [EmotionRequest(text)]
        tries: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
        for _ in range(3):
            start = _now()
            classifier.classify(asked)
            middle = _now()
            classifier.explain(asked, method)
            tries.append((middle - start, _now() - middle))
        classified += np.min([one for one, _ in tries], axis=0)
        explained += np.min([one for _, one in tries], axis=0)
    cpu, clock = explained / classified
    return {"cpu": round(float(cpu), 1), "clock": round(float(clock), 1)}


def _now() -> npt.NDArray[np.float64]:
    return np.array([time.process_time(), time.perf_counter()])


if __name__ == "__main__":
    main()
