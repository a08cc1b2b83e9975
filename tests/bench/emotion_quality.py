"""The bundled classifier on GoEmotions in the Ekman grouping: quality, calibration, and speed by size of call.

    python -m tests.bench.emotion_quality [--rows 0]

Multi-label macro-F1 with the model's own thresholds; macro-F1 of the single label on rows with one label; expected
calibration error (15 bins) and accuracy of the single label, kept or flagged at a confidence of 0.5.
"""

import argparse
import time

import numpy as np
import numpy.typing as npt

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.labels import LABELS
from emoscribe.types import EmotionRequest, EmotionScores, ModelInfo
from tests.bench.output import save
from tests.conftest import ROOT

INFO = ModelInfo(role="emotion", name="emotion", version="", sha256="", license="Apache-2.0")
Booleans = npt.NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=0, help="rows of each set, 0 for all")
    limit = parser.parse_args().rows or None
    classifier = EmotionClassifier(ROOT / "models" / "emotion", INFO, ClassifierOptions(threads=2))
    figures: dict[str, dict[str, float]] = {}
    for name in ("dev", "test"):
        texts, truth = _read(name, limit)
        requests = [EmotionRequest(text) for text in texts]
        scores = [s for s in classifier.classify(requests) if isinstance(s, EmotionScores)]
        figures[name] = {"rows": len(texts), **_quality(scores, truth)}
        print(name, figures[name], flush=True)
    figures["cpu ms per text, by size of call"] = _speed(classifier, _read("dev", 512)[0])
    print(figures["cpu ms per text, by size of call"])
    save("emotion_quality", figures)


def _read(name: str, limit: int | None) -> tuple[list[str], Booleans]:
    path = ROOT.parent / "shared" / "data" / "goemotions_ekman" / f"{name}.tsv"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[:limit]]
    truth = np.array([[str(k) in ids.split(",") for k in range(len(LABELS))] for _, ids, _ in rows])  # (rows, 7)
    return [text for text, _, _ in rows], truth


def _quality(scores: list[EmotionScores], truth: Booleans) -> dict[str, float]:
    mixed = np.array([[label in s.mixed for label in LABELS] for s in scores])
    winner = np.array([[label == s.label for label in LABELS] for s in scores])
    confidence = np.array([s.confidence for s in scores])
    right: Booleans = np.logical_and(winner, truth).any(axis=1)
    single = truth.sum(axis=1) == 1
    kept = confidence >= 0.5
    figures = {
        "multi-label macro-F1": _f1(mixed, truth),
        "single-label macro-F1": _f1(winner[single], truth[single]),
        "label is one of the truth": right.mean(),
        "calibration error": _calibration_error(confidence, right),
        "share flagged": 1 - kept.mean(),
        "right among kept": right[kept].mean(),
        "right among flagged": right[~kept].mean(),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def _f1(predicted: Booleans, truth: Booleans) -> float:
    return float((2 * (predicted & truth).sum(axis=0) / (predicted.sum(axis=0) + truth.sum(axis=0))).mean())


def _calibration_error(confidence: npt.NDArray[np.float64], right: Booleans, bins: int = 15) -> float:
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = (
        abs(confidence[place == b].mean() - right[place == b].mean()) * (place == b).mean() for b in np.unique(place)
    )
    return float(sum(gaps))


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
