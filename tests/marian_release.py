"""A small OPUS-MT release with random weights: everything a real one has, in a hundredth of the size.

The network is a Marian transformer of one layer each way; its vocabulary is trained on the sentences below.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SENTENCES = (
    "Ik ben vandaag heel erg blij met het mooie weer.",
    "De man was boos omdat zijn fiets gestolen was.",
    "Wat een verrassing, dat had ik nooit gedacht!",
    "Zij huilde toen zij het droevige nieuws hoorde.",
    "I am very happy with the beautiful weather today.",
    "The man was angry because his bicycle was stolen.",
    "What a surprise, I would never have thought that!",
    "She cried when she heard the sad news.",
)
WIDTH, INNER, HEADS = 16, 32, 2

CONFIG = f"""\
type: transformer
enc-depth: 1
dec-depth: 1
transformer-heads: {HEADS}
transformer-ffn-activation: swish
transformer-preprocess: ""
transformer-postprocess: dan
transformer-postprocess-emb: d
transformer-decoder-autoreg: self-attention
transformer-no-projection: false
transformer-guided-alignment-layer: last
"""


def make_release(folder: Path, seed: int = 1) -> Path:
    """`decoder.yml`, `model.npz`, `vocab.yml`, `source.spm`, `target.spm`."""
    folder.mkdir(parents=True)
    pieces = _train_vocabulary(folder)
    tokens = ["</s>", "<unk>", *pieces, "<pad>"]
    lines = [f'"{token}": {number}' for number, token in enumerate(tokens)]
    (folder / "vocab.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "decoder.yml").write_text("models:\n  - model.npz\nvocabs:\n  - vocab.yml\n  - vocab.yml\n")
    weights: dict[str, Any] = _weights(len(tokens), np.random.default_rng(seed))
    np.savez(folder / "model.npz", **weights)
    return folder


def _train_vocabulary(folder: Path) -> list[str]:
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        vocab_size=120,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(model.getvalue())
    processor = SentencePieceProcessor(model_proto=model.getvalue())
    special = {"<unk>", "<s>", "</s>"}
    pieces = (processor.id_to_piece(number) for number in range(processor.vocab_size()))
    return [piece for piece in pieces if piece not in special and '"' not in piece]


def _weights(size: int, random: np.random.Generator) -> dict[str, Any]:
    weights: dict[str, Any] = {
        "special:model.yml": np.frombuffer(CONFIG.encode() + b"\0", np.int8),
        "Wemb": _normal(random, size, WIDTH),
        "decoder_ff_logit_out_b": np.zeros((1, size), np.float32),
    }
    attentions = ("encoder_l1_self", "decoder_l1_self", "decoder_l1_context")
    for scope in attentions:
        for letter in "qkvo":
            weights[f"{scope}_W{letter}"] = _normal(random, WIDTH, WIDTH)
            weights[f"{scope}_b{letter}"] = np.zeros((1, WIDTH), np.float32)
    for scope in ("encoder_l1_ffn", "decoder_l1_ffn"):
        weights |= {f"{scope}_W1": _normal(random, WIDTH, INNER), f"{scope}_W2": _normal(random, INNER, WIDTH)}
        weights |= {f"{scope}_b1": np.zeros((1, INNER), np.float32), f"{scope}_b2": np.zeros((1, WIDTH), np.float32)}
    for scope in (*(f"{a}_Wo" for a in attentions), "encoder_l1_ffn_ffn", "decoder_l1_ffn_ffn"):
        weights |= {f"{scope}_ln_scale": np.ones((1, WIDTH), np.float32)}
        weights |= {f"{scope}_ln_bias": np.zeros((1, WIDTH), np.float32)}
    return weights


def _normal(random: np.random.Generator, rows: int, columns: int) -> npt.NDArray[np.float32]:
    return random.normal(0, 0.5, (rows, columns)).astype(np.float32)
