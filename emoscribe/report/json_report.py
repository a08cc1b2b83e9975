"""Analysis <-> JSON: the format that holds everything, and the only one that is read back.

Described by docs/analysis.schema.json; the rules of its versions are in docs/report-format.md.
"""

import re

import pydantic_core
from pydantic import ValidationError

from emoscribe.errors import InvalidRequestError
from emoscribe.types import SCHEMA_VERSION, Analysis

_MAX_COMPLAINTS = 5


def render_json(analysis: Analysis) -> bytes:
    """UTF-8, indented by two, fields in the order of the schema, newline at the end. Equal input, equal bytes."""
    return analysis.model_dump_json(indent=2).encode() + b"\n"


def read_analysis(data: bytes) -> Analysis:
    """The analysis in `data`, as `render_json` of this or of a later minor version wrote it.

    Fields this version does not know are dropped. Raises InvalidRequestError for anything that is
    not an analysis, and for another major version.
    """
    try:
        document = pydantic_core.from_json(data.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequestError(f"Not JSON: {error}.", fix="Give the .json file that EmoScribe wrote.") from None
    _check_version(document)
    try:
        return Analysis.model_validate(document)
    except ValidationError as error:
        raise InvalidRequestError(
            f"Not a valid analysis: {_complaints(error)}.", fix="Compare it with docs/analysis.schema.json."
        ) from None


def _check_version(document: object) -> None:
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,9}\.\d{1,9}", version, re.ASCII):
        raise InvalidRequestError(
            "Not an analysis: it has no `schema_version`.", fix="Give the .json file that EmoScribe wrote."
        )
    own_major = SCHEMA_VERSION.partition(".")[0]
    if int(version.partition(".")[0]) != int(own_major):
        raise InvalidRequestError(
            f"The analysis has format {version}; this EmoScribe reads {own_major}.x.",
            fix="Read it with the EmoScribe that wrote it, or analyse the recording again.",
        )


def _complaints(error: ValidationError) -> str:
    """Where and why, without the values: they may be what somebody said."""
    found = error.errors(include_input=False, include_url=False)
    shown = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:_MAX_COMPLAINTS]]
    more = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
