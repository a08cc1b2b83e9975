import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from emoscribe.engines.seq2seq import Seq2SeqEngine, Seq2SeqOptions
from emoscribe.errors import ModelError, ModelIntegrityError
from tests.marian_release import SENTENCES

TEXTS = [*SENTENCES, "Ik.", "Wat een mooie dag!"]
SMALL: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 300,
    "init_std": 0.5,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def require_transformers() -> None:
    """The extra is optional for users, so its tests are skipped where it is not installed; CI installs it."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def marian_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Marian model of one layer with random weights and a tokenizer trained on a few sentences."""
    require_transformers()
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("marian")
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150,
        special_tokens=SPECIAL,
        unk_token=SPECIAL[3],
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    make: Any = PreTrainedTokenizerFast
    fast = make(tokenizer_object=tokenizer, model_max_length=64, **names)
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    MarianMTModel(MarianConfig(vocab_size=len(fast), forced_eos_token_id=2, **SMALL)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def nllb_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for many languages: NLLB's tokenizer and network, letters as vocabulary."""
    require_transformers()
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    folder = tmp_path_factory.mktemp("nllb")
    letters = sorted({letter for sentence in SENTENCES for letter in sentence if letter != " "})
    tokenizer = NllbTokenizer(vocab={token: n for n, token in enumerate([*SPECIAL, "▁", *letters])}, merges=[])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), **SMALL))
    network: Any = model.model
    with torch.no_grad():  # letters, not the 200 languages, are the likely answers, and the source matters
        network.shared.weight[len(SPECIAL) + 1 + len(letters) :] *= 0.3
        network.decoder.layers[0].encoder_attn.out_proj.weight *= 10
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def engine(marian_dir: Path) -> Seq2SeqEngine:
    return Seq2SeqEngine(marian_dir, Seq2SeqOptions(beam_size=2, batch_size=4, max_tokens=12))


def test_one_answer_for_each_sentence_in_order_the_same_every_time(engine: Seq2SeqEngine) -> None:
    english = engine.translate(TEXTS)
    assert len(english) == len(TEXTS)
    assert len(set(english)) > len(TEXTS) // 2  # the source matters
    assert engine.translate(TEXTS[::-1]) == english[::-1]
    assert engine.translate([]) == []


def test_a_sentence_does_not_depend_on_its_batch(engine: Seq2SeqEngine) -> None:
    assert [engine.translate([text])[0] for text in TEXTS] == engine.translate(TEXTS)


def test_threads_share_an_engine(engine: Seq2SeqEngine) -> None:
    alone = engine.translate(TEXTS[:4])
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: engine.translate(TEXTS[:4]), range(8))) == [alone] * 8


def test_a_model_of_many_languages_is_told_which(nllb_dir: Path) -> None:
    def english(source: str, target: str) -> list[str]:
        return Seq2SeqEngine(nllb_dir, Seq2SeqOptions(source, target, beam_size=1, max_tokens=5)).translate(TEXTS)

    dutch = english("nld_Latn", "eng_Latn")
    assert any(dutch)
    assert dutch == english("nld_Latn", "eng_Latn")
    assert dutch != english("nld_Latn", "fra_Latn")
    assert dutch != english("jpn_Jpan", "eng_Latn")


def test_an_unknown_target_is_refused(nllb_dir: Path) -> None:
    with pytest.raises(ModelIntegrityError, match="klingon"):
        Seq2SeqEngine(nllb_dir, Seq2SeqOptions("nld_Latn", "klingon"))


def test_pickled_weights_are_refused(marian_dir: Path, tmp_path: Path) -> None:
    import torch

    for file in marian_dir.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelIntegrityError, match="safetensors"):
        Seq2SeqEngine(tmp_path)


def test_a_damaged_model_is_refused(marian_dir: Path, tmp_path: Path) -> None:
    for file in marian_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelIntegrityError):
        Seq2SeqEngine(tmp_path)


def test_without_the_extra_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError) as caught:
        Seq2SeqEngine(tmp_path)
    assert "torch" in caught.value.message
    assert "emoscribe[transformers]" in caught.value.fix
