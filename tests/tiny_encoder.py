"""A BERT or MPNet of two thin layers with random weights and a real word list: all a base encoder has, in 100 kB."""

import string
from pathlib import Path
from typing import Any, Final

WORDS = [
    "the",
    "a",
    "i",
    "you",
    "is",
    "am",
    "love",
    "hate",
    "fear",
    "so",
    "what",
    "happy",
    "sad",
    "angry",
    "it",
    "this",
]


UNKNOWN: Final = "[UNK]"
SIZES: Final[dict[str, Any]] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 160,
}


def make_encoder(folder: Path) -> Path:
    """Write config.json, model.safetensors and tokenizer.json of a BERT."""
    import torch
    from transformers import BertConfig, BertModel

    words = _write_tokenizer(
        folder, ["[PAD]", UNKNOWN, "[CLS]", "[SEP]"], "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"
    )
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=words, **SIZES), add_pooling_layer=False).save_pretrained(folder)
    return folder


def make_mpnet(folder: Path) -> Path:
    """The same of an MPNet: padding is 1, two separators stand before the context, there are no token types.

    Its word list holds a "[SEP]" that no sequence has, as that of the real one does.
    """
    import torch
    from transformers import MPNetConfig, MPNetModel

    words = _write_tokenizer(
        folder, ["<s>", "<pad>", "</s>", UNKNOWN, "[SEP]"], "<s> $A </s>", "<s> $A </s> </s> $B </s>"
    )
    torch.manual_seed(0)
    MPNetModel(MPNetConfig(vocab_size=words, **SIZES), add_pooling_layer=False).save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path, special: list[str], single: str, pair: str) -> int:
    """Returns how many words it knows."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = [*string.ascii_lowercase, *string.digits, *".,!?'"]
    tokens = [*special, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(token, vocabulary[token]) for token in special]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(vocabulary)
