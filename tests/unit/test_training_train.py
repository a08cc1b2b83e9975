"""Learning, with a tiny encoder: repeatable, resumable, and it learns."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS
from emoscribe.training.options import TrainOptions
from emoscribe.training.rows import Row, read_rows, write_rows
from tests.tiny_encoder import make_encoder, make_mpnet

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("transformers", reason="training needs the extra `train`")

OPTIONS = TrainOptions(
    epochs=4, batch_rows=8, learning_rate=3e-3, frozen_embeddings=False, max_tokens=24, checkpoint_steps=5, dropout=0.1
)
TEXTS = {"happiness": "i am so happy", "sadness": "this is so sad", "anger": "i hate it", "fear": "i fear you"}


def rows() -> list[Row]:
    return [
        Row(f"{text}{end}", tuple(int(one == label) for one in LABELS), (1,) * 7, corpus)
        for corpus in ("reddit", "film")
        for label, text in TEXTS.items()
        for end in (".", "!", "?", " .", " !")
    ]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


def train(encoder: Path, out: Path, options: TrainOptions = OPTIONS, stop_at: int = 0) -> list[dict[str, Any]]:
    """The reports; `stop_at`: the step at which the power fails."""
    from emoscribe.training.train import Trainer

    class PowerCutError(Exception):
        pass

    class Failing(Trainer):
        def _learn(self, batch: Any) -> float:
            if stop_at and self.step == stop_at:
                raise PowerCutError
            return super()._learn(batch)

    reports: list[dict[str, Any]] = []
    try:
        Failing(options, rows(), encoder, out).run(reports.append)
    except PowerCutError:
        assert not (out / "training.json").exists()
    return reports


def weights(out: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(out / "weights.safetensors"))


def test_the_same_seed_gives_the_same_weights_and_another_one_others(encoder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(encoder, tmp_path / name, replace(OPTIONS, seed=seed))
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["head.weight"], c["head.weight"])


def test_a_run_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(encoder: Path, tmp_path: Path) -> None:
    train(encoder, tmp_path / "whole")
    train(encoder, tmp_path / "cut", stop_at=13)
    train(encoder, tmp_path / "cut")
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert max(float((whole[name].float() - cut[name].float()).abs().max()) for name in whole) < 1e-5


def test_products_of_16_bits_learn_the_same_and_weights_keep_32(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emoscribe.training.train._has_bfloat16", lambda device: True)
    losses = {}
    for precision, wanted in (("bfloat16", True), ("float32", False)):
        losses[precision] = train(encoder, tmp_path / precision, replace(OPTIONS, bfloat16=wanted))[-1]["loss"]
        assert json.loads((tmp_path / precision / "training.json").read_text())["precision"] == precision
        assert {str(tensor.dtype) for tensor in weights(tmp_path / precision).values()} == {"torch.float32"}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
    assert losses["bfloat16"] != losses["float32"]


def test_a_checkpoint_of_other_options_is_refused(encoder: Path, tmp_path: Path) -> None:
    train(encoder, tmp_path, stop_at=13)
    with pytest.raises(ValueError, match="other options"):
        train(encoder, tmp_path, replace(OPTIONS, epochs=5))


def test_how_long_a_run_is_may_be_decided_under_way(encoder: Path, tmp_path: Path) -> None:
    shorter = replace(OPTIONS, steps=15, warmup_steps=1, decay_steps=4)
    longer = replace(shorter, steps=20)
    train(encoder, tmp_path / "whole", shorter)
    train(encoder, tmp_path / "cut", longer, stop_at=11)
    reports = train(encoder, tmp_path / "cut", shorter)
    assert reports[-1]["step"] == reports[-1]["steps"] == 15
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert max(float((whole[name].float() - cut[name].float()).abs().max()) for name in whole) < 1e-5


@pytest.mark.parametrize(("first", "then"), [(12, 20), (20, 12)])
def test_a_run_whose_learning_rate_has_begun_to_fall_cannot_become_another(
    encoder: Path, tmp_path: Path, first: int, then: int
) -> None:
    options = replace(OPTIONS, warmup_steps=1, decay_steps=4)  # 12 steps: down from step 8 on; 20: from step 16 on
    train(encoder, tmp_path, replace(options, steps=first), stop_at=11)  # the checkpoint is of step 10
    with pytest.raises(ValueError, match="other options"):
        train(encoder, tmp_path, replace(options, steps=then))


def test_the_learning_rate_rises_stays_and_falls() -> None:
    from emoscribe.training.train import _schedule

    options = TrainOptions(warmup_steps=10, decay_steps=20)
    shares = [_schedule(step, 100, options) for step in range(100)]
    assert shares[:10] == sorted(shares[:10])
    assert shares[0] > 0
    assert set(shares[10:81]) == {1.0}
    assert shares[80:] == sorted(shares[80:], reverse=True)
    assert 0 < shares[-1] <= 0.05


def test_it_learns_what_the_rows_say(encoder: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    from emoscribe.training.network import EmotionNetwork, load_encoder
    from emoscribe.training.train import separator_of

    train(encoder, tmp_path, replace(OPTIONS, epochs=30, average_decay=0.9))
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    record = json.loads((tmp_path / "training.json").read_text())
    network = EmotionNetwork(load_encoder(encoder), separator_of(tokenizer), record["corpora"])
    network.load_state_dict(weights(tmp_path))
    network.eval()
    for label, text in TEXTS.items():
        ids = torch.tensor([tokenizer.encode(text).ids])
        assert LABELS[int(network(ids, torch.ones_like(ids)).argmax())] == label
    assert record["rows"] == len(rows())


def test_a_student_learns_from_a_teacher_alone_what_no_label_says(encoder: Path, tmp_path: Path) -> None:
    from emoscribe.training.train import Trainer

    options = replace(OPTIONS, epochs=30, average_decay=0.9, teacher_share=0.5, teacher_speaks_as="film")
    soft = [
        replace(row, labels=(0,) * 7, known=(0,) * 7, soft=tuple(0.9 if flag else 0.05 for flag in row.labels))
        for row in rows()
    ]
    trainer = Trainer(options, soft, encoder, tmp_path)
    trainer.run(lambda _: None)
    network = trainer.network.eval()
    film = torch.tensor([trainer.corpora.index("film")])
    for label, text in TEXTS.items():
        ids = torch.tensor([trainer.tokenizer.encode(text).ids])
        with torch.no_grad():
            chances = network.for_corpora(network(ids, torch.ones_like(ids)), film).sigmoid()[0]
        assert LABELS[int(chances.argmax())] == label
        assert float(chances.max()) == pytest.approx(0.9, abs=0.12)


def test_a_run_asks_the_teacher_that_its_configuration_names(tmp_path: Path) -> None:
    from emoscribe.settings import load_settings
    from emoscribe.training.run import TrainingRun

    for name, content in (("taught", '[prepare]\nteacher = "emotion"'), ("alone", "")):
        (tmp_path / f"{name}.toml").write_text(content)
        run = TrainingRun(str(tmp_path / f"{name}.toml"), tmp_path, tmp_path, (), load_settings())
        teacher = run._teacher()
        if name == "alone":
            assert teacher is None
            continue
        assert teacher is not None
        [row] = teacher([Row("I hate you!", (0,) * 7, (0,) * 7, "xed")])
        assert LABELS[row.soft.index(max(row.soft))] == "anger"


def test_without_a_share_a_teachers_opinion_changes_nothing(encoder: Path, tmp_path: Path) -> None:
    from emoscribe.training.losses import Losses
    from emoscribe.training.network import EmotionNetwork, load_encoder

    network = EmotionNetwork(load_encoder(encoder), 3, ["film", "reddit"])
    logits = torch.randn(8, 7)
    labelled = rows()[:8]
    taught = [replace(row, soft=(0.5,) * 7) for row in labelled]
    found = {}
    for share in (0.0, 0.5):
        losses = Losses(
            replace(OPTIONS, teacher_share=share, teacher_speaks_as="film"), labelled, network.corpora, "cpu"
        )
        for kind, batch in (("labelled", labelled), ("taught", taught)):
            found[share, kind] = losses.of(logits, batch, network).item()
    assert found[0.0, "taught"] == found[0.0, "labelled"] == found[0.5, "labelled"]
    assert found[0.5, "taught"] != found[0.0, "taught"]


def test_a_row_without_an_opinion_counts_as_much_beside_rows_that_have_one(encoder: Path) -> None:
    from emoscribe.training.losses import Losses
    from emoscribe.training.network import EmotionNetwork, load_encoder

    network = EmotionNetwork(load_encoder(encoder), 3, ["film", "reddit"])
    logits = torch.randn(8, 7)
    labelled = rows()[:8]
    mixed = [replace(row, soft=(0.5,) * 7) if place % 2 else row for place, row in enumerate(labelled)]
    losses = Losses(replace(OPTIONS, teacher_share=0.7, teacher_speaks_as="film"), labelled, network.corpora, "cpu")
    own, taught = (losses.of(logits[start::2], mixed[start::2], network).item() for start in (0, 1))
    assert own == losses.of(logits[::2], labelled[::2], network).item()
    assert losses.of(logits, mixed, network).item() == pytest.approx((own + taught) / 2)


def test_a_label_that_a_corpus_does_not_know_is_not_learnt_from(encoder: Path, tmp_path: Path) -> None:
    from emoscribe.training.train import Trainer

    known = tuple(int(label != "disgust") for label in LABELS)
    trainer = Trainer(OPTIONS, [replace(row, known=known) for row in rows()], encoder, tmp_path)
    trainer._learn(next(iter(trainer._epoch(0, 0))))
    gradient = trainer.network.head.bias.grad
    assert gradient is not None
    assert [float(one) == 0 for one in gradient] == [label == "disgust" for label in LABELS]


@pytest.mark.parametrize("make", [make_encoder, make_mpnet])
def test_frozen_layers_keep_their_values_and_the_others_learn(make: Callable[[Path], Path], tmp_path: Path) -> None:
    from emoscribe.training.network import load_encoder
    from emoscribe.training.train import Trainer

    encoder = make(tmp_path / "encoder")
    options = replace(OPTIONS, frozen_layers=1, epochs=1)
    trainer = Trainer(options, rows(), encoder, tmp_path / "out")
    trainer.run(lambda _: None)
    before, after = load_encoder(encoder).state_dict(), trainer.network.encoder.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("encoder.layer.1.") for name in changed)


@pytest.mark.parametrize("make", [make_encoder, make_mpnet])
def test_frozen_layers_record_nothing_for_a_backward_pass_and_drop_nothing(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    from emoscribe.training.network import EmotionNetwork, load_encoder

    network = EmotionNetwork(load_encoder(make(tmp_path)), 3, ["film"])
    network.freeze(1)
    network.train()
    states: list[Any] = []
    for layer in network.encoder.encoder.layer:
        layer.register_forward_hook(lambda _module, _given, out: states.append(out[0]))
    ids = torch.tensor([[2, 10, 11, 3]])
    for _ in range(2):
        network(ids, torch.ones_like(ids))
    assert [one.requires_grad for one in states] == [False, True, False, True]
    assert torch.equal(states[0], states[2])
    assert not torch.equal(states[1], states[3])


def test_more_layers_than_there_are_cannot_be_frozen(encoder: Path, tmp_path: Path) -> None:
    from emoscribe.training.train import Trainer

    with pytest.raises(InvalidRequestError, match="3 layers"):
        Trainer(replace(OPTIONS, frozen_layers=3), rows(), encoder, tmp_path)


def test_corpora_have_a_scale_and_a_bias_unless_all_are_one(encoder: Path, tmp_path: Path) -> None:
    for name, corpus_scales in (("own", True), ("one", False)):
        train(encoder, tmp_path / name, replace(OPTIONS, corpus_scales=corpus_scales))
        found = weights(tmp_path / name)
        assert (found["log_scale"].abs().max() > 0) == corpus_scales
        assert (found["bias"].abs().max() > 0) == corpus_scales


def test_one_corpus_can_speak_for_the_model(encoder: Path) -> None:
    from emoscribe.training.network import EmotionNetwork, load_encoder

    network = EmotionNetwork(load_encoder(encoder), 3, ["film", "reddit"]).eval()
    with torch.no_grad():
        network.log_scale.normal_()
        network.bias.normal_()
        ids = torch.tensor([[2, 10, 11, 3]])
        mask, film, reddit = torch.ones_like(ids), torch.tensor([0]), torch.tensor([1])
        as_film, as_reddit = (network.for_corpora(network(ids, mask), corpus) for corpus in (film, reddit))
        network.speaking_as("film")
        assert torch.allclose(network(ids, mask), as_film, atol=1e-5)
        assert torch.allclose(network.for_corpora(network(ids, mask), reddit), as_reddit, atol=1e-5)


@pytest.mark.parametrize("make", [make_encoder, make_mpnet])
def test_padding_and_neighbours_change_nothing_and_context_does_by_attention_only(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    from tokenizers import Tokenizer

    from emoscribe.training.network import EmotionNetwork, load_encoder
    from emoscribe.training.train import _padded, separator_of

    encoder = make(tmp_path)
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    network = EmotionNetwork(load_encoder(encoder), separator_of(tokenizer), ["film"]).eval()
    pooled: list[Any] = []
    network.dropout.register_forward_hook(lambda _module, given, _out: pooled.append(given[0]))
    alone, pair = tokenizer.encode("i love you"), tokenizer.encode("i love you", "what is it?")
    ids, mask = _padded([alone.ids, pair.ids])
    states: list[Any] = []
    network.encoder.register_forward_hook(lambda _module, _given, out: states.append(out.last_hidden_state))
    with torch.no_grad():
        expected = network(*_padded([alone.ids]))[0]
        got = network(ids, mask)
    assert torch.allclose(got[0], expected, atol=1e-5)
    assert not torch.allclose(got[1], expected, atol=1e-4)
    assert torch.allclose(pooled[-1][1, :, 0], states[-1][1, : len(alone.ids)].mean(0), atol=1e-5)


@pytest.mark.parametrize(("alone_share", "texts"), [(0.0, {"before\nthat"}), (0.5, {"", "before\nthat"}), (1.0, {""})])
def test_a_row_with_a_context_is_learnt_with_and_without_it(
    tmp_path: Path, encoder: Path, alone_share: float, texts: set[str]
) -> None:
    from emoscribe.training.train import Trainer

    row = replace(rows()[0], context="before\nthat")
    options = TrainOptions(alone_share=alone_share, heard_share=0.0, split_share=1.0, stray_context_share=1.0)
    trainer = Trainer(options, [row], encoder, tmp_path)
    chance = random.Random(1)
    assert {trainer._pair(row, chance, rows()[1]) for _ in range(50)} == {(row.text, context) for context in texts}


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = [replace(row, context="before\nthat", variants=("x", "ü")) for row in rows()]
    assert write_rows(tmp_path / "rows.jsonl", written) == len(written)
    assert list(read_rows(tmp_path / "rows.jsonl")) == written
