"""Texts, answered at once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emoscribe.api.text import MAX_TEXT_CHARACTERS, MAX_TEXTS
from emoscribe.local_stages import load_stages
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from tests.service.api_harness import Service, check_problem, service


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


def test_each_text_has_its_row(api: Service) -> None:
    texts = ["que anger", "", "FAIL", "BROKEN", "x" * (MAX_TEXT_CHARACTERS + 1), "que fear"]
    answer = api.post("/v1/emotions", json={"texts": texts, "language": "pt-BR"}).json()
    rows = answer["emotions"]
    assert [row["text"] for row in rows] == texts
    assert [row["label"] for row in rows] == ["anger", None, None, None, None, "fear"]
    assert [row.get("error", {}).get("code") for row in rows] == [
        None,
        None,
        "stage_failed",
        "stage_failed",
        "invalid_request",
        None,
    ]
    assert (rows[0]["text_en"], rows[0]["mixed"], rows[0]["needs_review"]) == ("QUE ANGER", ["anger"], False)
    assert (answer["language"], answer["modalities"]) == ("pt", ["text"])
    assert "not a statement about what any person feels" in answer["statement"]
    assert [model["name"] for model in answer["models"]] == ["fake-translator", "fake-emotion"]


def test_translations(api: Service) -> None:
    answer = api.post("/v1/translations", json={"texts": ["bom dia", "FAIL"], "language": "pt"}).json()
    first, second = answer["translations"]
    assert first == {"text": "bom dia", "text_en": "BOM DIA", "engine": "bergamot", "model": "fake-translator"}
    assert (second["text_en"], second["error"]["code"]) == ("", "stage_failed")


def test_english_is_meant_where_nothing_is_said(api: Service) -> None:
    answer = api.post("/v1/emotions", json={"texts": ["what a sadness"]}).json()
    assert (answer["language"], answer["emotions"][0]["text_en"]) == ("en", "what a sadness")
    assert [model["role"] for model in answer["models"]] == ["emotion"]
    assert api.post("/v1/emotions", json={"texts": []}).json()["emotions"] == []


@pytest.mark.parametrize("path", ["/v1/emotions", "/v1/translations"])
def test_bounds(api: Service, path: str) -> None:
    check_problem(api.post(path, json={"texts": ["x"] * (MAX_TEXTS + 1)}), 400, "invalid_request")
    check_problem(api.post(path, json={"texts": ["x" * 2**20]}), 413, "request_too_large")
    check_problem(api.post(path, json={"texts": "x"}), 400, "invalid_request")
    check_problem(api.post(path, json={"texts": ["x"], "langauge": "pt"}), 400, "invalid_request")
    check_problem(api.post(path, content=b'{"texts": ["\\ud800"]}', headers=JSON), 400, "invalid_request")
    check_problem(api.post(path, content=b"[" * 100_000, headers=JSON), 400, "invalid_request")
    check_problem(api.post(path, content=b"texts=x", headers=FORM), 400, "invalid_request")
    problem = check_problem(api.post(path, json={"texts": ["x"], "language": "xx"}), 422, "unsupported_language")
    assert "en, pt" in problem["fix"]


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_the_command_line_says_the_same(tmp_path: Path, models_dir: Path) -> None:
    from emoscribe.cli.app import app

    texts = ["Que alegria te ver aqui!", "Tenho muito medo.", ""]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    printed = CliRunner().invoke(app, ["emotions", str(tmp_path / "texts.txt"), "--language", "pt"])
    stages: Stages = load_stages(load_settings(models_dir=models_dir))
    with service(tmp_path, stages) as api:
        answer = api.post("/v1/emotions", json={"texts": texts, "language": "pt"}).json()
    assert [json.loads(line) for line in printed.stdout.splitlines()] == answer["emotions"]
    assert [row["label"] for row in answer["emotions"]] == ["happiness", "fear", None]
