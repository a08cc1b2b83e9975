"""Analysis -> CSV for spreadsheets: one row per segment, RFC 4180.

UTF-8 with a byte order mark: without it Excel reads a double-clicked file in the ANSI code page and
"não" becomes "nÃ£o"; pandas, DuckDB, R and LibreOffice skip the mark (Python: `encoding="utf-8-sig"`).
"""

import csv
import io
from typing import Final

from emoscribe.labels import LABELS
from emoscribe.report.timestamps import clock
from emoscribe.spreadsheet_text import inert
from emoscribe.types import Analysis, Segment

COLUMNS: Final = (
    *("index", "start", "end", "start_ms", "end_ms"),
    *("text", "language", "language_probability"),
    *("text_en", "translation_engine", "transcript_confidence"),
    *("label", "confidence", "mixed", *LABELS),
    *("needs_review", "review_reasons"),
    *("source", "models", "modalities", "statement"),
)


def render_csv(analysis: Analysis) -> bytes:
    """Header and rows, CRLF line ends, probabilities with four decimals, lists separated by "; "."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    provenance = _provenance(analysis)
    writer.writerows([*_segment_cells(segment), *provenance] for segment in analysis.segments)
    return text.getvalue().encode("utf-8-sig")


def _segment_cells(segment: Segment) -> list[str]:
    return [
        *(str(segment.index), clock(segment.start_ms), clock(segment.end_ms)),
        *(str(segment.start_ms), str(segment.end_ms)),
        *(inert(segment.text), inert(segment.language), f"{segment.language_probability:.4f}"),
        *(inert(segment.text_en), inert(segment.translation_engine), f"{segment.transcript_confidence:.4f}"),
        *_emotion_cells(segment),
        *("true" if segment.needs_review else "false", "; ".join(segment.review_reasons)),
    ]


def _emotion_cells(segment: Segment) -> list[str]:
    emotion = segment.emotion
    if emotion is None:
        return [""] * (3 + len(LABELS))
    scores = [f"{emotion.scores[label]:.4f}" for label in LABELS]
    return [emotion.label, f"{emotion.confidence:.4f}", "; ".join(emotion.mixed), *scores]


def _provenance(analysis: Analysis) -> list[str]:
    """Repeated in every row: rows of several files get pasted together, and every output says where it is from."""
    models = "; ".join(f"{model.name} {model.version}" for model in analysis.models)
    cells = (analysis.source.name, models, "; ".join(analysis.modalities), analysis.statement)
    return [inert(cell) for cell in cells]
