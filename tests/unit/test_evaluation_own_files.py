import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emoscribe.corrections import Correction, corrections_csv, corrections_jsonl
from emoscribe.errors import InvalidRequestError, UnsupportedLanguageError
from emoscribe.evaluation.examples import Example
from emoscribe.evaluation.own_files import from_corrections, load_file, load_file_set
from emoscribe.evaluation.translation import translated
from emoscribe.labels import Label
from tests.fakes import FakeTranslator


def correction(index: int = 0, label: Label = "fear", **fields: object) -> Correction:
    values: dict[str, object] = {
        "analysis_id": "job",
        "source": "a.mp4",
        "segment_index": index,
        "start_ms": 0,
        "end_ms": 900,
        "language": "pt",
        "text": "Ele não voltou.",
        "text_en": "He did not come back.",
        "context_en": "Where is he?",
        "model": "emotion@1",
        "model_label": "neutral",
        "model_confidence": 0.5,
        "label": label,
        "reviewer": "ana",
        "corrected_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Correction.model_validate(values | fields)


def test_a_csv_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "\ufefftext,labels,context,language,id\n"
        '"Great, thanks!",joy; Surprise,Here.,en,1\n'
        "'=Não,anger,,pt-BR,\n"
        "one\u2028two,neutral,,,x\n",
        encoding="utf-8",
    )

    assert load_file(path) == [
        Example("Great, thanks!", frozenset({"happiness", "surprise"}), "Here.", "mine.csv", "en", "1"),
        Example("=Não", frozenset({"anger"}), "", "mine.csv", "pt", "3"),
        Example("one\u2028two", frozenset({"neutral"}), "", "mine.csv", "en", "x"),
    ]
    assert not load_file_set(path).is_single_label


def test_json_lines_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"text": "a \ud800", "labels": ["fear"]}, {"text": "b", "label": "sadness", "id": 7}]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")

    first, second = load_file(path)

    assert first.text == "a ?"  # what no file can hold does not come in
    assert (second.labels, second.id) == (frozenset({"sadness"}), "7")
    assert load_file_set(path).is_single_label
    assert load_file_set(path).name == "mine.jsonl"  # never the name of a corpus


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('{"text": "a", "labels": []}', "labels are none"),
        ('{"text": "a"}', "no labels"),
        ('{"text": "a", "labels": ["joyful"]}', "joyful, not some of"),
        ('{"text": "  ", "labels": ["fear"]}', "no text"),
        ('{"text": 3, "labels": ["fear"]}', "no text"),
        ('["a"]', "not an object"),
        ("{", "Expecting property name"),
    ],
)
def test_the_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, cause: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f'{{"text": "fine", "labels": "joy"}}\n{line}\n')
    with pytest.raises(InvalidRequestError, match=f"mine.jsonl, line 2: .*{cause}"):
        load_file(path)


def test_files_that_cannot_be_read_are_said_to(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        load_file(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("text,labels\nNão,joy\n".encode("latin-1"))
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        load_file(tmp_path / "latin.csv")


@pytest.mark.parametrize(("suffix", "write"), [("csv", corrections_csv), ("jsonl", corrections_jsonl)])
def test_corrections_become_examples_of_the_english(tmp_path: Path, suffix: str, write: object) -> None:
    assert callable(write)
    path = tmp_path / f"corrections.{suffix}"
    path.write_bytes(write([correction(3, "fear", mixed=("sadness",)), correction(4, text_en=" ")]))

    assert load_file(path) == [
        Example("He did not come back.", frozenset({"fear", "sadness"}), "Where is he?", "corrections", "en", "job/3")
    ]
    assert from_corrections([]) == []


# --- translation ------------------------------------------------------------------------------------------


def test_examples_are_translated_and_a_text_without_english_stays_an_example() -> None:
    examples = [Example(text, frozenset({"fear"}), language="pt", id=text) for text in ("um", "FAIL")]
    examples.append(Example("One", frozenset({"fear"})))

    english = translated(examples, FakeTranslator())

    assert [(one.text, one.language, one.id) for one in english] == [
        ("UM", "en", "um"),
        ("FAIL", "en", "FAIL"),
        ("One", "en", ""),
    ]


def test_a_language_without_an_engine_is_refused_before_any_work() -> None:
    examples = [Example("eins", frozenset({"fear"}), language="xx"), Example("one", frozenset({"fear"}))]
    with pytest.raises(UnsupportedLanguageError, match="xx"):
        translated(examples, FakeTranslator())
