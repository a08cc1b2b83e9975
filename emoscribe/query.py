"""Search in the sentences of all analyses of a tenant: DuckDB over their Parquet results, wherever those are kept.

Callers give a filter, never SQL: its values are bound, and DuckDB is handed the tenant's own rows and nothing else.
SQL of one's own is for the operator's command line: `query_sql.py`.
"""

import re
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, Field

from emoscribe.done_jobs import Place, done_jobs, named_jobs, place_of
from emoscribe.duck import Duck
from emoscribe.errors import InvalidRequestError, JobNotFoundError
from emoscribe.jobs import Job, JobStore
from emoscribe.labels import LABELS, Label
from emoscribe.segment_tables import COLUMNS, AnalysisTable, SegmentTables, one_table

MAX_ROWS: Final = 200
ANALYSES_AT_ONCE: Final = 32  # searched in one statement: bounds the memory, whatever the number of analyses
PATIENCE_S: Final = 8.0  # then what was found so far is the page
MAX_WORDS: Final = 20


@dataclass(frozen=True, slots=True)
class SegmentFilter:
    """Which sentences. What is None is not looked at."""

    text: str | None = None  # words that must occur, in the original or in English; "several together" in quotes
    label: Label | None = None  # the model's label or, with min_score, any sentence with that score of the label
    min_score: float | None = None
    min_confidence: float | None = None
    needs_review: bool | None = None
    language: str | None = None
    from_ms: int | None = None  # sentences that overlap [from_ms, to_ms)
    to_ms: int | None = None


class FoundSegment(BaseModel):
    """A sentence that was looked for."""

    analysis_id: str = Field(description="The analysis it is of.")
    source_name: str = Field(description="Name of the recording.")
    segment_index: int = Field(description="Position in the timeline, from 0.")
    start_ms: int = Field(description="Start in the recording, milliseconds.")
    end_ms: int = Field(description="End in the recording, milliseconds.")
    text: str = Field(description="What was said.")
    text_en: str = Field(description="The sentence in English.")
    language: str = Field(description="Language of the sentence, ISO 639-1.")
    label: Label | None = Field(description="The strongest emotion expressed in the words; null: none was given.")
    confidence: float | None = Field(description="Probability that the label is right.")
    scores: dict[Label, float] | None = Field(description="Probability of each label.")
    needs_review: bool = Field(description="Whether a person should look.")


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One page of what was found."""

    rows: tuple[FoundSegment, ...]
    cursor: str | None  # of the next page
    analyses: int  # that were searched for this page


@dataclass(frozen=True, slots=True)
class Paging:
    """How much, from where, and in what."""

    limit: int = 50  # 1 to MAX_ROWS
    cursor: str | None = None
    analysis_ids: tuple[str, ...] = ()  # only these; empty: all of the tenant


class SegmentSearch:
    """Searches. Thread-safe."""

    def __init__(self, store: JobStore, tables: SegmentTables, duck: Duck, patience_s: float = PATIENCE_S) -> None:
        self._store = store
        self._tables = tables
        self._patience_s = patience_s
        self._duck = duck

    def search(self, tenant: str, wanted: SegmentFilter, paging: Paging) -> FoundPage:
        """Newest analysis first, then in order of time. A page may be short, even empty, before the last one.

        Raises InvalidRequestError for a filter or cursor that cannot be used, JobNotFoundError and JobConflictError
        for analyses that were named.
        """
        where, values = _conditions(wanted)
        begin = Place.parse(paging.cursor) if paging.cursor else None
        if paging.analysis_ids:
            jobs = named_jobs(self._store, tenant, paging.analysis_ids, begin)
        else:
            jobs = done_jobs(self._store, tenant, begin)
        with self._duck.session() as duck:
            return self._page(jobs, _Statement(duck, where, values, begin), paging.limit)

    def _page(self, jobs: Iterator[tuple[str | None, Job]], statement: "_Statement", limit: int) -> FoundPage:
        give_up_s = time.monotonic() + self._patience_s
        rows: list[FoundSegment] = []
        seen: dict[str, tuple[str | None, Job]] = {}
        searched = 0
        while batch := list(islice(jobs, ANALYSES_AT_ONCE)):
            tables = [table for _, job in batch if (table := self._table(job)) is not None]
            rows += statement.run(tables, limit + 1 - len(rows))
            searched += len(tables)
            seen |= {job.id: (page, job) for page, job in batch}
            if len(rows) > limit:
                last = rows[limit - 1]
                return FoundPage(
                    tuple(rows[:limit]), str(place_of(*seen[last.analysis_id], last.segment_index)), searched
                )
            if time.monotonic() >= give_up_s:
                return FoundPage(tuple(rows), str(place_of(*batch[-1])), searched)
        return FoundPage(tuple(rows), None, searched)

    def _table(self, job: Job) -> AnalysisTable | None:
        try:
            return self._tables.get(self._store, job)
        except JobNotFoundError:  # deleted meanwhile
            return None


@dataclass(frozen=True, slots=True)
class _Statement:
    """One search, run on one batch of analyses after the other."""

    duck: Any
    where: str
    values: Mapping[str, object]
    begin: Place | None

    def run(self, tables: Sequence[AnalysisTable], limit: int) -> list[FoundSegment]:
        """At most so many sentences of these analyses, in their order."""
        if not tables:
            return []
        self.duck.register("segments", one_table(tables, COLUMNS))
        values = {**self.values, "limit": limit, "begun": -1, "index": -1}
        if self.begin is not None and self.begin.index is not None:
            ids = [table.job.id for table in tables]
            begun = ids.index(self.begin.analysis_id) if self.begin.analysis_id in ids else -1
            values |= {"begun": begun, "index": self.begin.index}
        try:
            found = self.duck.execute(_SELECT.format(where=self.where), values).fetchall()
        finally:
            self.duck.unregister("segments")
        return [_found(tables[row[0]].job, row) for row in found]


def _found(job: Job, row: Sequence[Any]) -> FoundSegment:
    names = ("segment_index", "start_ms", "end_ms", "text", "text_en", "language", "label", "confidence")
    fields = dict(zip((*names, "needs_review"), row[1:10], strict=True))
    scores = dict(zip(LABELS, row[10:], strict=True)) if row[10] is not None else None
    return FoundSegment(analysis_id=job.id, source_name=job.source_name, scores=scores, **fields)


# --- the filter as SQL: the text is ours alone, every value is bound ----------------------------

_SELECT: Final = f"""
SELECT analysis, "index", start_ms, end_ms, text, text_en, language, label, confidence, needs_review,
  {", ".join(LABELS)}
FROM segments
WHERE NOT (analysis = $begun AND "index" <= $index) AND {{where}}
ORDER BY analysis, "index" LIMIT $limit
"""  # noqa: S608  # of constants
_FOLDED: Final = "strip_accents(lower({}))"  # so that case and accents do not matter


def _conditions(wanted: SegmentFilter) -> tuple[str, dict[str, object]]:
    """The condition, and the values in it."""
    conditions, values = ["true"], dict[str, object]()
    for number, word in enumerate(search_words(wanted.text or "")):
        name = f"word{number}"
        conditions.append(
            " OR ".join(f"contains({_FOLDED.format(column)}, {_FOLDED.format(f'${name}')})" for column in _TEXTS)
        )
        values[name] = word
    if wanted.label is not None and wanted.label not in LABELS:
        raise InvalidRequestError("There is no such label.", fix=f"Choose from {', '.join(LABELS)}.")
    if wanted.min_score is not None and wanted.label is None:
        raise InvalidRequestError("A score needs a label.", fix="Give the label whose score is meant.")
    for name, condition in _CONDITIONS.items():
        value = getattr(wanted, name)
        if value is not None and not (name == "label" and wanted.min_score is not None):
            conditions.append(condition.format(label=wanted.label))
            values[name] = value
    return " AND ".join(f"({one})" for one in conditions), values


_TEXTS: Final = ("text", "text_en")
_CONDITIONS: Final[Mapping[str, str]] = {
    "label": "label = $label",
    "min_score": "{label} >= $min_score",  # the column of that name: one of LABELS, checked where it comes in
    "min_confidence": "confidence >= $min_confidence",
    "needs_review": "needs_review = $needs_review",
    "language": "language = $language",
    "from_ms": "end_ms > $from_ms",
    "to_ms": "start_ms < $to_ms",
}


def search_words(text: str) -> list[str]:
    """What must occur: each word, and what stands in quotes as a whole. Raises InvalidRequestError for too many."""
    normal = unicodedata.normalize("NFC", text)
    words = [" ".join((quoted or word).split()) for quoted, word in _WORDS.findall(normal)]
    found = list(dict.fromkeys(word for word in words if word))
    if len(found) > MAX_WORDS:
        raise InvalidRequestError(f"More than {MAX_WORDS} words.", fix="Search for fewer.")
    return found


_WORDS: Final = re.compile(r'["\u201c\u201d\u201e]([^"\u201c\u201d\u201e]*)["\u201c\u201d\u201e]|(\S+)')
