"""Weights to model files: full precision and 8-bit ONNX, with what was fitted on dev sets in their metadata.

    emoscribe train CONFIG --folder CORPORA --out FOLDER --only export

Writes `fp32/` and `int8/`, each a folder that `EmotionClassifier` loads (model.onnx, tokenizer.json), and last
`export.json`. Thresholds, choice and review thresholds are fitted to the dev splits that are like our input: spoken
lines, and text that was translated. Test splits are never read here.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.torch import load_file

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.evaluation.calibrate import (
    ChoiceOptions,
    ReviewOptions,
    fit_choice,
    fit_review_thresholds,
    fit_temperature,
    fit_thresholds,
)
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.evaluation.translation import translated
from emoscribe.labels import LABELS
from emoscribe.local_stages import load_translator
from emoscribe.scoring import Choice
from emoscribe.settings import Settings
from emoscribe.training.network import EmotionNetwork, load_encoder
from emoscribe.training.onnx_files import export_fp32, quantise, write_metadata
from emoscribe.training.options import ExportOptions
from emoscribe.types import EmotionRequest, ModelInfo

Floats = npt.NDArray[np.float64]
INFO = ModelInfo(role="emotion", name="in training", version="", sha256="", license="Apache-2.0")


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What the metadata says beside labels and lengths."""

    temperature: float
    thresholds: Floats  # (7,)
    choice: Choice
    review_below: Floats  # (7,)


def export(
    options: ExportOptions,
    folders: tuple[Path, Path, Path],
    corpora: Path,
    settings: Settings,
    show: Callable[[str], None],
) -> dict[str, Any]:
    """Write both model folders; `folders`: weights, encoder, output. Returns the record."""
    weights, encoder, out = folders
    training = json.loads((weights / "training.json").read_text(encoding="utf-8"))
    network = _network(weights, encoder, training["corpora"])
    network.speaking_as(options.speaks_as)
    fp32, int8 = out / "fp32", out / "int8"
    for folder in (fp32, int8):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(encoder / "tokenizer.json", folder / "tokenizer.json")
    show("export: ONNX")
    difference = export_fp32(network, fp32 / "model.onnx", network.encoder.config.vocab_size)
    quantise(fp32 / "model.onnx", int8 / "model.onnx")
    examples = _dev_examples(options, corpora, settings)
    record: dict[str, Any] = {"largest_logit_difference": difference, "options": asdict(options)}
    for folder in (fp32, int8):
        show(f"export: calibrating {folder.name}")
        write_metadata(folder / "model.onnx", _metadata(options, None, training))
        fitted = _fit(folder, examples, options)
        write_metadata(folder / "model.onnx", _metadata(options, fitted, training))
        record[folder.name] = {"bytes": (folder / "model.onnx").stat().st_size, **_plain(fitted)}
    (out / "export.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def _network(weights: Path, encoder: Path, corpora: Sequence[str]) -> EmotionNetwork:
    from tokenizers import Tokenizer

    from emoscribe.training.train import separator_of

    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    network = EmotionNetwork(load_encoder(encoder), separator_of(tokenizer), corpora)
    network.load_state_dict(load_file(weights / "weights.safetensors"))
    return network.eval()


def _dev_examples(options: ExportOptions, corpora: Path, settings: Settings) -> list[Example]:
    translator = load_translator(settings)
    rows = options.calibration_rows or None
    return [one for name in options.calibrate_on for one in translated(load(name, "dev", corpora)[:rows], translator)]


def _fit(folder: Path, examples: Sequence[Example], options: ExportOptions) -> _Fitted:
    classifier = EmotionClassifier(folder, INFO, ClassifierOptions())
    logits = classifier.logits([EmotionRequest(one.text, one.context) for one in examples])  # (n, 7)
    classifier.close()
    gold = gold_of(list(examples))  # (n, 7)
    temperature = fit_temperature(logits, gold)
    single = gold.sum(1) == 1
    choice = fit_choice(logits[single], gold[single].argmax(1), ChoiceOptions(balance=options.balance))
    likely = choice.probabilities(logits)  # (n, 7)
    predicted = likely.argmax(1)
    right = gold[np.arange(len(gold)), predicted]
    review = fit_review_thresholds(likely.max(1), right, predicted, ReviewOptions(options.target_risk))
    return _Fitted(temperature, fit_thresholds(logits / temperature, gold), choice, review)


def _metadata(options: ExportOptions, fitted: _Fitted | None, training: dict[str, Any]) -> dict[str, object]:
    """`fitted` is None while there is nothing but logits."""
    neutral = _Fitted(1.0, np.full(7, 0.5), Choice(1.0, np.zeros(7)), np.zeros(7))
    return {
        "labels": list(LABELS),
        "activation": "sigmoid",
        "max_tokens": options.max_tokens,
        "context_sentences": options.context_sentences,
        "training": {key: training[key] for key in ("corpora", "rows", "options")},
        **_plain(fitted or neutral),
    }


def _plain(fitted: _Fitted) -> dict[str, object]:
    return {
        "temperature": round(fitted.temperature, 4),
        "thresholds": fitted.thresholds.round(4).tolist(),
        "choice_scale": round(fitted.choice.scale, 4),
        "choice_bias": fitted.choice.bias.round(4).tolist(),
        "review_below": fitted.review_below.round(4).tolist(),
    }
