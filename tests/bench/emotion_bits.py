"""What fewer bits for the weights cost: size, macro-F1, ECE, logits, and speed, of one exported run.

    python -m tests.bench.emotion_bits RUN/model/fp32 [--rows 400] [--precisions 8,0,32 8,0,8 4,2,32]

RUN is a folder of `emoscribe train`; each precision is bits of the word vectors, number of layers in 4 bits, bits of
activations. Texts: dev of XED and of GoEmotions, `--rows` of each; ranges of activations come from XED's. Every file is
judged with thresholds and choice fitted to its own logits on the same texts, as the export does it. Speed: texts a
second of processor time on one thread, one text a call and all in one; how long the file takes to load; how much memory
the process has more with it than without.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import onnx

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.scoring import Floats
from emoscribe.training.export import make_small
from emoscribe.training.fidelity import INFO, cost, logits_of, quality
from emoscribe.training.fitting import fit
from emoscribe.training.onnx_files import write_metadata
from emoscribe.training.options import ExportOptions
from emoscribe.types import EmotionRequest
from tests.bench.output import save
from tests.conftest import ROOT

CORPORA = ("xed", "goemotions")
TIMED = 256  # texts
MEMORY = """
import sys
from pathlib import Path
from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.training.fidelity import INFO
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
import onnxruntime
before = resident()
classifier = EmotionClassifier(Path(sys.argv[1]), INFO, ClassifierOptions(device="cpu", threads=1))
print(resident() - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fp32", type=Path)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--precisions", nargs="+", default=["8,0,32", "8,0,8", "4,0,32", "4,2,32"])
    chosen = parser.parse_args()
    data = {name: load(name, "dev", ROOT.parent / "shared" / "data")[: chosen.rows] for name in CORPORA}
    figures: dict[str, object] = {}
    exact = {name: logits_of(chosen.fp32, examples) for name, examples in data.items()}
    figures["fp32"] = _about(chosen.fp32)
    print("fp32", figures["fp32"], flush=True)
    for precision in chosen.precisions:
        word_bits, layers, activation_bits = map(int, precision.split(","))
        options = ExportOptions(word_bits=word_bits, four_bit_layers=layers, activation_bits=activation_bits)
        with tempfile.TemporaryDirectory() as folder:
            small = Path(folder)
            (small / "tokenizer.json").write_bytes((chosen.fp32 / "tokenizer.json").read_bytes())
            make_small(chosen.fp32, small, options, data["xed"])
            metadata = {one.key: one.value for one in onnx.load(chosen.fp32 / "model.onnx").metadata_props}
            write_metadata(small / "model.onnx", metadata | {"activation_bits": options.activation_bits})
            costs = {name: _cost(exact[name], small, examples) for name, examples in data.items()}
            figures[precision] = _about(small) | costs
        print(precision, figures[precision], flush=True)
    save("emotion_bits", figures)


def _cost(exact: Floats, small: Path, examples: list[Example]) -> dict[str, object]:
    gold = gold_of(examples)
    outcomes = [
        (logits, quality(logits, gold, fit(logits, gold, ExportOptions())))
        for logits in (exact, logits_of(small, examples))
    ]
    return cost(*outcomes).plain()


def _about(folder: Path) -> dict[str, object]:
    start = time.perf_counter()
    classifier = EmotionClassifier(folder, INFO, ClassifierOptions(device="cpu", threads=1))
    load_s = time.perf_counter() - start
    texts = [one.text for one in load("xed", "dev", ROOT.parent / "shared" / "data")[:TIMED]]
    requests = [EmotionRequest(text) for text in texts]
    start = time.process_time()
    for request in requests:
        classifier.classify([request])
    alone_s = time.process_time() - start
    start = time.process_time()
    classifier.classify(requests)
    together_s = time.process_time() - start
    memory = subprocess.run(  # this Python
        [sys.executable, "-c", MEMORY, str(folder)], check=True, capture_output=True, text=True
    )
    return {
        "MB": round((folder / "model.onnx").stat().st_size / 1e6, 1),
        "load s": round(load_s, 1),
        "memory MB": round(int(memory.stdout.split()[-1]) / 1e6),
        "texts a CPU second, one a call": round(TIMED / alone_s, 1),
        "all in one": round(TIMED / together_s, 1),
    }


if __name__ == "__main__":
    main()
