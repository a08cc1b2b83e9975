"""The OpenAPI document is whole: what it shows is valid, and all there is is described."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from emoscribe.api import create_app
from tests.conftest import ROOT

HTTP_METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(create_app().openapi())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in HTTP_METHODS
            yield f"{method.upper()} {path}", operation


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["$ref"]] if isinstance(part.get("$ref"), str) else [])
        for child in part.values():
            yield from references(child)
    elif isinstance(part, list):
        for child in part:
            yield from references(child)


def test_all_references_lead_somewhere(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_each_operation_is_described(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= tags, name
        assert operation["security"] == [{"token": []}], name
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{name} {parameter['name']}"


def test_each_error_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert {"401", "403", "default"} <= set(operation["responses"]), name
        for status, response in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                assert set(response["content"]) == {"application/problem+json"}, f"{name} {status}"


def test_examples_are_valid(document: dict[str, Any]) -> None:
    """Against the schema beside them."""
    checked = 0
    for name, operation in operations(document):
        contents = [response.get("content", {}) for response in operation["responses"].values()]
        for content in [*contents, operation.get("requestBody", {}).get("content", {})]:
            for media in content.values():
                schema = media.get("schema", {})
                if "example" in media and schema.get("type") != "string":
                    validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
                    assert not [error.message for error in validator.iter_errors(media["example"])], name
                    checked += 1
    assert checked > 40


def test_it_says_what_it_is_for_and_what_not(document: dict[str, Any]) -> None:
    text = document["info"]["description"]
    for words in ("expressed in the words", "Intended use", "Prohibited use", "any\nperson feels"):
        assert words in text


def test_each_operation_is_in_the_docs(document: dict[str, Any]) -> None:
    pages = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("api.md", "openai-audio.md"))
    shown = re.sub(r"\{analysis_id\}", "{id}", pages)
    for name, _ in operations(document):
        assert f"`{name.replace('{analysis_id}', '{id}').replace('{suffix}', '{format}')}`" in shown, name
