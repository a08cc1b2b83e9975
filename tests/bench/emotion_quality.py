"""The bundled classifier on GoEmotions with thresholds and choice of its own dev set, and speed by size of call.

    python -m tests.bench.emotion_quality [--model FOLDER [FOLDER ...]]

Macro-F1 of several labels, and ECE of the shown label's confidence (15 bins; right: one of people's labels). Everything
as the model carries it, which is fitted to spoken lines, is `emoscribe evaluate`. Of several models: the mean of their
logits, to see what models of this size could reach together; `best` has thresholds fitted to the test set itself, which
nobody can have.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.metrics import f1_score

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.evaluation.calibrate import fit_choice, fit_thresholds, fit_trust
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
    parser.add_argument("--model", type=Path, nargs="+", default=[ROOT / "models" / "emotion"])
    folders = parser.parse_args().model
    classifiers = [EmotionClassifier(folder, INFO, ClassifierOptions(threads=2)) for folder in folders]
    dev, test = (load("goemotions", split, ROOT.parent / "shared" / "data") for split in ("dev", "test"))
    logits = {name: _logits(classifiers, examples) for name, examples in (("dev", dev), ("test", test))}
    thresholds = fit_thresholds(logits["dev"], gold_of(dev))
    best = fit_thresholds(logits["test"], gold_of(test))
    figures: dict[str, object] = {"models": [folder.name for folder in folders]}
    for name, examples, above in (("dev", dev, thresholds), ("test", test, thresholds), ("best", test, best)):
        given = expit(logits["dev" if name == "dev" else "test"]) >= above
        per_label = f1_score(gold_of(examples), given, average=None, zero_division=0.0)
        figures[name] = {"macro-F1": round(float(per_label.mean()), 4)} | dict(
            zip(LABELS, per_label.round(3).tolist(), strict=True)
        )
        print(name, figures[name], flush=True)
    figures["test: ECE"] = _calibration(logits["dev"], gold_of(dev), logits["test"], gold_of(test))
    print("test: ECE", figures["test: ECE"], flush=True)
    if len(classifiers) == 1:
        figures["cpu ms per text, by size of call"] = _speed(classifiers[0], [one.text for one in dev[:512]])
        print(figures["cpu ms per text, by size of call"])
    save("emotion_quality", figures)


def _logits(classifiers: list[EmotionClassifier], examples: list[Example]) -> Floats:
    """The mean of the classifiers', (n, 7)."""
    requests = [EmotionRequest(one.text) for one in examples]
    return np.asarray(np.mean([classifier.logits(requests) for classifier in classifiers], axis=0))


def _calibration(dev: Floats, dev_gold: Flags, test: Floats, gold: Flags) -> float:
    """With a choice fitted to the dev set, and the trust in it."""
    single = dev_gold.sum(1) == 1
    choice = fit_choice(dev[single], dev_gold[single].argmax(1))
    label, probability = choice.answers(dev)
    choice = replace(choice, trust=fit_trust(probability, label, dev_gold[np.arange(len(dev)), label]))
    label, confidence = choice.answers(test)
    return round(expected_error(confidence, gold[np.arange(len(gold)), label]), 4)


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
