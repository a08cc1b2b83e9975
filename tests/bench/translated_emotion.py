"""What translation costs the emotions: BRIGHTER's Brazilian posts through our English to the classifier.

    python -m tests.bench.translated_emotion [--rows 0]

Macro-F1 over the six emotions people marked (multi-label, the classifier's own thresholds), with the language pack's
phrases and spellings and with the bare engine. The posts are harder than speech: slang, no punctuation.
"""

import argparse
import csv
from functools import partial

import numpy as np
import numpy.typing as npt

from emoscribe import catalog
from emoscribe.languages import language_packs
from emoscribe.local_stages import load_classifier
from emoscribe.settings import load_settings
from emoscribe.stages import Classifier
from emoscribe.translate import PackTranslator, Route, load_engine
from emoscribe.types import EmotionRequest, EmotionScores, Translation, TranslationRequest
from tests.bench.output import save
from tests.conftest import ROOT

MARKED = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "sadness": "sadness",
    "surprise": "surprise",
}  # BRIGHTER's name -> ours
PLAIN = {"phrases": {}, "spellings": {}, "writes_drawn_out_once": False, "lowers_capitals": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=0, help="rows, 0 for all 2,426 of dev and train")
    rows = _read()[: parser.parse_args().rows or None]
    truth = np.array([[row[name] == "1" for name in MARKED] for row in rows])  # (rows, 6)
    classifier = load_classifier(load_settings(threads=2))
    figures: dict[str, object] = {"rows": len(rows)}
    for name, changes in (("with the pack", {}), ("bare engine", PLAIN)):
        translator = _portuguese(changes)
        outcomes = translator.translate([TranslationRequest(row["text"], "pt") for row in rows])
        translator.close()
        english = [outcome.text_en if isinstance(outcome, Translation) else "" for outcome in outcomes]
        figures[name] = _macro_f1(classifier, english, truth)
        print(name, figures[name], flush=True)
    save("translated_emotion", figures)


def _read() -> list[dict[str, str]]:
    folder = ROOT.parent / "shared" / "data" / "brighter"
    rows: list[dict[str, str]] = []
    for part in ("dev", "train"):
        with (folder / part / "ptbr.csv").open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows


def _portuguese(changes: dict[str, object]) -> PackTranslator:
    settings = load_settings()
    pack = language_packs()["pt"]
    choice = pack.translation["embedded"].model_copy(update=changes)
    folder = catalog.locate(choice.model, settings.models_dir)
    info = catalog.model_info(choice.model, settings.models_dir)
    return PackTranslator([Route(pack, choice, info, partial(load_engine, choice, folder))])


def _macro_f1(classifier: Classifier, english: list[str], truth: npt.NDArray[np.bool_]) -> float:
    requests = [EmotionRequest(text) for text in english]
    found = [outcome.mixed if isinstance(outcome, EmotionScores) else () for outcome in classifier.classify(requests)]
    predicted = np.array([[label in mixed for label in MARKED.values()] for mixed in found])
    f1 = 2 * (predicted & truth).sum(axis=0) / (predicted.sum(axis=0) + truth.sum(axis=0))  # (6,)
    return round(float(f1.mean()), 4)


if __name__ == "__main__":
    main()
