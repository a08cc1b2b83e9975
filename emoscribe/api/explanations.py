"""Why one sentence of a finished analysis has its label: worked out when somebody asks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from emoscribe.api.analysis_id import AnalysisId
from emoscribe.api.auth import Reader
from emoscribe.api.examples import MODEL
from emoscribe.api.parts import ApiParts, Parts
from emoscribe.api.problem_docs import problems
from emoscribe.enrichment import requests_of
from emoscribe.errors import EmoScribeError, JobConflictError, JobNotFoundError
from emoscribe.explanations import explain_segments
from emoscribe.jobs import ANALYSIS_FILE
from emoscribe.report import read_analysis
from emoscribe.types import STATEMENT, EmotionExplanation, ModelInfo, Segment

router = APIRouter(tags=["analyses"])


class SegmentExplanation(BaseModel):
    """Why one sentence has its label."""

    statement: str = Field(default=STATEMENT, description="What the labels mean.")
    modalities: tuple[Literal["text"], ...] = Field(default=("text",), description="What the labels were derived from.")
    analysis_id: str = Field(description="The analysis.")
    segment_index: int = Field(description="Position of the sentence in the timeline, from 0.")
    text_en: str = Field(description="The English that was judged.")
    context_used: bool = Field(description="Whether the sentences before took part in the judgement.")
    explanation: EmotionExplanation = Field(description="The weights of its words.")
    models: tuple[ModelInfo, ...] = Field(description="The models that were asked.")


_EXAMPLE: Final = {
    "statement": STATEMENT,
    "modalities": ["text"],
    "analysis_id": "0" * 64,
    "segment_index": 3,
    "text_en": "What a joy!",
    "context_used": False,
    "explanation": {
        "label": "happiness",
        "method": "with_and_without",
        "alignment": "lexical",
        "words": [
            {"text": "What", "weight": 0.41, "source_words": [0], "start_ms": 5120, "end_ms": 5300},
            {"text": "a", "weight": 0.05, "source_words": [], "start_ms": None, "end_ms": None},
            {"text": "joy!", "weight": 4.62, "source_words": [1], "start_ms": 5320, "end_ms": 5900},
        ],
        "context_weight": 0.0,
    },
    "models": [{"role": "emotion", "name": "emotion", **MODEL}],
}


@router.get(
    "/v1/analyses/{analysis_id}/segments/{segment_index}/explanation",
    summary="Explain one sentence",
    operation_id="get_explanation",
    responses={
        200: {"description": "The explanation.", "content": {"application/json": {"example": _EXAMPLE}}},
        **problems(401, 403, 404, 409, 503),
    },
)
def get_explanation(
    parts: Parts,
    caller: Reader,
    analysis_id: AnalysisId,
    segment_index: Annotated[int, Path(ge=0, description="Position of the sentence in the timeline, from 0.")],
) -> SegmentExplanation:
    """The weights of a sentence's words: the stored ones if the analysis was made with them, else worked out now.

    404 for a sentence that is not there; 409 `job_conflict` until the analysis is done, for a sentence without an
    emotion, and where the emotion model is not the one the analysis was made with any more.
    """
    analysis = read_analysis(parts.store.read_result(caller.tenant, analysis_id, ANALYSIS_FILE))
    if segment_index >= len(analysis.segments):
        raise JobNotFoundError("There is no such sentence.", fix=f"The analysis has {len(analysis.segments)}, from 0.")
    segment = analysis.segments[segment_index]
    if segment.emotion is None:
        raise JobConflictError("The sentence has no emotion that could be explained.")
    models = tuple(model for model in analysis.models if model.role == "emotion")
    explanation = segment.emotion.explanation
    if explanation is None:
        if models != parts.stages.classifier.models:
            raise JobConflictError(
                "The analysis was made with another emotion model.", fix="Analyse the recording again."
            )
        explanation = _explain(analysis.segments, segment_index, parts)
    return SegmentExplanation(
        analysis_id=analysis_id,
        segment_index=segment_index,
        text_en=segment.text_en,
        context_used=segment.emotion.context_used,
        explanation=explanation,
        models=models,
    )


def _explain(segments: Sequence[Segment], index: int, parts: ApiParts) -> EmotionExplanation:
    """With the context that the sentence was judged with. Raises EmoScribeError."""
    segment, request = segments[index], requests_of(segments[: index + 1])[index]
    if request and segment.emotion and not segment.emotion.context_used:
        request = replace(request, context="")
    (outcome,) = explain_segments([segment], [request], parts.stages)
    if isinstance(outcome, EmotionExplanation):
        return outcome
    raise outcome or EmoScribeError("The sentence could not be explained.")
