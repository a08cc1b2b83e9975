"""Weights to model files: ONNX of full precision and with small weights; fitted to dev sets, in their metadata.

    emoscribe train CONFIG --folder CORPORA --out FOLDER --only export

Writes `fp32/` and `small/`, each a folder that `EmotionClassifier` loads (model.onnx, tokenizer.json), `reference.json`
(`fidelity.py`) and last `export.json`; not that one if the small weights cost too much. Thresholds, choice and review
thresholds are fitted to the dev splits that are like our input: spoken lines, and text that was translated. Test
splits are never read here.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from emoscribe.encoding import Encoded, TextEncoder
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.evaluation.translation import translated
from emoscribe.labels import LABELS
from emoscribe.local_stages import load_translator
from emoscribe.scoring import Floats
from emoscribe.settings import Settings
from emoscribe.training.fidelity import Quality, cost, logits_of, quality, write_reference
from emoscribe.training.fitting import NEUTRAL, fit
from emoscribe.training.integer_layers import quantise_layers
from emoscribe.training.network import EmotionNetwork, load_encoder
from emoscribe.training.onnx_files import export_fp32, write_metadata
from emoscribe.training.options import ExportOptions
from emoscribe.training.quantise import Precision, quantise
from emoscribe.types import EmotionRequest


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
    fp32, small = out / "fp32", out / "small"
    for folder in (fp32, small):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(encoder / "tokenizer.json", folder / "tokenizer.json")
    show("export: ONNX")
    difference = export_fp32(network, fp32 / "model.onnx", network.encoder.config.vocab_size)
    examples = _dev_examples(options, corpora, settings)
    make_small(fp32, small, options, examples)
    record: dict[str, Any] = {"largest_logit_difference": difference, "options": asdict(options)}
    gold = gold_of(examples)  # (n, 7)
    outcomes: list[tuple[Floats, Quality]] = []
    for folder, activation_bits in ((fp32, 32), (small, options.activation_bits)):
        show(f"export: calibrating {folder.name}")
        about = _about(options, activation_bits, training)
        write_metadata(folder / "model.onnx", about | NEUTRAL.plain())
        logits = logits_of(folder, examples)
        fitted = fit(logits, gold, options)
        write_metadata(folder / "model.onnx", about | fitted.plain())
        record[folder.name] = _file(folder / "model.onnx") | fitted.plain()
        outcomes.append((logits, quality(logits, gold, fitted)))
    write_reference(out / "reference.json", examples, outcomes[0][0])
    lost = cost(*outcomes)
    record["cost"] = lost.plain()
    show(f"export: small weights cost {record['cost']}")
    lost.check()
    (out / "export.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def make_small(fp32: Path, small: Path, options: ExportOptions, examples: Sequence[Example]) -> None:
    """The model file of one folder with fewer bits, into the other; ranges of activations are read from `examples`."""
    source = fp32 / "model.onnx"
    if options.activation_bits == 8:
        encoder = TextEncoder(fp32 / "tokenizer.json", options.max_tokens)
        encoded = (encoder.encode(EmotionRequest(one.text)) for one in examples)
        quantise_layers(source, small / "model.onnx", (one.ids for one in encoded if isinstance(one, Encoded)))
        source = small / "model.onnx"
    quantise(source, small / "model.onnx", Precision(options.word_bits, options.four_bit_layers))


def _file(path: Path) -> dict[str, object]:
    return {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


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


def _about(options: ExportOptions, activation_bits: int, training: dict[str, Any]) -> dict[str, object]:
    """The metadata but for what is fitted."""
    return {
        "labels": list(LABELS),
        "activation": "sigmoid",
        "activation_bits": activation_bits,
        "max_tokens": options.max_tokens,
        "context_sentences": options.context_sentences,
        "training": {key: training[key] for key in ("corpora", "rows", "options")},
    }
