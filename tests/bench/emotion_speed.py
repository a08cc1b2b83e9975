"""Texts a second of a classifier against its network in PyTorch fp32, on the same cores; and what explaining costs.

    python -m tests.bench.emotion_speed [--model FOLDER] [--encoder minilm-l6] [--rounds 5] [--threads 2]

Counted on both sides, on the clock: from 32 strings to the logits of each, tokens included. PyTorch, as such models are
commonly run: all 32 padded to the longest, `torch.inference_mode`, the encoder with pooling and a head of seven (random
values: they cost the same). Ours: `EmotionClassifier.classify`, as the program asks it, 32 at a time.

Texts: film lines (XED, drawn at random), in the order drawn, so that short ones share a batch with long ones; the same
sorted by length first, which spares PyTorch nearly all its padding; and cut to one length. Each round runs both in
turns; the ratio is of one round, the figure the median of the rounds.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from emoscribe import catalog
from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.evaluation.corpora import load
from emoscribe.settings import load_settings
from emoscribe.types import EmotionRequest, ModelInfo
from tests.bench.explanation_faithfulness import cost
from tests.bench.output import save
from tests.conftest import ROOT

INFO = ModelInfo(role="emotion", name="emotion", version="", sha256="", license="Apache-2.0")
BATCH = 32
BATCHES = 6
WORDS = (5, 12, 30)
Judge = Callable[[Sequence[str]], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "emotion")
    parser.add_argument("--encoder", default="minilm-l6", help="of the model, by its name in the catalogue")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    classifier = EmotionClassifier(chosen.model, INFO, ClassifierOptions(device="cpu", threads=chosen.threads))
    torch_judge = _torch(catalog.locate(chosen.encoder, load_settings().models_dir), chosen.threads)

    def ours(texts: Sequence[str]) -> object:
        return classifier.classify([EmotionRequest(text) for text in texts])

    figures: dict[str, object] = {"model": str(chosen.model), "encoder": chosen.encoder}
    for name, texts in _sets().items():
        figures[name] = _compare(texts, ours, torch_judge, chosen.rounds)
        print(name, figures[name], flush=True)
    figures["an explanation, in classifications, by words"] = cost(classifier)
    print(figures["an explanation, in classifications, by words"])
    save(f"emotion_speed_{chosen.encoder}", figures)


def _sets() -> dict[str, list[str]]:
    lines = [one.text for one in load("xed", "train", ROOT.parent / "shared" / "data")]
    random.Random(1).shuffle(lines)
    drawn = lines[: BATCH * BATCHES]
    words = " ".join(lines[BATCH * BATCHES :][:2000]).split()
    cut = {
        f"{length} words each": [" ".join(words[k * length : (k + 1) * length]) for k in range(BATCH * 2)]
        for length in WORDS
    }
    return {"as they come": drawn, "sorted by length": sorted(drawn, key=len), **cut}


def _compare(texts: Sequence[str], ours: Judge, other: Judge, rounds: int) -> dict[str, object]:
    speeds = [(_texts_a_second(ours, texts), _texts_a_second(other, texts)) for _ in range(rounds + 1)]
    del speeds[0]  # it warms up
    ratios = [mine / theirs for mine, theirs in speeds]
    return {
        "ours": round(statistics.median(mine for mine, _ in speeds), 1),
        "PyTorch": round(statistics.median(theirs for _, theirs in speeds), 1),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }


def _texts_a_second(judge: Judge, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    for first in range(0, len(texts), BATCH):
        judge(texts[first : first + BATCH])
    return len(texts) / (time.perf_counter() - start)


def _torch(encoder: Path, threads: int) -> Judge:
    """The network of the encoder, in PyTorch, with 32-bit weights."""
    import torch
    from tokenizers import Tokenizer

    from emoscribe.training.network import EmotionNetwork, load_encoder
    from emoscribe.training.train import separator_of

    torch.set_num_threads(threads)
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_padding()
    network = EmotionNetwork(load_encoder(encoder), separator_of(tokenizer), ["xed"]).eval()
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding()

    def judge(texts: Sequence[str]) -> object:
        encodings = tokenizer.encode_batch(list(texts))
        ids, mask = (torch.tensor([getattr(one, name) for one in encodings]) for name in ("ids", "attention_mask"))
        with torch.inference_mode():
            return network(ids, mask)

    return judge


if __name__ == "__main__":
    main()
