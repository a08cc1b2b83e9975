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
    """Folders fp32 and int8 of a network with random weights."""
    from emoscribe.training.network import EmotionNetwork, load_encoder
    from emoscribe.training.onnx_files import export_fp32, quantise, write_metadata

    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    encoder = make_encoder(root / "encoder")
    network = EmotionNetwork(load_encoder(encoder), 3, ["film"])
    for name in ("fp32", "int8"):
        (root / name).mkdir()
        (root / name / "tokenizer.json").write_bytes((encoder / "tokenizer.json").read_bytes())
    assert export_fp32(network, root / "fp32" / "model.onnx", vocabulary=80) < 1e-4
    quantise(root / "fp32" / "model.onnx", root / "int8" / "model.onnx")
    for name in ("fp32", "int8"):
        write_metadata(root / name / "model.onnx", METADATA)
    return root


def classifier(folder: Path) -> EmotionClassifier:
    from emoscribe.training.export import INFO

    return EmotionClassifier(folder, INFO, ClassifierOptions(threads=1))


REQUESTS = [
    EmotionRequest("i am so happy!"),
    EmotionRequest("what is this?", "i hate it.\nyou love it."),
    EmotionRequest("no"),
    EmotionRequest("the fear " * 40),
]


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_neighbours_change_nothing(models: Path, name: str) -> None:
    model = classifier(models / name)
    alone = np.concatenate([model.logits([request]) for request in REQUESTS])
    assert np.abs(model.logits(REQUESTS) - alone).max() < 1e-4


def test_8_bits_cost_little_and_take_less_room(models: Path) -> None:
    exact, small = classifier(models / "fp32").logits(REQUESTS), classifier(models / "int8").logits(REQUESTS)
    assert 0 < np.abs(exact - small).max() < 0.1


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


def test_a_file_that_gives_other_logits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emoscribe.training import onnx_files
    from emoscribe.training.network import EmotionNetwork, load_encoder

    network = EmotionNetwork(load_encoder(make_encoder(tmp_path / "encoder")), 3, ["film"])
    monkeypatch.setattr(onnx_files, "PARITY_TOLERANCE", 0.0)  # no exporter is exact to the last bit
    with pytest.raises(ModelIntegrityError, match="other logits"):
        onnx_files.export_fp32(network, tmp_path / "model.onnx", vocabulary=80)
