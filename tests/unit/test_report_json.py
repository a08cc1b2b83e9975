import json
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS
from emoscribe.report import read_analysis
from emoscribe.report.json_report import render_json
from emoscribe.report.schema import analysis_schema
from emoscribe.types import Emotion, SourceInfo
from tests import analyses

ALL = pytest.mark.parametrize("make", [analyses.realistic, analyses.empty, analyses.hostile])


def document(**changes: Any) -> dict[str, Any]:
    return json.loads(render_json(analyses.realistic())) | changes  # type: ignore[no-any-return]  # it is an object


def read(value: object) -> None:
    read_analysis(json.dumps(value).encode())


@ALL
def test_what_is_written_is_read_back_equal(make: analyses.Maker) -> None:
    assert read_analysis(render_json(make())) == make()


@ALL
def test_what_is_written_fits_the_published_schema(make: analyses.Maker) -> None:
    schema = analysis_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(render_json(make())), schema)


def test_every_field_of_the_schema_is_documented() -> None:
    schema = analysis_schema()
    for name, kind in [("Analysis", schema), *schema["$defs"].items()]:
        assert kind["description"], name
        for field, about in kind["properties"].items():
            same_as_its_type = schema["$defs"].get(about.get("$ref", "").rpartition("/")[2], {})
            assert about.get("description") or same_as_its_type.get("description"), f"{name}.{field}"


def test_it_is_plain_utf8_with_a_line_for_each_value() -> None:
    text = render_json(analyses.realistic()).decode("utf-8")
    assert text.startswith('{\n  "schema_version": "1.1",\n')
    assert text.endswith("\n}\n")
    assert "Ninguém me avisou de nada" in text


@pytest.mark.parametrize("at", ["", "source", "segments", "emotion", "words"])
def test_fields_of_a_later_minor_version_are_passed_over(at: str) -> None:
    later = document(schema_version="1.7")
    places = {
        "": later,
        "source": later["source"],
        "segments": later["segments"][0],
        "emotion": later["segments"][0]["emotion"],
        "words": later["segments"][0]["words"][0],
    }
    places[at]["speaker"] = {"name": "new in 1.7"}
    found = read_analysis(json.dumps(later).encode())
    assert found == analyses.realistic().model_copy(update={"schema_version": "1.7"})


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1"])
def test_another_major_version_is_refused_by_name(version: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"format {version}; this EmoScribe reads 1\.x"):
        read(document(schema_version=version))


@pytest.mark.parametrize("version", ["", "1", "1.x", "1.0.0", " 1.0", "１.0", 1.0, None, [], "9" * 5000])
def test_a_version_that_is_none_is_refused(version: object) -> None:
    with pytest.raises(InvalidRequestError, match="schema_version"):
        read(document(schema_version=version))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"1.0"',
        b"{",
        b'{"schema_version": "1.0"}',
        b"[" * 100_000,
        b"index,start\r\n",
    ],
)
def test_what_is_no_analysis_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_analysis(data)
    assert caught.value.fix


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_analysis(b"\xef\xbb\xbf" + render_json(analyses.empty())) == analyses.empty()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1.5", "-0.1", '"high"', "null"])
def test_a_confidence_that_is_no_probability_is_refused(number: str) -> None:
    text = render_json(analyses.realistic()).replace(b'"confidence": 0.81', f'"confidence": {number}'.encode())
    with pytest.raises(InvalidRequestError):
        read_analysis(text)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_no_analysis_can_hold_a_number_that_json_has_not(seconds: float) -> None:
    with pytest.raises(ValidationError):
        type(analyses.empty()).model_validate(analyses.empty().model_dump() | {"stage_seconds": {"media": seconds}})


def test_a_refusal_names_the_place_and_keeps_the_words_to_itself() -> None:
    wrong = document()
    wrong["segments"][4]["start_ms"] = "O meu pai"
    wrong["segments"][5]["end_ms"] = -1
    with pytest.raises(InvalidRequestError) as caught:
        read(wrong)
    assert "segments.4.start_ms" in str(caught.value)
    assert "segments.5.end_ms" in str(caught.value)
    assert "meu pai" not in str(caught.value)


def test_scores_hold_all_labels_in_their_order() -> None:
    scores = dict.fromkeys(reversed(LABELS), 0.1)
    assert tuple(Emotion(label="fear", confidence=0.5, mixed=(), scores=scores).scores) == LABELS
    del scores["fear"]
    with pytest.raises(ValidationError, match="seven labels"):
        Emotion(label="fear", confidence=0.5, mixed=(), scores=scores)


def test_a_file_name_that_is_no_unicode_can_still_be_written() -> None:
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    source = SourceInfo.model_validate(analyses.empty().source.model_dump() | {"name": name})
    analysis = analyses.empty().model_copy(update={"source": source})
    assert read_analysis(render_json(analysis)).source.name == "caf?.mp4"
