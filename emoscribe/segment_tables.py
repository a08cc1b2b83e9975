"""The sentences of analyses as Arrow tables, read from their Parquet results, for DuckDB to search.

In memory only, up to a bound and for a while: of an analysis that is deleted nothing is left on a disk.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from emoscribe.analysis_cache import JobCache, read_sentences
from emoscribe.jobs import Job, JobStore
from emoscribe.labels import LABELS
from emoscribe.report import FORMATS, METADATA_KEY, segment_table

MOST_BYTES: Final = 256 * 2**20  # of all tables together: about 1500 hours of speech
COLUMNS: Final = (
    *("index", "start_ms", "end_ms", "text", "text_en", "language", "language_probability"),
    *("translation_engine", "transcript_confidence", "label", "confidence", "mixed", *LABELS),
    *("needs_review", "review_reasons"),
)  # all but the words
_PARQUET_FILE: Final = f"analysis{FORMATS['parquet'].suffix}"


@dataclass(frozen=True, slots=True)
class AnalysisTable:
    """One analysis: a row for each sentence."""

    job: Job
    rows: Any  # pyarrow.Table with COLUMNS
    duration_ms: int
    speech_ms: int
    language: str | None


class SegmentTables:
    """Tables of the analyses that were searched last. Thread-safe."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._cache: JobCache[AnalysisTable] = JobCache(most_bytes, lambda table: int(table.rows.nbytes) + 10_000)

    def get(self, store: JobStore, job: Job) -> AnalysisTable:
        """Of a job that is done. Raises JobConflictError, JobNotFoundError."""
        return self._cache.get(job, lambda job: _read(store, job))

    def forget(self, tenant: str, job_id: str) -> None:
        """Of a job that was deleted."""
        self._cache.forget(tenant, job_id)


def one_table(tables: Sequence[AnalysisTable], columns: Sequence[str]) -> Any:
    """All of them as one, with a column `analysis`: the position in `tables`."""
    import pyarrow as pa

    parts = [
        table.rows.select(columns).append_column(
            "analysis", pa.repeat(pa.scalar(number, pa.int32()), table.rows.num_rows)
        )
        for number, table in enumerate(tables)
    ]
    return pa.concat_tables(parts)


def _read(store: JobStore, job: Job) -> AnalysisTable:
    import pyarrow.parquet as pq

    if _PARQUET_FILE in job.results:
        content = store.read_result(job.tenant, job.id, _PARQUET_FILE)
        rows = pq.read_table(io.BytesIO(content), columns=list(COLUMNS))
    else:
        rows = segment_table(read_sentences(store, job)).select(COLUMNS)
    about = json.loads(rows.schema.metadata[METADATA_KEY.encode()])
    rows = rows.replace_schema_metadata(None)  # so that tables of different analyses go together
    language = about["language"]["language"]
    return AnalysisTable(job, rows, about["source"]["duration_ms"], about["speech_ms"], language)
