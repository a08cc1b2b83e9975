import json
import logging
import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe import emotion
from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.encoding import Encoded
from emoscribe.errors import EmoScribeError, InvalidRequestError, ModelIntegrityError, StageError
from emoscribe.labels import LABELS
from emoscribe.processor import has_integer_products
from emoscribe.scoring import ModelCard
from emoscribe.types import EmotionRequest, EmotionScores, ModelInfo
from tests.conftest import ROOT
from tests.tiny_classifier import GOOD_METADATA, TOKENIZER, rows, save_classifier

if TYPE_CHECKING:
    from onnxruntime import SessionOptions

INFO = ModelInfo(role="emotion", name="emotion", version="1", sha256="0" * 64, license="Apache-2.0")

TEXTS = [
    "I am so happy for you, congratulations!",
    "I hate you. You ruined everything!",
    "That is disgusting, I feel sick.",
    "I'm terrified of what may happen next.",
    "She died yesterday and I can't stop crying.",
    "Wow, I did not see that coming!",
    "The meeting starts at nine.",
    "No.",
    "?!",
    "I can't believe it, this is the best and the saddest day of my life, " * 8,
]


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    """The bundled model."""
    return EmotionClassifier(ROOT / "models" / "emotion", INFO, ClassifierOptions(device="cpu", threads=2))


@pytest.fixture(scope="module")
def fast() -> EmotionClassifier:
    """The bundled small model, whose layers multiply integers."""
    return EmotionClassifier(ROOT / "models" / "emotion-fast", INFO, ClassifierOptions(device="cpu", threads=2))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> EmotionClassifier:
    """One that does not depend on the batch."""
    folder = save_classifier(tmp_path_factory.mktemp("tiny"), rows())
    return EmotionClassifier(folder, INFO, ClassifierOptions(device="cpu", threads=2, batch_size=3))


def asked(texts: Sequence[str]) -> list[EmotionRequest]:
    return [EmotionRequest(text) for text in texts]


def scored(outcomes: list[EmotionScores | EmoScribeError]) -> list[EmotionScores]:
    assert all(isinstance(outcome, EmotionScores) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, EmotionScores)]


# --- the bundled model ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    list(zip(TEXTS[:7], ["happiness", "anger", "disgust", "fear", "sadness", "surprise", "neutral"], strict=True)),
)
def test_plain_cases(classifier: EmotionClassifier, text: str, label: str) -> None:
    (scores,) = scored(classifier.classify(asked([text])))
    assert scores.label == label
    assert scores.mixed[0] == label


def test_the_bundled_model_does_not_depend_on_its_batch(classifier: EmotionClassifier) -> None:
    alone = np.concatenate([classifier.logits(asked([text])) for text in TEXTS])
    assert np.abs(classifier.logits(asked(TEXTS)) - alone).max() < 1e-4
    assert classifier.card.max_tokens == 128


def test_scores_are_exactly_the_same_whatever_the_batch(classifier: EmotionClassifier) -> None:
    together = classifier.classify(asked(TEXTS))
    assert [classifier.classify(asked([text]))[0] for text in TEXTS] == together
    assert classifier.classify(asked(TEXTS[::-1] * 3)) == together[::-1] * 3


@pytest.mark.parametrize("in_8_bits", [False, True])  # whatever the processor here would choose
@pytest.mark.parametrize("name", ["emotion", "emotion-fast"])
def test_texts_of_one_length_share_a_run_and_no_bit_changes(
    name: str, in_8_bits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ClassifierOptions(device="cpu", threads=1, in_8_bits=in_8_bits)
    model = EmotionClassifier(ROOT / "models" / name, INFO, options)
    lengths = [*range(3, 20), 33] if name == "emotion-fast" else [3, 4, 7, 14]
    chance = np.random.default_rng(1)
    texts = [[Encoded("", (*map(int, chance.integers(1_000, 20_000, n)),), ()) for _ in range(8)] for n in lengths]
    alone = [np.concatenate([model._logits([text]) for text in same]) for same in texts]
    sizes = runs_of(model, monkeypatch)
    for same, expected in zip(texts, alone, strict=True):
        for count in (2, 3, 8):
            got = model._run_all(same[:count], is_padded=False)
            assert np.array_equal(np.array(got), expected[:count])
    assert set(sizes) == {2, 3, 8} if model._is_exact else {1}
    if name == "emotion-fast" or not in_8_bits:  # the kernels of 8-bit blocks (VNNI) may not be exact: then alone
        assert model._is_exact


def test_texts_run_alone_where_a_shared_run_would_change_a_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = EmotionClassifier._logits
    monkeypatch.setattr(EmotionClassifier, "_logits", lambda self, batch: exact(self, batch) + 1e-6 * len(batch))
    model = EmotionClassifier(save_classifier(tmp_path, rows()), INFO, ClassifierOptions(device="cpu", threads=1))
    sizes = runs_of(model, monkeypatch)
    scored(model.classify(asked(["so sad", "so glad", "so bad", "sad"])))
    assert sizes == [1, 1, 1, 1]
    model.logits(asked(["so sad", "so glad", "so bad", "sad"]))  # rounding does not matter there
    assert sizes[4:] == [4]


def runs_of(model: EmotionClassifier, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled with how many texts each run of the model has."""
    sizes: list[int] = []
    run = model._logits
    monkeypatch.setattr(model, "_logits", lambda batch: (sizes.append(len(batch)), run(batch))[1])
    return sizes


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("ab !?'"), min_size=1, max_size=12).map(lambda text: f"no {text}"), max_size=12)
)
def test_company_changes_nothing(fast: EmotionClassifier, texts: list[str]) -> None:
    assert fast.classify(asked(texts)) == [fast.classify(asked([text]))[0] for text in texts]


@pytest.mark.parametrize("in_8_bits", [False, True])  # whatever the processor here would choose
def test_the_small_model_multiplies_integers_on_every_processor(
    in_8_bits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the runtime rewrites the file it opens: six products in each of six layers, no sum fused with what follows."""
    import onnx

    made = emotion._options

    def written_out(*, in_8_bits: bool) -> "SessionOptions":
        options = made(in_8_bits=in_8_bits)
        options.optimized_model_filepath = str(tmp_path / "rewritten.onnx")
        return options

    monkeypatch.setattr(emotion, "_options", written_out)
    options = ClassifierOptions(device="cpu", threads=1, in_8_bits=in_8_bits)
    EmotionClassifier(ROOT / "models" / "emotion-fast", INFO, options).close()
    used = Counter(node.op_type for node in onnx.load(tmp_path / "rewritten.onnx").graph.node)
    assert used["MatMulIntegerToFloat"] == 6 * 6
    assert used["LayerNormalization"] == 1 + 2 * 6
    assert used["SkipLayerNormalization"] == 0


def test_scores_do_not_depend_on_the_number_of_threads(classifier: EmotionClassifier) -> None:
    single = EmotionClassifier(ROOT / "models" / "emotion", INFO, ClassifierOptions(device="cpu", threads=1))
    assert single.classify(asked(TEXTS)) == classifier.classify(asked(TEXTS))


def test_many_callers_at_once(classifier: EmotionClassifier) -> None:
    alone = classifier.classify(asked(TEXTS))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: classifier.classify(asked(TEXTS)), range(8))) == [alone] * 8


def test_what_cannot_be_judged_fails_alone(classifier: EmotionClassifier) -> None:
    bad: list[object] = [None, float("nan"), 5, b"x", "", " \n\t ", "你好吗", "😂🏳️‍🌈", "x" * 10_000]
    mixed = [item for text in bad for item in (text, TEXTS[0])]
    outcomes = classifier.classify(asked(mixed))  # type: ignore[arg-type]  # that is the point
    assert all(isinstance(outcome, InvalidRequestError) for outcome in outcomes[::2])
    assert outcomes[1::2] == classifier.classify(asked([TEXTS[0]])) * len(bad)


def test_small_weights_are_multiplied_as_they_are_or_put_back_to_32_bits() -> None:
    """Both give the same labels, not the same digits; which it is follows the processor."""
    made = {
        in_8_bits: EmotionClassifier(ROOT / "models" / "emotion", INFO, ClassifierOptions("cpu", in_8_bits=in_8_bits))
        for in_8_bits in (True, False, None)
    }
    logits = {how: one.logits(asked(TEXTS)) for how, one in made.items()}
    assert 0 < np.abs(logits[True] - logits[False]).max() < 0.5
    assert (logits[True].argmax(1) == logits[False].argmax(1)).all()
    assert (logits[None] == logits[has_integer_products()]).all()


def test_no_texts_give_no_outcomes(classifier: EmotionClassifier) -> None:
    assert classifier.classify(asked([])) == []


def test_odd_text_is_scored_like_any_other(classifier: EmotionClassifier) -> None:
    scored(classifier.classify(asked(["a\x00b", "\ud800 happy", "happy " * 5000, "<b>no</b>", "I ❤ 你"])))


def test_text_beyond_the_limit_of_tokens_changes_nothing(classifier: EmotionClassifier) -> None:
    long = "sad " * 126  # and [CLS] and [SEP]
    assert classifier.classify(asked([long])) == classifier.classify(asked([long + "but so very happy!"]))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_what_every_result_keeps(classifier: EmotionClassifier, text: str) -> None:
    (outcome,) = classifier.classify(asked([text]))
    if isinstance(outcome, EmoScribeError):
        return
    assert tuple(outcome.scores) == LABELS
    assert all(0 <= score <= 1 for score in outcome.scores.values())
    assert 0 < outcome.confidence <= 1
    assert outcome.is_doubtful == (outcome.confidence < classifier.card.review_below[LABELS.index(outcome.label)])
    thresholds = dict(zip(LABELS, classifier.card.thresholds, strict=True))
    assert set(outcome.mixed) == {label for label in LABELS if outcome.scores[label] >= thresholds[label]}
    assert list(outcome.mixed) == sorted(outcome.mixed, key=lambda label: -outcome.scores[label])


@pytest.mark.shared_data
def test_macro_f1_on_goemotions(classifier: EmotionClassifier, shared_data: Path) -> None:
    """Every tenth row of the test set, at thresholds that were fitted for spoken lines. All rows: docs/evaluations."""
    lines = (shared_data / "goemotions_ekman" / "test.tsv").read_text(encoding="utf-8").splitlines()[::10]
    texts, ids, _ = zip(*(line.split("\t") for line in lines), strict=True)
    truth = np.array([[str(k) in row.split(",") for k in range(len(LABELS))] for row in ids])
    outcomes = classifier.classify(asked(texts))
    mixed = [outcome.mixed if isinstance(outcome, EmotionScores) else () for outcome in outcomes]
    predicted = np.array([[label in found for label in LABELS] for found in mixed])
    f1 = 2 * (predicted & truth).sum(axis=0) / (predicted.sum(axis=0) + truth.sum(axis=0))  # (7,)
    assert f1.mean() == pytest.approx(
        0.5759, abs=0.003
    )  # one text more or less that is found as disgust moves it as far


# --- models that do not depend on the batch, and bad ones -------------------------------------------------


def test_texts_come_out_as_they_do_alone(tiny: EmotionClassifier) -> None:
    together = scored(tiny.classify(asked(TEXTS)))
    alone = scored([tiny.classify(asked([text]))[0] for text in TEXTS])
    for one, other in zip(alone, together, strict=True):
        assert one.label == other.label
        assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=1e-5)


def test_one_text_the_model_cannot_run_fails_alone(tmp_path: Path) -> None:
    small = EmotionClassifier(save_classifier(tmp_path, rows(tokens=29_000)), INFO)  # later tokens are out of range
    rare = "Such hysteria!"  # token 29,004
    outcomes = small.classify(asked(["I am sad.", rare, "I am glad."]))
    assert isinstance(outcomes[1], StageError)
    scored([outcomes[0], outcomes[2]])


def test_logits_that_are_no_numbers_fail_alone(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    table = rows()
    table[Tokenizer.from_file(str(TOKENIZER)).token_to_id("cursed")] = np.nan
    outcomes = EmotionClassifier(save_classifier(tmp_path, table), INFO).classify(
        asked(["fine", "a cursed word", "fine"])
    )
    assert isinstance(outcomes[1], StageError)
    assert outcomes[0] == outcomes[2]


def test_huge_logits_stay_probabilities(tmp_path: Path) -> None:
    huge = EmotionClassifier(save_classifier(tmp_path, rows() * 1e6), INFO)
    for scores in scored(huge.classify(asked(TEXTS))):
        assert all(0 <= score <= 1 for score in scores.scores.values())
        assert 0 < scores.confidence <= 1


def test_the_label_stands_highest_above_its_own_threshold(tmp_path: Path) -> None:
    """A rare emotion with a low threshold wins over a common one that just reaches a high threshold."""
    from tokenizers import Tokenizer

    table = np.zeros_like(rows())
    logits = [math.log(p / (1 - p)) for p in (0.75, 0.05, 0.4, 0.05, 0.1, 0.05, 0.05)]
    table[Tokenizer.from_file(str(TOKENIZER)).token_to_id("word")] = logits
    thresholds = [0.74, 0.5, 0.1, 0.5, 0.3, 0.5, 0.5]
    metadata = {**GOOD_METADATA, "thresholds": json.dumps(thresholds)}
    (scores,) = scored(EmotionClassifier(save_classifier(tmp_path, table, metadata), INFO).classify(asked(["word"])))
    assert scores.label == "fear"
    assert scores.mixed == ("anger", "fear")
    assert scores.confidence == pytest.approx(0.4 / 1.45, abs=1e-4)


def test_the_temperature_of_the_metadata_flattens_the_scores(tmp_path: Path, tiny: EmotionClassifier) -> None:
    folder = save_classifier(tmp_path, rows(), {**GOOD_METADATA, "temperature": "4"})
    warm = EmotionClassifier(folder, INFO)
    (hot,), (cold,) = scored(warm.classify(asked(TEXTS[:1]))), scored(tiny.classify(asked(TEXTS[:1])))
    for label in LABELS:
        assert abs(hot.scores[label] - 0.5) < abs(cold.scores[label] - 0.5)


def test_the_lines_of_the_metadata_are_those_of_the_scores(tmp_path: Path, tiny: EmotionClassifier) -> None:
    slope, shift = [0.5 + 0.1 * k for k in range(7)], [0.3 - 0.2 * k for k in range(7)]
    lines = {"temperature": "4", "score_slope": json.dumps(slope), "score_shift": json.dumps(shift)}
    drawn = EmotionClassifier(save_classifier(tmp_path, rows(), {**GOOD_METADATA, **lines}), INFO)
    (scores,), [logits] = scored(drawn.classify(asked(TEXTS[:1]))), tiny.logits(asked(TEXTS[:1]))
    for k, label in enumerate(LABELS):
        assert scores.scores[label] == pytest.approx(1 / (1 + math.exp(-slope[k] * logits[k] - shift[k])), abs=1e-6)


CHOSEN = {**GOOD_METADATA, "choice_scale": "0.5", "choice_bias": json.dumps([0.1 * k for k in range(7)])}


def test_the_trust_of_the_metadata_changes_confidence_and_flag_and_no_label(tmp_path: Path) -> None:
    slope, shift = [0.5 + 0.1 * k for k in range(7)], [0.3 - 0.1 * k for k in range(7)]
    metadata = {
        **CHOSEN,
        "confidence_slope": json.dumps(slope),
        "confidence_shift": json.dumps(shift),
        "review_below": json.dumps([0.45] * 7),
    }
    texts = [*TEXTS, "yes", "no", "why not"]
    plain, trusting = (
        scored(EmotionClassifier(save_classifier(tmp_path / name, rows(), own), INFO).classify(asked(texts)))
        for name, own in (("plain", CHOSEN), ("trusting", metadata))
    )
    assert len({one.label for one in plain}) > 2
    for before, after in zip(plain, trusting, strict=True):
        assert (after.label, after.scores, after.mixed) == (before.label, before.scores, before.mixed)
        k, odds = LABELS.index(before.label), math.log(before.confidence / (1 - before.confidence))
        assert after.confidence == pytest.approx(1 / (1 + math.exp(-slope[k] * odds - shift[k])), abs=1e-9)
        assert after.is_doubtful == (after.confidence < 0.45)
    assert {one.is_doubtful for one in trusting} == {True, False}


# --- sentences before that are judged by themselves -------------------------------------------------------

CARRIED = {**GOOD_METADATA, "context_sentences": "2", "context_share": "0.25", "usual_logits": json.dumps([0.5] * 7)}


@pytest.fixture(scope="module")
def carrying(tmp_path_factory: pytest.TempPathFactory) -> EmotionClassifier:
    """A quarter of what the sentence before has beyond 0.5 is added to a text's logits, an eighth of the one before."""
    folder = save_classifier(tmp_path_factory.mktemp("carrying"), rows(), CARRIED)
    return EmotionClassifier(folder, INFO, ClassifierOptions(device="cpu", threads=2))


def test_part_of_what_was_said_before_is_added(carrying: EmotionClassifier) -> None:
    fine, died, left = carrying.logits(asked(["fine", "he died", "she left"]))
    (one, two) = carrying.logits([EmotionRequest("fine", "he died"), EmotionRequest("fine", "he died\nshe left")])
    assert one == pytest.approx(fine + 0.25 * (died - 0.5), abs=1e-5)
    assert two == pytest.approx(fine + 0.25 * (left - 0.5) + 0.125 * (died - 0.5), abs=1e-5)
    (scores, alone) = scored(carrying.classify([EmotionRequest("fine", "he died"), EmotionRequest("fine")]))
    assert scores.context_used
    assert not alone.context_used
    odds = [math.log(score / (1 - score)) for score in scores.scores.values()]
    assert odds == pytest.approx(one.tolist(), abs=1e-4)


def test_each_text_is_run_once_however_often_it_is_context(
    carrying: EmotionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = list[int]()
    compute = EmotionClassifier._logits

    def counting(self: EmotionClassifier, batch: Sequence[Encoded]) -> object:
        run.append(len(batch))
        return compute(self, batch)

    monkeypatch.setattr(EmotionClassifier, "_logits", counting)
    said = TEXTS[:8]
    scored(carrying.classify([EmotionRequest(text, "\n".join(said[:k][-2:])) for k, text in enumerate(said)]))
    assert sum(run) == len(said)


def test_a_sentence_before_that_fails_has_no_say(tmp_path: Path) -> None:
    small = EmotionClassifier(save_classifier(tmp_path, rows(tokens=29_000), CARRIED), INFO)
    rare = "Such hysteria!"  # token 29,004 is out of range
    good = EmotionRequest("I am sad.", "She left.")
    outcomes = small.classify([EmotionRequest("I am sad.", f"{rare}\nShe left."), good, EmotionRequest(rare, "Yes.")])
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[2], StageError)


def test_the_bundled_model_hears_the_sentences_before(classifier: EmotionClassifier) -> None:
    happy, sad, alone = scored(
        classifier.classify(
            [EmotionRequest("And then he came.", before) for before in (TEXTS[0], "She died yesterday.", "")]
        )
    )
    assert happy.context_used
    assert not alone.context_used
    assert happy.scores["happiness"] > alone.scores["happiness"] > sad.scores["happiness"]
    assert sad.scores["sadness"] > alone.scores["sadness"] > happy.scores["sadness"]


# --- metadata and files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": json.dumps(sorted(LABELS, reverse=True))},
        {"labels": json.dumps(LABELS[:6])},
        {"labels": json.dumps(["joy" if label == "happiness" else label for label in LABELS])},
        {"labels": "anger"},
        {"thresholds": json.dumps([0.5] * 6)},
        {"thresholds": json.dumps([0.5] * 6 + [1.0])},
        {"thresholds": json.dumps([0.5] * 6 + [0])},
        {"thresholds": "[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, NaN]"},
        {"thresholds": "[0.5, null]"},
        {"thresholds": "0.5"},
        {"activation": "softmax"},
        {"max_tokens": "0"},
        {"max_tokens": "many"},
        {"temperature": "0"},
        {"temperature": "nan"},
        {"score_slope": json.dumps([1] * 7)},
        {"score_slope": json.dumps([1] * 6 + [-1]), "score_shift": json.dumps([0] * 7)},
        {"context_sentences": "-1"},
        {"context_share": "1", "usual_logits": json.dumps([0] * 7)},
        {"context_share": "0.1", "usual_logits": json.dumps([0] * 6)},
        {"context_share": "0.1"},
        {"choice_scale": "0", "choice_bias": json.dumps([0] * 7)},
        {**CHOSEN, "confidence_slope": json.dumps([1] * 7)},
        {**CHOSEN, "confidence_slope": json.dumps([1] * 6 + [0]), "confidence_shift": json.dumps([0] * 7)},
        {**CHOSEN, "confidence_slope": json.dumps([1] * 7), "confidence_shift": "[0, 0, 0, 0, 0, 0, Infinity]"},
    ],
)
def test_wrong_metadata_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ModelIntegrityError):
        ModelCard.from_metadata({**GOOD_METADATA, **wrong}, "emotion")


@pytest.mark.parametrize("missing", GOOD_METADATA)
def test_missing_metadata_is_refused_and_named(missing: str) -> None:
    metadata = {key: value for key, value in GOOD_METADATA.items() if key != missing}
    with pytest.raises(ModelIntegrityError, match=missing):
        ModelCard.from_metadata(metadata, "emotion")


def test_a_model_with_other_labels_does_not_load(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path, rows(), {**GOOD_METADATA, "labels": json.dumps(LABELS[::-1])})
    with pytest.raises(ModelIntegrityError, match="labels"):
        EmotionClassifier(folder, INFO)


def test_a_model_with_other_outputs_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(ModelIntegrityError, match="shape"):
        EmotionClassifier(save_classifier(tmp_path, rows(outputs=6)), INFO)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_missing_and_damaged_files_are_refused(tmp_path: Path, file: str) -> None:
    path = save_classifier(tmp_path, rows()) / file
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelIntegrityError) as caught:
        EmotionClassifier(tmp_path, INFO)
    assert "models pull" in caught.value.fix
    path.unlink()
    with pytest.raises(ModelIntegrityError):
        EmotionClassifier(tmp_path, INFO)


def test_a_gpu_that_is_not_there_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with caplog.at_level(logging.WARNING):
        wanted = EmotionClassifier(save_classifier(tmp_path, rows()), INFO, ClassifierOptions(device="cuda"))
    assert wanted.device == "cpu"
    assert "CPU" in caplog.text
    scored(wanted.classify(asked(TEXTS)))
