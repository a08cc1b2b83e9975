"""Analysis -> Parquet for analysis across recordings: one typed row per segment, words nested.

The schema is the same for every analysis, an empty one included, so that many files read as one table.
Everything else of the analysis is in the file's key-value metadata, key `emoscribe`, as JSON.
"""

import io
from typing import Any

from emoscribe.labels import LABELS
from emoscribe.types import Analysis, Segment

METADATA_KEY = "emoscribe"


def render_parquet(analysis: Analysis) -> bytes:
    """One Parquet file, Zstandard-compressed, with one row per segment."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(segment_table(analysis), buffer, compression="zstd")
    return buffer.getvalue()


def segment_table(analysis: Analysis) -> Any:
    """The same as an Arrow table."""
    import pyarrow as pa

    provenance = analysis.model_dump_json(exclude={"segments"})
    schema = _schema().with_metadata({METADATA_KEY: provenance})
    identity = {"source": analysis.source.name, "source_sha256": analysis.source.sha256}
    rows = [identity | _row(segment) for segment in analysis.segments]
    return pa.Table.from_pylist(rows, schema=schema)


def _row(segment: Segment) -> dict[str, Any]:
    emotion = segment.emotion
    row = segment.model_dump(exclude={"emotion"})
    row["label"] = emotion.label if emotion else None
    row["confidence"] = emotion.confidence if emotion else None
    row["mixed"] = emotion.mixed if emotion else None
    row["context_used"] = emotion.context_used if emotion else None
    return row | {label: emotion.scores[label] if emotion else None for label in LABELS}


def _schema() -> Any:
    import pyarrow as pa

    def required(name: str, kind: Any) -> Any:
        return pa.field(name, kind, nullable=False)

    word = [required("text", pa.string()), required("start_ms", pa.int64()), required("end_ms", pa.int64())]
    word.append(required("probability", pa.float64()))
    texts = pa.list_(required("element", pa.string()))
    return pa.schema(
        [
            required("source", pa.string()),
            pa.field("source_sha256", pa.string()),
            *(required(name, pa.int64()) for name in ("index", "start_ms", "end_ms")),
            *(required(name, pa.string()) for name in ("text", "language", "text_en", "translation_engine")),
            *(required(name, pa.float64()) for name in ("language_probability", "transcript_confidence")),
            pa.field("label", pa.string()),
            pa.field("confidence", pa.float64()),
            pa.field("mixed", texts),
            *(pa.field(label, pa.float64()) for label in LABELS),
            required("needs_review", pa.bool_()),
            required("review_reasons", texts),
            required("words", pa.list_(required("element", pa.struct(word)))),
            pa.field("context_used", pa.bool_()),
        ]
    )
