"""What the sentences before are worth to the bundled classifier, by how much of their logits is added.

    python -m tests.bench.emotion_context [--model FOLDER] [--resamples 400]

Macro-F1 and accuracy of the shown label on MELD, whose dialogues are in order and which no shipped model has learnt
from; the share is chosen on its dev split, and its train split, nine times as large, says what the choice is worth
elsewhere. `gain`: the change of macro-F1 with the middle 95 % of what resampled dialogues give.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.scoring import Choice, Floats, Persistence
from emoscribe.types import EmotionRequest, ModelInfo
from tests.bench.output import save
from tests.conftest import ROOT

Labels = npt.NDArray[np.int64]  # (n,), places in LABELS

INFO = ModelInfo(role="emotion", name="emotion", version="", sha256="", license="Apache-2.0")
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "emotion")
    parser.add_argument("--resamples", type=int, default=400)
    chosen = parser.parse_args()
    classifier = EmotionClassifier(chosen.model, INFO, ClassifierOptions(device="cpu"))
    card = classifier.card
    if card.persistence is None or card.choice is None:
        parser.error(f"{chosen.model} does not judge the sentences before by themselves")
    figures: dict[str, object] = {}
    for split in ("dev", "train"):
        examples = load("meld", split, ROOT.parent / "shared" / "data")
        truth = gold_of(examples).argmax(1)
        logits = classifier.logits([EmotionRequest(one.text) for one in examples])
        dialogues = _dialogues(examples)
        without = _shown(logits, card.choice)
        figures[split] = rows = {"without": _worth(truth, without)}
        print(split, rows, flush=True)
        for share in SHARES:
            heard = _heard(logits, dialogues, replace(card.persistence, share=share), card.context_sentences)
            shown = _shown(heard, card.choice)
            rows[str(share)] = _worth(truth, shown) | _gain(truth, without, shown, dialogues, chosen.resamples)
            print(split, share, rows[str(share)], flush=True)
    save("emotion_context", figures)


def _dialogues(examples: list[Example]) -> list[Labels]:
    """The places of the sentences of each, in order."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(examples):
        places[one.id.split("-")[0]].append(place)
    return [np.array(one) for one in places.values()]


def _heard(logits: Floats, dialogues: list[Labels], persistence: Persistence, sentences: int) -> Floats:
    heard = logits.copy()
    for places in dialogues:
        for number, place in enumerate(places):
            before = logits[places[max(0, number - sentences) : number]]
            heard[place] = persistence.after(logits[place], list(before))
    return heard


def _shown(logits: Floats, choice: Choice) -> Labels:
    return np.asarray(choice.probabilities(logits).argmax(1))


def _worth(truth: Labels, shown: Labels) -> dict[str, float]:
    f1 = f1_score(truth, shown, average="macro", zero_division=0.0)
    return {"macro-F1": round(float(f1), 4), "accuracy": round(float((truth == shown).mean()), 4)}


def _gain(truth: Labels, without: Labels, shown: Labels, dialogues: list[Labels], resamples: int) -> dict[str, float]:
    chance = np.random.default_rng(0)
    gains = []
    for _ in range(resamples):
        drawn = np.concatenate([dialogues[k] for k in chance.integers(0, len(dialogues), len(dialogues))])
        with_context, alone = (
            f1_score(truth[drawn], one[drawn], average="macro", zero_division=0.0) for one in (shown, without)
        )
        gains.append(with_context - alone)
    low, high = np.percentile(gains, (2.5, 97.5)).round(4)
    return {"gain: low": float(low), "gain: high": float(high)}


if __name__ == "__main__":
    main()
