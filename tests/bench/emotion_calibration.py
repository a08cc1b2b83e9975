"""What the fitted choice of a label is worth, and how far a better one could go.

    python -m tests.bench.emotion_calibration [--model FOLDER] [--rows 0]

Macro-F1 of the label that is shown and ECE of its confidence (15 bins), on dev texts with one label. *shipped*: with
the choice of the model's file. *bare*: softmax of the logits as they are. *its own*: with scale and biases
fitted to the very texts that are scored, which nobody can have, for the likeliest label (`balance` 0).
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.evaluation.calibrate import fit_choice
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.examples import gold_of
from emoscribe.evaluation.trust import expected_error
from emoscribe.labels import LABELS
from emoscribe.scoring import Choice, Floats
from emoscribe.types import EmotionRequest, ModelInfo
from tests.bench.output import save
from tests.conftest import ROOT

INFO = ModelInfo(role="emotion", name="emotion", version="", sha256="", license="Apache-2.0")
BARE = Choice(1.0, np.zeros(len(LABELS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "emotion")
    parser.add_argument("--rows", type=int, default=0, help="of each set at most; 0: all")
    chosen = parser.parse_args()
    classifier = EmotionClassifier(chosen.model, INFO, ClassifierOptions(device="cpu"))
    figures: dict[str, object] = {}
    for name in ("meld", "xed", "goemotions"):
        texts = load(name, "dev", ROOT.parent / "shared" / "data")[: chosen.rows or None]
        examples = [one for one in texts if len(one.labels) == 1]
        logits = classifier.logits([EmotionRequest(one.text) for one in examples])
        label = gold_of(examples).argmax(1)
        choices = {"shipped": classifier.card.choice or BARE, "bare": BARE, "its own": fit_choice(logits, label)}
        figures[name] = {"texts": len(label)} | {how: _worth(logits, label, one) for how, one in choices.items()}
        print(name, figures[name], flush=True)
    save("emotion_calibration", figures)


def _worth(logits: Floats, label: Floats, choice: Choice) -> dict[str, float]:
    shown, confidence = choice.answers(logits)
    f1 = f1_score(label, shown, labels=np.unique(label), average="macro", zero_division=0.0)
    return {"macro-F1": round(float(f1), 3), "ECE": round(expected_error(confidence, shown == label), 3)}


if __name__ == "__main__":
    main()
