"""The JSON Schema of an analysis, made from the types; docs/analysis.schema.json is this, written down."""

import json
from typing import Any

from emoscribe.types import SCHEMA_VERSION, Analysis


def analysis_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `render_json` writes."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:emoscribe:analysis:{SCHEMA_VERSION}",
    }
    return head | Analysis.model_json_schema(mode="serialization")


def render_schema() -> str:
    """The schema as text."""
    return json.dumps(analysis_schema(), indent=2, ensure_ascii=False) + "\n"
