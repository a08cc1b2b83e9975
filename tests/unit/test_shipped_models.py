"""The model files of this repository against what their exports measured, and against their exact logits."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.model_store.entry import default_catalog
from emoscribe.types import ModelInfo
from tests.conftest import ROOT

MEASURED = sorted(path.parent for path in (ROOT / "models").glob("*/reference.json"))
"""Those made since exports measure what small weights cost."""


@pytest.mark.parametrize("folder", MEASURED, ids=lambda folder: folder.name)
def test_the_shipped_file_is_the_one_that_the_export_let_pass(folder: Path) -> None:
    from emoscribe.training.fidelity import MOST_ECE_ADDED, MOST_F1_LOST

    record = json.loads((folder / "export.json").read_text())
    [model] = folder.glob("*.onnx")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    entry = default_catalog().models[folder.name]
    assert digest == record["small"]["sha256"] == next(f.sha256 for f in entry.files if f.name == model.name)
    exact, small = record["cost"]["fp32"], record["cost"]["small"]
    assert exact["macro_f1"] - small["macro_f1"] <= MOST_F1_LOST
    assert small["ece"] - exact["ece"] <= MOST_ECE_ADDED
    assert model.stat().st_size < 95_000_000


@pytest.mark.parametrize(("name", "configuration"), [("emotion", "full"), ("emotion-fast", "fast")])
def test_the_shipped_file_is_what_its_configuration_asks_for(name: str, configuration: str) -> None:
    from emoscribe.training.config import read_config

    folder = ROOT / "models" / name
    asked = json.loads(json.dumps(asdict(read_config(configuration).export)))
    assert json.loads((folder / "export.json").read_text())["options"] == asked
    info = ModelInfo(role="emotion", name=name, version="", sha256="", license="")
    card = EmotionClassifier(folder, info, ClassifierOptions(device="cpu", threads=1)).card
    assert card.context_sentences == asked["context_sentences"]
    assert card.persistence is not None
    assert card.persistence.share == asked["context_share"]
    assert card.choice is not None
    assert card.choice.trust is not None
    fitted = json.loads((folder / "export.json").read_text())["small"]
    assert card.scores.slope.tolist() == fitted["score_slope"]
    assert card.choice.trust.slope.tolist() == fitted["confidence_slope"]


@pytest.mark.shared_data
@pytest.mark.parametrize("in_8_bits", [False, True])  # whatever the processor here would choose
@pytest.mark.parametrize("folder", MEASURED, ids=lambda folder: folder.name)
def test_the_shipped_file_judges_dev_texts_as_the_exact_weights_do(
    folder: Path, in_8_bits: bool, shared_data: Path
) -> None:
    from emoscribe.evaluation.corpora import load
    from emoscribe.evaluation.examples import gold_of
    from emoscribe.training.fidelity import cost, examples_of, logits_of, quality, read_reference
    from emoscribe.training.fitting import fit
    from emoscribe.training.options import ExportOptions

    keys, exact = read_reference(folder / "reference.json")
    dev = [one for corpus in {corpus for corpus, _ in keys} for one in load(corpus, "dev", shared_data)]
    examples = examples_of(keys, dev)
    gold = gold_of(examples)
    outcomes = [
        (logits, quality(logits, gold, fit(logits, gold, ExportOptions())))
        for logits in (exact, logits_of(folder, examples, in_8_bits=in_8_bits))
    ]
    measured = cost(*outcomes)
    measured.check()
    assert measured.logit_difference < 0.2 * exact.std()
