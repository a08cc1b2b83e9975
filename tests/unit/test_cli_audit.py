"""`emoscribe audit` from a reviewer's file to an exit code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emoscribe.cli.app import app
from emoscribe.corrections import Correction, corrections_csv, corrections_jsonl
from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS
from tests.tiny_classifier import rows, save_classifier
from tests.unit.test_evaluation_own_files import correction


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def reviewed(weak: bool) -> list[Correction]:
    """Thirty sentences of each label; a weak model never finds sadness."""
    return [
        correction(n, label, model_label="neutral" if weak and label == "sadness" else label)
        for n, label in enumerate(LABELS * 30)
    ]


def test_a_class_that_is_worse_ends_with_exit_code_1(tmp_path: Path) -> None:
    good, bad, baseline = tmp_path / "good.csv", tmp_path / "bad.jsonl", tmp_path / "new" / "baseline.json"
    good.write_bytes(corrections_csv(reviewed(weak=False)))
    bad.write_bytes(corrections_jsonl(reviewed(weak=True)))

    first = run("--data", good, "--out", baseline)
    assert first.exit_code == 0, first.output
    assert "accuracy 1.000" in first.output
    same = run("--data", good, "--against", baseline)
    assert same.exit_code == 0, same.output
    assert same.output.count("not worse") == 7
    worse = run("--data", bad, "--against", baseline, "--out", tmp_path / "found.json")
    assert worse.exit_code == 1
    assert worse.exception is None or isinstance(worse.exception, SystemExit)
    assert "Worse than good.csv: neutral, sadness." in worse.output  # neutral lost its precision
    assert "drift of the model's answers" in worse.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert {one["label"] for one in found["changes"] if one["verdict"] == "worse"} == {"neutral", "sadness"}


def test_another_model_can_be_audited_on_the_same_sentences(tmp_path: Path) -> None:
    data = tmp_path / "corrections.csv"
    data.write_bytes(corrections_csv(reviewed(weak=False)))
    model = save_classifier(tmp_path / "tiny", rows())
    result = run("--data", data, "--model", model)
    assert result.exit_code == 0, result.output
    assert "Answers of tiny " in result.output


def test_what_cannot_be_audited_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "corrections.csv"
    data.write_bytes(corrections_csv([]))
    for arguments in (
        ("--data", data),
        ("--data", tmp_path / "none.csv"),
        ("--data", tmp_path),
        ("--data", data, "--against", tmp_path / "none.json"),
    ):
        assert isinstance(run(*arguments).exception, InvalidRequestError), arguments
