"""The whole way from corpora to a model that the program runs, on a few hundred rows of the real ones."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emoscribe.catalog import list_models
from emoscribe.cli.app import app
from emoscribe.emotion import EmotionClassifier
from emoscribe.types import EmotionRequest, EmotionScores

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("onnxscript", reason="training needs the extra `train`")

pytestmark = [pytest.mark.models, pytest.mark.shared_data]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, shared_data: Path, models_dir: Path) -> Path:
    if missing := [one.name for one in list_models(models_dir, ["training"]) if not one.is_usable]:
        pytest.skip(f"not pulled: {', '.join(missing)} (emoscribe models pull training)")
    out = tmp_path_factory.mktemp("training")
    done = train(shared_data, out)
    assert done.count(": done") == 3, done
    return out


def train(corpora: Path, out: Path, *more: str) -> str:
    done = CliRunner().invoke(app, ["train", "ci", "--folder", str(corpora), "--out", str(out), *more])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_model_answers(trained: Path) -> None:
    from emoscribe.training.fidelity import INFO  # needs torch

    for variant in ("fp32", "small"):
        model = EmotionClassifier(trained / "model" / variant, INFO)
        [scores] = model.classify([EmotionRequest("I love this so much, thank you!", "Here it is.")])
        assert isinstance(scores, EmotionScores)
        assert scores.context_used


def test_what_is_done_is_not_done_again(trained: Path, shared_data: Path) -> None:
    weights = (trained / "weights" / "weights.safetensors").stat().st_mtime_ns
    assert ": done" not in train(shared_data, trained)
    assert (trained / "weights" / "weights.safetensors").stat().st_mtime_ns == weights


def test_the_record_says_how_it_was_made(trained: Path) -> None:
    manifest = json.loads((trained / "rows" / "manifest.json").read_text())
    assert {one["corpus"] for one in manifest["corpora"]} == {"goemotions", "xed"}
    assert manifest["rows"] == 320
    log = [json.loads(line) for line in (trained / "weights" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == log[-1]["steps"] == 20
    export = json.loads((trained / "model" / "export.json").read_text())
    assert export["small"]["bytes"] < export["fp32"]["bytes"] / 2.5
