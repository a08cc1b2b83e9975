"""SQL of the operator's own over all analyses of a tenant: tables `segments`, `analyses`, `corrections`.

The tables are copies in memory, so nothing that is done to them changes an analysis; DuckDB reaches neither files nor
the network (`duck.py`). Never for SQL that came over the network.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from emoscribe.analysis_cache import read_sentences
from emoscribe.done_jobs import done_jobs
from emoscribe.duck import Duck
from emoscribe.errors import InvalidRequestError, JobNotFoundError
from emoscribe.jobs import JobStore
from emoscribe.labels import LABELS
from emoscribe.review import as_corrections, sentence_reviews
from emoscribe.segment_tables import AnalysisTable, SegmentTables

MEMORY: Final = "2GB"
ANALYSES_AT_ONCE: Final = 32
ROWS_AT_ONCE: Final = 1000
_SCHEMA: Final = f"""
CREATE TABLE segments (analysis_id VARCHAR, source VARCHAR, "index" BIGINT, start_ms BIGINT, end_ms BIGINT,
  text VARCHAR, text_en VARCHAR, language VARCHAR, language_probability DOUBLE, translation_engine VARCHAR,
  transcript_confidence DOUBLE, label VARCHAR, confidence DOUBLE, mixed VARCHAR[],
  {" ".join(f"{label} DOUBLE," for label in LABELS)} needs_review BOOLEAN, review_reasons VARCHAR[]);
CREATE TABLE analyses (analysis_id VARCHAR, source VARCHAR, created_at TIMESTAMPTZ, duration_ms BIGINT,
  speech_ms BIGINT, language VARCHAR);
CREATE TABLE corrections (analysis_id VARCHAR, source VARCHAR, segment_index BIGINT, start_ms BIGINT, end_ms BIGINT,
  language VARCHAR, text VARCHAR, text_en VARCHAR, context_en VARCHAR, model VARCHAR, model_label VARCHAR,
  model_confidence DOUBLE, label VARCHAR, mixed VARCHAR[], reviewer VARCHAR, corrected_at TIMESTAMPTZ,
  may_train BOOLEAN);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def answer(store: JobStore, tenant: str, sql: str) -> Iterator[Answer]:
    """The answer to SQL. Raises InvalidRequestError for what DuckDB refuses, SettingsError without DuckDB."""
    with Duck(MEMORY).session() as duck:
        import duckdb

        _load(duck, store, tenant)
        try:
            found = duck.sql(sql)
            reader = None if found is None else found.to_arrow_reader(ROWS_AT_ONCE)
        except duckdb.Error as error:
            raise _refused(error) from None
        if reader is None:  # a statement without an answer
            yield Answer((), iter(()))
        else:
            yield Answer(tuple(reader.schema.names), _rows(reader))


def _rows(reader: Any) -> Iterator[tuple[Any, ...]]:
    """By way of Arrow, which knows times and their zones without further packages."""
    try:
        for batch in reader:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    except OSError as error:  # Arrow's, around DuckDB's
        raise _refused(error) from None


def _refused(error: Exception) -> InvalidRequestError:
    return InvalidRequestError(f"DuckDB refuses it: {error}", fix="docs/search.md has examples.")


def _load(duck: Any, store: JobStore, tenant: str) -> None:
    duck.execute(_SCHEMA)
    tables = _tables(store, tenant)
    while batch := list(islice(tables, ANALYSES_AT_ONCE)):
        duck.register("batch", _with_names(batch))
        duck.execute("INSERT INTO segments BY NAME FROM batch")
        duck.unregister("batch")
        duck.executemany(
            "INSERT INTO analyses VALUES (?, ?, ?, ?, ?, ?)",
            [
                (one.job.id, one.job.source_name, one.job.created_at, one.duration_ms, one.speech_ms, one.language)
                for one in batch
            ],
        )
    _load_corrections(duck, store, tenant)


def _tables(store: JobStore, tenant: str) -> Iterator[AnalysisTable]:
    tables = SegmentTables(most_bytes=0)  # each is looked at once
    for _, job in done_jobs(store, tenant):
        with suppress(JobNotFoundError):  # deleted meanwhile
            yield tables.get(store, job)


def _with_names(tables: Sequence[AnalysisTable]) -> Any:
    import pyarrow as pa

    def named(table: AnalysisTable) -> Any:
        rows = table.rows
        for position, (name, value) in enumerate((("analysis_id", table.job.id), ("source", table.job.source_name))):
            rows = rows.add_column(position, name, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
        return rows

    return pa.concat_tables([named(table) for table in tables])


def _load_corrections(duck: Any, store: JobStore, tenant: str) -> None:
    for analysis_id in sorted(store.reviews.decided_jobs(tenant)):
        with suppress(JobNotFoundError):
            analysis = read_sentences(store, store.get(tenant, analysis_id))
            reviews = sentence_reviews(analysis, store.reviews.decisions(tenant, analysis_id))
            rows = [list(one.model_dump().values()) for one in as_corrections(analysis_id, analysis, reviews)]
            if rows:
                duck.executemany(f"INSERT INTO corrections VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608
