"""Analyses side by side: how long, in which language, which emotions the words express, how far the review is."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from emoscribe.duck import Duck
from emoscribe.jobs import Decision
from emoscribe.labels import LABELS, Label
from emoscribe.segment_tables import AnalysisTable, one_table

MOST_DOMINANT: Final = 3


class AnalysisSummary(BaseModel):
    """One analysis in a table of many."""

    id: str = Field(description="The analysis.")
    source_name: str = Field(description="Name of the recording.")
    created_at: datetime = Field(description="When it was submitted, UTC.")
    duration_ms: int = Field(description="Length of the audio.")
    speech_ms: int = Field(description="Speech found in it.")
    language: str | None = Field(description="Of the recording, ISO 639-1; null: nothing was said.")
    segments: int = Field(description="Sentences.")
    dominant: tuple[Label, ...] = Field(description="The labels with the largest shares, at most three.")
    shares: dict[Label, float] = Field(
        description="Share of the time of all sentences that have each label; less than 1 together if some have none."
    )
    flagged: int = Field(description="Sentences that a person should look at.")
    flagged_share: float = Field(description="Share of all sentences.")
    flagged_reviewed: int = Field(description="Flagged sentences that were decided on.")
    reviewed: int = Field(description="Sentences that were decided on, flagged or not.")
    reviewed_share: float | None = Field(description="Share of the flagged ones; null: none was flagged.")


def summaries(
    duck: Duck, tables: Sequence[AnalysisTable], decisions: Mapping[str, Iterable[Decision]]
) -> tuple[AnalysisSummary, ...]:
    """One for each, in this order; `decisions` by the analyses' ids."""
    if not tables:
        return ()
    with duck.session() as session:
        session.register("segments", one_table(tables, ("index", "start_ms", "end_ms", "label", "needs_review")))
        by_label = session.execute(_BY_LABEL).fetchall()
        flagged = dict(session.execute(_FLAGGED).fetchall())
    grouped: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for number, *row in by_label:
        grouped[number].append(tuple(row))
    return tuple(
        _summary(table, grouped[number], frozenset(flagged.get(number, ())), decisions.get(table.job.id, ()))
        for number, table in enumerate(tables)
    )


_BY_LABEL: Final = (
    "SELECT analysis, label, count(*), sum(end_ms - start_ms)::BIGINT FROM segments GROUP BY analysis, label"
)
_FLAGGED: Final = 'SELECT analysis, list("index") FROM segments WHERE needs_review GROUP BY analysis'


def _summary(
    table: AnalysisTable,
    by_label: Iterable[tuple[Label | None, int, int]],
    flagged: frozenset[int],
    decisions: Iterable[Decision],
) -> AnalysisSummary:
    spoken_ms: Counter[Label | None] = Counter()
    segments = 0
    for label, count, duration_ms in by_label:
        spoken_ms[label] += duration_ms
        segments += count
    total_ms = spoken_ms.total() or 1
    shares = {label: round(spoken_ms[label] / total_ms, 4) for label in LABELS}
    decided = {one.segment_index: one.label for one in decisions}  # the last one stands
    reviewed = {index for index, label in decided.items() if label is not None}
    return AnalysisSummary(
        id=table.job.id,
        source_name=table.job.source_name,
        created_at=table.job.created_at,
        duration_ms=table.duration_ms,
        speech_ms=table.speech_ms,
        language=table.language,
        segments=segments,
        dominant=tuple(sorted((one for one in LABELS if shares[one]), key=lambda one: -shares[one])[:MOST_DOMINANT]),
        shares=shares,
        flagged=len(flagged),
        flagged_share=round(len(flagged) / segments, 4) if segments else 0.0,
        flagged_reviewed=len(reviewed & flagged),
        reviewed=len(reviewed),
        reviewed_share=round(len(reviewed & flagged) / len(flagged), 4) if flagged else None,
    )
