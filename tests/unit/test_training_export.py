"""Weights to model files: the logits of the network, whatever stands beside a text."""

from pathlib import Path

import numpy as np
import pytest

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.errors import ModelIntegrityError
from emoscribe.labels import LABELS
from emoscribe.types import EmotionRequest, EmotionScores
from tests.tiny_encoder import make_encoder

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("transformers", reason="training needs the extra `train`")
pytest.importorskip("onnxscript", reason="training needs the extra `train`")

NAMES = ("fp32", "int8", "int4", "integers")
METADATA = {
    "labels": list(LABELS),
    "activation": "sigmoid",
    "max_tokens": 64,
    "context_sentences": 2,
    "temperature": 1.0,
    "thresholds": [0.5] * 7,
    "choice_scale": 2.0,
    "choice_bias": [0.0] * 7,
    "review_below": [0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5],
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders fp32, int8 and int4, and one with layers of integers, of a network with random weights."""
    from emoscribe.training.integer_layers import quantise_layers
    from emoscribe.training.network import EmotionNetwork, load_encoder
    from emoscribe.training.onnx_files import export_fp32, write_metadata
    from emoscribe.training.quantise import Precision, quantise

    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    encoder = make_encoder(root / "encoder")
    network = EmotionNetwork(load_encoder(encoder), 3, ["film"])
    for name in NAMES:
        (root / name).mkdir()
        (root / name / "tokenizer.json").write_bytes((encoder / "tokenizer.json").read_bytes())
    assert export_fp32(network, root / "fp32" / "model.onnx", vocabulary=80) < 1e-4
    quantise(root / "fp32" / "model.onnx", root / "int8" / "model.onnx")
    quantise(root / "fp32" / "model.onnx", root / "int4" / "model.onnx", Precision(word_bits=4, four_bit_layers=2))
    texts = [range(4, 4 + length) for length in (3, 9, 40)]
    quantise_layers(root / "fp32" / "model.onnx", root / "integers" / "model.onnx", texts)
    quantise(root / "integers" / "model.onnx", root / "integers" / "model.onnx")
    for name in NAMES:
        write_metadata(root / name / "model.onnx", METADATA | {"activation_bits": 8 if name == "integers" else 32})
    return root


def classifier(folder: Path) -> EmotionClassifier:
    from emoscribe.training.fidelity import INFO

    return EmotionClassifier(folder, INFO, ClassifierOptions(threads=1))


REQUESTS = [
    EmotionRequest("i am so happy!"),
    EmotionRequest("what is this?", "i hate it.\nyou love it."),
    EmotionRequest("no"),
    EmotionRequest("the fear " * 40),
]


@pytest.mark.parametrize("name", NAMES)
def test_neighbours_change_nothing(models: Path, name: str) -> None:
    model = classifier(models / name)
    alone = np.concatenate([model.logits([request]) for request in REQUESTS])
    assert np.abs(model.logits(REQUESTS) - alone).max() < 1e-4


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_small_file_says_nothing_of_the_machine_it_was_made_on(models: Path, name: str) -> None:
    content = (models / name / "model.onnx").read_bytes()
    assert b"site-packages" not in content
    assert str(Path.cwd()).encode() not in content
    assert b"site-packages" in (models / "fp32" / "model.onnx").read_bytes()  # so that the test could fail


@pytest.mark.parametrize(("name", "most"), [("int8", 0.02), ("int4", 0.1), ("integers", 0.1)])
def test_fewer_bits_cost_little_and_take_less_room(models: Path, name: str, most: float) -> None:
    exact, small = classifier(models / "fp32").logits(REQUESTS), classifier(models / name).logits(REQUESTS)
    assert 0 < np.abs(exact - small).max() < most
    assert (models / name / "model.onnx").stat().st_size < (models / "fp32" / "model.onnx").stat().st_size


def test_all_layers_and_nothing_else_read_integers(models: Path) -> None:
    import onnx

    graph = onnx.load(models / "integers" / "model.onnx").graph
    makers = {name: node for node in graph.node for name in node.output}
    numbers = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    layers = 0
    for product in (node for node in graph.node if node.op_type == "MatMul"):
        ways = [makers[name] for name in product.input if name in makers]
        if [way.op_type for way in ways] != ["DequantizeLinear"] * 2:
            assert "DequantizeLinear" not in {way.op_type for way in ways}
            continue
        layers += 1
        read, weight = (way.input[0] for way in ways)
        assert makers[read].op_type == "QuantizeLinear"
        assert numbers[makers[read].input[1]].size == 1  # one scale
        assert np.abs(numbers[weight].astype(int)).max() <= 64  # 255 * 64 * 2 is below 2 ** 15
        assert numbers[ways[1].input[1]].size == numbers[weight].shape[1]  # one for each output
    assert layers == sum(node.op_type == "MatMul" for node in graph.node) - 2 * 2 - 2  # two of attention in each layer


def test_4_bits_are_the_nearest_ones_and_a_block_of_zeros_stays_zero() -> None:
    from emoscribe.training.quantise import BLOCK, in_4_bits

    values = np.random.default_rng(0).normal(size=(5, 4 * BLOCK)).astype(np.float32)
    values[2, :BLOCK] = 0
    numbers, scales = in_4_bits(values)
    assert scales.shape == (5, 4)
    back = numbers * np.repeat(scales.astype(np.float32), BLOCK, axis=1)
    assert (back[2, :BLOCK] == 0).all()
    # of numbers spread normally, 32 to a scale, 4 bits keep all but 1 % of the square
    assert np.square(back - values).mean() < 0.011 * np.square(values).mean()
    steps = np.repeat(np.abs(scales.astype(np.float32)), BLOCK, axis=1)
    inside = np.abs(numbers) < 7
    assert (np.abs(back - values) <= steps / 2 + 1e-4)[inside].all()


def test_a_table_of_many_words_in_4_bits_gives_its_rows_back(tmp_path: Path) -> None:
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    from emoscribe.training.quantise import Precision, quantise

    table = np.random.default_rng(0).normal(size=(10_240, 64)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["out"])],
        "words",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(table, "table")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "a.onnx")
    quantise(tmp_path / "a.onnx", tmp_path / "b.onnx", Precision(word_bits=4))
    ids = np.array([0, 7, 10_239])
    [rows] = ort.InferenceSession(tmp_path / "b.onnx", providers=["CPUExecutionProvider"]).run(None, {"ids": ids})
    assert np.square(rows - table[ids]).mean() < 0.011
    assert (tmp_path / "b.onnx").stat().st_size < 0.15 * table.nbytes


def test_small_weights_that_cost_too_much_are_refused() -> None:
    from emoscribe.training.fidelity import MOST_ECE_ADDED, MOST_F1_LOST, Cost, Quality

    exact = Quality(0.6, 0.5, 0.03)
    Cost(exact, Quality(0.6 - MOST_F1_LOST + 1e-6, 0.4, 0.03 + MOST_ECE_ADDED - 1e-6), 0.1, 9).check()
    for small in (Quality(0.5949, 0.5, 0.03), Quality(0.6, 0.5, 0.0401)):
        with pytest.raises(ModelIntegrityError, match="cost too much"):
            Cost(exact, small, 0.1, 9).check()


def test_the_reference_keeps_exact_logits_by_the_name_of_the_text(tmp_path: Path) -> None:
    from emoscribe.evaluation.examples import Example
    from emoscribe.training.fidelity import REFERENCE_TEXTS, examples_of, read_reference, write_reference

    examples = [
        Example(f"text {k}", frozenset({"fear"}), source="xed" if k % 2 else "brighter-ptbr", id=str(k))
        for k in range(6000)
    ]
    logits = np.random.default_rng(0).normal(size=(6000, 7))
    write_reference(tmp_path / "reference.json", examples, logits)
    keys, kept = read_reference(tmp_path / "reference.json")
    assert len(set(keys)) == REFERENCE_TEXTS
    assert {corpus for corpus, _ in keys} == {"xed"}
    numbers = [int(one.id) for one in examples_of(keys, examples)]
    assert np.abs(kept - logits[numbers]).max() < 1e-3


def test_the_file_says_how_to_read_its_logits(models: Path) -> None:
    model = classifier(models / "int8")
    [scores] = model.classify(REQUESTS[:1])
    assert isinstance(scores, EmotionScores)
    logits = model.logits(REQUESTS[:1])[0].astype(float)
    chances = np.exp(2 * logits) / np.exp(2 * logits).sum()
    assert scores.label == LABELS[int(logits.argmax())]
    assert scores.confidence == pytest.approx(chances.max(), abs=1e-6)
    assert scores.is_doubtful == (scores.confidence < METADATA["review_below"][int(logits.argmax())])  # type: ignore[index]  # a list


def test_context_takes_part_only_where_the_file_says_so(models: Path, tmp_path: Path) -> None:
    from emoscribe.training.onnx_files import write_metadata

    [bare, with_context] = classifier(models / "fp32").logits([EmotionRequest("what is this?"), REQUESTS[1]])
    assert np.abs(bare - with_context).max() > 1e-3
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((models / "fp32" / name).read_bytes())
    write_metadata(tmp_path / "model.onnx", METADATA | {"context_sentences": 0})
    [again] = classifier(tmp_path).logits([REQUESTS[1]])
    assert np.abs(bare - again).max() < 1e-5


def test_what_is_fitted_says_how_the_sentences_before_are_heard() -> None:
    from emoscribe.scoring import ModelCard
    from emoscribe.training.fitting import fit
    from emoscribe.training.options import ExportOptions

    chance = np.random.default_rng(1)
    gold = np.eye(7, dtype=bool)[chance.integers(0, 7, 300)]
    logits = (chance.normal(0, 1, (300, 7)) + 2 * gold - 1).astype(np.float32)
    for share in (0.0, 0.2):
        fitted = fit(logits, gold, ExportOptions(context_share=share)).plain()
        written = {key: str(value) for key, value in fitted.items()} | {
            "labels": str(list(LABELS)).replace("'", '"'),
            "activation": "sigmoid",
            "max_tokens": "64",
        }
        persistence = ModelCard.from_metadata(written, "emotion").persistence
        if not share:
            assert persistence is None
            continue
        assert persistence is not None
        assert persistence.share == share
        assert persistence.usual == pytest.approx(logits.mean(0), abs=1e-4)


def test_what_is_fitted_says_how_often_the_answers_of_a_label_are_right() -> None:
    from emoscribe.scoring import ModelCard
    from emoscribe.training.fitting import fit
    from emoscribe.training.options import ExportOptions

    chance = np.random.default_rng(3)
    gold = np.eye(7, dtype=bool)[chance.choice(7, 4000, p=(0.02, 0.02, 0.02, 0.2, 0.5, 0.04, 0.2))]
    logits = (chance.normal(0, 1, gold.shape) + 1.5 * gold).astype(np.float32)
    fitted = fit(logits, gold, ExportOptions(balance=1.0))  # rare labels win far more often than they are right
    label, confidence = fitted.choice.answers(logits)
    right = gold[np.arange(len(gold)), label]
    likely = fitted.choice.probabilities(logits).max(1)
    before, after = (
        np.array([abs(one[label == k].mean() - right[label == k].mean()) for k in range(7)])
        for one in (likely, confidence)
    )
    assert before.max() > 0.2
    assert after.max() < 0.06  # the ridge
    written = {key: str(value) for key, value in fitted.plain().items()} | {
        "labels": str(list(LABELS)).replace("'", '"'),
        "activation": "sigmoid",
        "max_tokens": "64",
    }
    read = ModelCard.from_metadata(written, "emotion").choice
    assert read is not None
    assert read.answers(logits)[1] == pytest.approx(confidence, abs=1e-3)


def test_a_file_that_gives_other_logits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emoscribe.training import onnx_files
    from emoscribe.training.network import EmotionNetwork, load_encoder

    network = EmotionNetwork(load_encoder(make_encoder(tmp_path / "encoder")), 3, ["film"])
    monkeypatch.setattr(onnx_files, "PARITY_TOLERANCE", 0.0)  # no exporter is exact to the last bit
    with pytest.raises(ModelIntegrityError, match="other logits"):
        onnx_files.export_fp32(network, tmp_path / "model.onnx", vocabulary=80)


def test_bits_that_do_not_go_together_are_refused() -> None:
    from emoscribe.errors import InvalidRequestError
    from emoscribe.training.options import ExportOptions

    ExportOptions(activation_bits=8, word_bits=4)
    for bits, layers in ((8, 1), (16, 0)):
        with pytest.raises(InvalidRequestError, match="cannot be had"):
            ExportOptions(activation_bits=bits, four_bit_layers=layers)
