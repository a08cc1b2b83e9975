"""The id of an analysis in a path."""

import re
from typing import Annotated, Final

from fastapi import Depends, Path

from emoscribe.errors import JobNotFoundError

_SHAPE: Final = re.compile("[0-9a-f]{64}")
EXAMPLE_ID: Final = "5f2b4c0e9a7d4e7c8b1a6d3f0c9e8b7a6d5c4b3a29181706f5e4d3c2b1a09f8e"


def _check_shape(
    analysis_id: Annotated[str, Path(description="Id of the analysis.", examples=[EXAMPLE_ID])],
) -> str:
    if not _SHAPE.fullmatch(analysis_id):  # never reaches a store, where it would become part of a key
        raise JobNotFoundError("There is no such analysis.", fix="`GET /v1/analyses` lists them.")
    return analysis_id


AnalysisId = Annotated[str, Depends(_check_shape)]
