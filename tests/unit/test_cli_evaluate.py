"""`emoscribe evaluate` and `card`, from files to files, with a model as small as an ONNX file can be."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from emoscribe.cli.app import app
from emoscribe.errors import InvalidRequestError, ModelError, SettingsError, UnsupportedLanguageError
from emoscribe.evaluation.report import read_evaluation
from emoscribe.evaluation.run import EvaluationOptions, prepare
from emoscribe.labels import LABELS
from emoscribe.settings import load_settings
from tests.tiny_classifier import rows, save_classifier

FILES = {"report.json", "report.md", "confusion.svg", "reliability.svg", "risk-coverage.svg"}
FILES |= {"predictions.jsonl", "mistakes.md"}


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("models") / "tiny", rows())


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Four examples of each label."""
    path = tmp_path / "mine.jsonl"
    words = ("house", "tree", "river", "stone")
    examples = [
        {"text": f"{word} {label}", "labels": [label], "id": word + label} for word in words for label in LABELS
    ]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in examples))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def error(result: Result) -> BaseException:
    assert result.exception is not None, result.output
    return result.exception


def test_a_file_of_ones_own_gives_a_report_and_all_its_files(model: Path, mine: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"

    result = run("evaluate", "--data", mine, "--model", model, "--out", out)

    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == FILES
    report = read_evaluation(out / "report.json")
    assert (report.data.name, report.data.examples, report.data.licence) == ("mine.jsonl", 28, "")
    assert report.model.name == "tiny"
    predictions = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    right = sum(one["right"] for one in predictions) / 28
    assert report.one_label.accuracy.value == pytest.approx(right, abs=1e-6)
    assert "tiny" in result.output
    assert "exchanged names" in result.output
    again = run("evaluate", "--data", mine, "--model", model, "--out", out)
    assert again.exit_code == 0
    same = read_evaluation(out / "report.json").model_copy(update={"created_at": report.created_at})
    assert same == report


def test_models_stand_beside_each_other(model: Path, mine: Path, tmp_path: Path) -> None:
    other = save_classifier(tmp_path / "other", rows(seed=2))
    result = run("evaluate", "--data", mine, "--model", model, "--beside", other, "--beside", model, "--out", tmp_path)
    report = read_evaluation(tmp_path / "report.json")
    assert [row.name.split()[0] for row in report.baselines] == ["other", "tiny"]
    assert report.baselines[1].accuracy == report.one_label.accuracy.value
    assert result.output.count("other ") == 1


def test_only_some_rows_are_always_the_same(model: Path, mine: Path) -> None:
    options = EvaluationOptions(str(model), str(mine), rows=5)
    settings = load_settings()
    told: list[str] = []
    first, second = (prepare(options, settings, told.append) for _ in range(2))
    assert first == second
    assert len(first.texts) == 5
    all_of_them = prepare(EvaluationOptions(str(model), str(mine), rows=99), settings, told.append)
    assert len(all_of_them.texts) == 28


def test_a_model_that_reads_context_gets_it_and_one_that_does_not_says_so(
    model: Path, mine: Path, tmp_path: Path
) -> None:
    with_context = tmp_path / "talk.jsonl"
    with_context.write_text('{"text": "house", "labels": "fear", "context": "Run!"}\n')
    refused = error(run("evaluate", "--data", with_context, "--model", model, "--context"))
    assert isinstance(refused, InvalidRequestError)
    assert "hears no context" in refused.message
    nothing = error(run("evaluate", "--data", mine, "--model", model, "--context"))
    assert "mine.jsonl has no context" in str(nothing)


def test_what_is_not_there_is_said_before_anything_is_done(model: Path, mine: Path, tmp_path: Path) -> None:
    for arguments in (
        ("--data", "semeval", "--model", model),
        ("--data", "meld:valid", "--model", model),
        ("--data", "meld", "--model", model, "--folder", tmp_path),
        ("--data", tmp_path / "none.csv", "--model", model),
        ("--data", mine, "--model", "no-such-model"),
        ("--data", mine, "--model", model, "--out", mine / "below a file"),
    ):
        assert isinstance(error(run("evaluate", *arguments)), InvalidRequestError), arguments
    assert isinstance(error(run("evaluate", "--data", mine, "--model", "no/such/folder")), ModelError)
    assert isinstance(error(run("evaluate", "--data", mine, "--model", tmp_path)), ModelError)
    (tmp_path / "empty.csv").write_text("text,labels\n")
    assert "holds no example" in str(error(run("evaluate", "--data", tmp_path / "empty.csv", "--model", model)))


def test_foreign_texts_need_translation_and_an_engine(model: Path, tmp_path: Path, models_dir: Path) -> None:
    assert models_dir.is_dir()
    path = tmp_path / "pt.csv"
    path.write_text("text,labels,language\nEstou com muito medo.,fear,pt\n")
    refused = error(run("evaluate", "--data", path, "--model", model))
    assert "--translate" in getattr(refused, "fix", "")
    result = run("evaluate", "--data", path, "--model", model, "--translate", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (row,) = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()]
    assert "afraid" in row["text"] or "scared" in row["text"]
    report = read_evaluation(tmp_path / "out" / "report.json")
    assert (report.data.form, report.data.languages) == ("translated", ("pt",))
    path.write_text("text,labels,language\nMul on hirm.,fear,et\n")
    assert isinstance(error(run("evaluate", "--data", path, "--model", model, "--translate")), UnsupportedLanguageError)


def test_without_the_extra_the_error_says_what_to_install(
    model: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    missing = error(run("evaluate", "--data", mine, "--model", model))
    assert isinstance(missing, SettingsError)
    assert "emoscribe[cpu,evaluate]" in missing.fix


def test_baselines_learn_from_goemotions(model: Path, mine: Path, tmp_path: Path) -> None:
    folder = tmp_path / "goemotions_ekman"
    folder.mkdir()
    (folder / "labels.txt").write_text("anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise\n")
    lines = [f"so {label} today\t{LABELS.index(label)}\tx" for label in LABELS for _ in range(6)]
    lines += ["so neutral again\t4\tx"] * 3
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n")

    result = run("evaluate", "--data", mine, "--model", model, "--baselines", "--folder", tmp_path, "--out", tmp_path)

    assert result.exit_code == 0, result.output
    most_frequent, counted, quoted = read_evaluation(tmp_path / "report.json").baselines
    assert most_frequent.accuracy == pytest.approx(1 / 7, abs=1e-6)
    assert counted.accuracy == 1.0  # the label is a word of the text
    assert counted.several_macro_f1 == 1.0
    assert (quoted.kind, quoted.accuracy, quoted.macro_f1) == ("quoted", 0.71, 0.56)
    assert "not reproduced" in quoted.note


def test_the_card_is_written_from_folders_of_reports(model: Path, mine: Path, tmp_path: Path) -> None:
    run("evaluate", "--data", mine, "--model", model, "--out", tmp_path / "reports" / "mine")
    out = tmp_path / "new" / "CARD.md"
    result = run("card", "--evaluations", tmp_path / "reports", "--out", out)
    assert result.exit_code == 0, result.output
    accuracy = read_evaluation(tmp_path / "reports" / "mine" / "report.json").one_label.accuracy
    assert f"| mine.jsonl | {accuracy.value:.3f} ({accuracy.low:.3f}-{accuracy.high:.3f})" in out.read_text()
    assert isinstance(error(run("card", "--evaluations", tmp_path / "none", "--out", out)), InvalidRequestError)


def test_the_bundled_model_is_evaluated_on_real_dialogue(shared_data: Path, tmp_path: Path) -> None:
    result = run("evaluate", "--data", "meld:dev", "--folder", shared_data, "--rows", 150, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    report = read_evaluation(tmp_path / "report.json")
    assert report.one_label.accuracy.value is not None
    assert report.one_label.accuracy.value > 0.3  # the most frequent label is 42 % of the lines, 7 labels are 14 %
    assert np.array(report.one_label.confusion).sum() == 150
