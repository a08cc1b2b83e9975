"""The bundled classifier on GoEmotions with thresholds and choice of its own dev set, and speed by size of call.

    python -m tests.bench.emotion_quality [--model FOLDER]

Macro-F1 of several labels, and ECE of the shown label's confidence (15 bins; right: one of people's labels). Everything
as the model carries it, which is fitted to spoken lines, is `emoscribe evaluate`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.evaluation.calibrate import fit_choice, fit_thresholds
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.evaluation.trust import expected_error
from emoscribe.labels import LABELS
from emoscribe.scoring import Floats
from emoscribe.types import EmotionRequest, ModelInfo
from tests.bench.output import save
from tests.conftest import ROOT

Flags = npt.NDArray[np.bool_]  # (n, 7)
INFO = ModelInfo(role="emotion", name="emotion", version="", sha256="", license="Apache-2.0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "emotion")
    classifier = EmotionClassifier(parser.parse_args().model, INFO, ClassifierOptions(threads=2))
    dev, test = (load("goemotions", split, ROOT.parent / "shared" / "data") for split in ("dev", "test"))
    chances = {name: _probabilities(classifier, examples) for name, examples in (("dev", dev), ("test", test))}
    thresholds = fit_thresholds(chances["dev"][1], gold_of(dev))
    figures: dict[str, object] = {}
    for name, examples in (("dev", dev), ("test", test)):
        per_label = f1_score(gold_of(examples), chances[name][0] >= thresholds, average=None, zero_division=0.0)
        figures[name] = {"macro-F1": round(float(per_label.mean()), 4)} | dict(
            zip(LABELS, per_label.round(3).tolist(), strict=True)
        )
        print(name, figures[name], flush=True)
    figures["test: ECE"] = _calibration(chances["dev"][1], gold_of(dev), chances["test"][1], gold_of(test))
    print("test: ECE", figures["test: ECE"], flush=True)
    figures["cpu ms per text, by size of call"] = _speed(classifier, [one.text for one in dev[:512]])
    print(figures["cpu ms per text, by size of call"])
    save("emotion_quality", figures)


def _probabilities(classifier: EmotionClassifier, examples: list[Example]) -> tuple[Floats, Floats]:
    """Sigmoids and logits, both (n, 7)."""
    from scipy.special import expit

    logits = classifier.logits([EmotionRequest(one.text) for one in examples])
    return expit(logits), logits


def _calibration(dev: Floats, dev_gold: Flags, test: Floats, gold: Flags) -> float:
    single = dev_gold.sum(1) == 1
    likely = fit_choice(dev[single], dev_gold[single].argmax(1)).probabilities(test)  # (n, 7)
    right = gold[np.arange(len(gold)), likely.argmax(1)]
    return round(expected_error(likely.max(1), right), 4)


def _speed(classifier: EmotionClassifier, texts: list[str]) -> dict[str, float]:
    figures = {}
    requests = [EmotionRequest(text) for text in texts]
    for size in (1, 8, 32, 128):
        start = time.process_time()
        for first in range(0, len(texts), size):
            classifier.classify(requests[first : first + size])
        figures[str(size)] = round(1000 * (time.process_time() - start) / len(texts), 2)
    return figures


if __name__ == "__main__":
    main()
