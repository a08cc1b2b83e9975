"""Whether a model that learns corrections gets better where they come from, and forgets nothing elsewhere.

    python -m tests.bench.corrections_learning [--rows 1200] [--corrections 400] [--epochs 1]
        [--frozen-layers 0] [--threads 2]
    python -m tests.bench.corrections_learning --write FILE [--corrections 800] [--domain isear]

A small run: MiniLM on some rows of GoEmotions and of film lines, three times with the same seed. *before*: without
corrections. *added*: as `emoscribe train --add` does it, the corrections together with everything. *alone*: from the
weights of *before* on the corrections only, which is what --add does not do. The corrections are labelled texts of a
domain that the first run has not seen (BRIGHTER, posts of social networks), in a file as the review page exports it, a
fifth of them not opted in. With `--write`, only that file is made, for a run of `emoscribe train --add` of any size.

Scored on dev texts that nobody learnt, 400 of each: macro-F1 of the labels that the corpus knows, thresholds fitted to
one half of the texts and scored on the other, both ways round; and average precision, which needs no thresholds.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from sklearn.metrics import average_precision_score, f1_score
from tokenizers import Tokenizer

from emoscribe import catalog
from emoscribe.corrections import Correction, corrections_jsonl
from emoscribe.evaluation.calibrate import fit_thresholds
from emoscribe.evaluation.corpora import corpus_of, load
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.labels import LABELS
from emoscribe.scoring import Floats
from emoscribe.settings import load_settings
from emoscribe.training.network import EmotionNetwork
from emoscribe.training.options import CorpusShare, PrepareOptions, TrainOptions
from emoscribe.training.prepare import Inputs, Models, prepare
from emoscribe.training.rows import Row, read_rows
from emoscribe.training.train import Trainer, _padded
from tests.bench.output import save
from tests.conftest import ROOT
from tests.fakes import FakeTranslator

DATA = ROOT.parent / "shared" / "data"
DOMAIN = "brighter-eng"
CORPORA = ("goemotions", "xed")
SCORED = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1200, help="of each corpus")
    parser.add_argument("--corrections", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--frozen-layers", type=int, default=0, help="to be done sooner; of six")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--domain", default=DOMAIN, help="corpus that the corrections are from")
    parser.add_argument("--write", type=Path, help="write the corrections there, and train nothing")
    chosen = parser.parse_args()
    if chosen.write:
        _write_corrections(chosen.write, chosen.corrections, chosen.domain)
        return
    torch.set_num_threads(chosen.threads)
    encoder = catalog.locate("minilm-l6", load_settings().models_dir)
    options = TrainOptions(
        epochs=chosen.epochs,
        batch_rows=32,
        average_decay=0.98,
        warmup_steps=20,
        frozen_layers=chosen.frozen_layers,
    )
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        file = _write_corrections(work / "corrections.jsonl", chosen.corrections)
        plain, added = (_rows(work / name, chosen.rows, files) for name, files in (("a", ()), ("b", (file,))))
        corrected = [row for row in added if row not in set(plain)]
        alone = [*corrected, next(row for row in plain if row.corpus == "goemotions")]  # weights know both corpora
        figures: dict[str, object] = {"rows": len(plain), "corrections": len(set(corrected))}
        runs = {"before": (plain, options), "added": (added, options)}
        runs["alone"] = (alone, replace(options, starts_from=str(work / "before" / "weights.safetensors")))
        for name, (rows, how) in runs.items():
            figures[name] = _scores(_trained(rows, how, encoder, work / name), encoder)
            print(name, figures[name], flush=True)
    save("corrections_learning", figures)


def _write_corrections(path: Path, count: int, domain: str = DOMAIN) -> Path:
    corrections = [
        Correction(
            analysis_id=f"analysis-{number // 50}",
            source="texts.txt",
            segment_index=number % 50,
            start_ms=0,
            end_ms=0,
            language="en",
            text=one.text,
            text_en=one.text,
            model="none@0",
            model_label=None,
            label=min(one.labels, key=LABELS.index),
            mixed=tuple(sorted(one.labels, key=LABELS.index)[1:]),
            reviewer="corpus",
            corrected_at=datetime(2026, 1, 1, tzinfo=UTC),
            may_train=number % 5 > 0,
        )
        for number, one in enumerate(load(domain, "train", DATA)[: count * 5 // 4])
    ]
    path.write_bytes(corrections_jsonl(corrections))
    return path


def _rows(out: Path, count: int, corrections: tuple[Path, ...]) -> list[Row]:
    options = PrepareOptions(rows=count, corpora={name: CorpusShare() for name in CORPORA}, held_out=(*CORPORA, DOMAIN))
    prepare(options, Inputs(DATA, corrections), out, Models(FakeTranslator()), lambda *_: None)
    return list(read_rows(out / "train.jsonl"))


def _trained(rows: Sequence[Row], options: TrainOptions, encoder: Path, out: Path) -> EmotionNetwork:
    trainer = Trainer(options, rows, encoder, out)
    trainer.run(lambda report: print(f"  step {report['step']}, loss {report['loss']:.3f}", flush=True))
    trainer.network.load_state_dict(trainer.average)
    return trainer.network.eval()


def _scores(network: EmotionNetwork, encoder: Path) -> dict[str, dict[str, float]]:
    figures = {}
    for name in (DOMAIN, *CORPORA):
        examples = load(name, "dev", DATA)[:SCORED]
        gold, logits = gold_of(examples), _logits(network, encoder, examples)
        known = [k for k, label in enumerate(LABELS) if label in corpus_of(name).labels and gold[:, k].any()]
        figures[name] = {
            "macro-F1": round(_macro_f1(logits, gold, known), 3),
            "average precision": round(float(average_precision_score(gold[:, known], logits[:, known])), 3),
        }
    return figures


def _macro_f1(logits: Floats, gold: npt.NDArray[np.bool_], known: list[int]) -> float:
    above = np.zeros(gold.shape, bool)
    for fitted, scored in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        above[scored] = expit(logits[scored]) >= fit_thresholds(logits[fitted], gold[fitted])
    return float(f1_score(gold[:, known], above[:, known], average="macro", zero_division=0.0))


def _logits(network: EmotionNetwork, encoder: Path, examples: Sequence[Example]) -> Floats:
    """(n, 7), of the common head."""
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(96)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch([one.text for one in examples])]
    logits = np.zeros((len(tokens), len(LABELS)))
    order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
    for start in range(0, len(order), 32):
        places = order[start : start + 32]
        with torch.inference_mode():
            logits[places] = network(*_padded([tokens[place] for place in places])).numpy()
    return logits


if __name__ == "__main__":
    main()
