import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.labels import LABELS
from emoscribe.report.csv_report import COLUMNS, render_csv
from emoscribe.types import Analysis
from tests import analyses

FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def rows_of(analysis: Analysis) -> list[dict[str, str]]:
    text = render_csv(analysis).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_a_row_for_each_segment_with_its_values() -> None:
    analysis = analyses.realistic()
    rows = rows_of(analysis)
    assert len(rows) == len(analysis.segments)
    for row, segment in zip(rows, analysis.segments, strict=True):
        assert (row["text"], row["text_en"]) == (segment.text, segment.text_en)
        assert (int(row["start_ms"]), int(row["end_ms"])) == (segment.start_ms, segment.end_ms)
        hours, minutes, seconds = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d{3})", row["start"]).groups()  # type: ignore[union-attr]  # None fails the test
        assert int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000) == segment.start_ms
        assert row["needs_review"] == str(segment.needs_review).lower()
        assert [one for one in row["review_reasons"].split("; ") if one] == list(segment.review_reasons)
        if segment.emotion:
            assert row["label"] == segment.emotion.label
            assert row["mixed"].split("; ") == list(segment.emotion.mixed)
            assert {one: float(row[one]) for one in LABELS} == pytest.approx(segment.emotion.scores, abs=5e-5)


def test_a_segment_without_emotion_has_empty_cells() -> None:
    last = rows_of(analyses.realistic())[-1]
    assert {last[column] for column in ("label", "confidence", "mixed", *LABELS)} == {""}


def test_every_row_says_where_it_is_from() -> None:
    for row in rows_of(analyses.realistic()):
        assert row["source"] == "assembleia-de-vila.mp4"
        assert "whisper-base 1.0.0; bergamot-pt-en 1.0.0" in row["models"]
        assert row["modalities"] == "text"
        assert "not a statement about what any person feels" in row["statement"]


def test_excel_sees_utf8_and_rfc_4180_line_ends() -> None:
    data = render_csv(analyses.realistic())
    assert data.startswith(b"\xef\xbb\xbfindex,start,")
    assert data.count(b"\r\n") == 1 + len(analyses.realistic().segments) == data.count(b"\n")


def test_no_speech_gives_the_header_alone() -> None:
    assert render_csv(analyses.empty()).decode("utf-8-sig") == ",".join(COLUMNS) + "\r\n"


def test_no_cell_of_a_hostile_analysis_starts_like_a_formula() -> None:
    analysis = analyses.hostile()
    rows = rows_of(analysis)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(FORMULA_STARTS)]
    for row, segment in zip(rows, analysis.segments, strict=True):
        assert row["text"].removeprefix("'").endswith(segment.text[1:])


@given(st.text(min_size=1), st.text())
def test_any_text_is_one_inert_cell_and_nothing_is_lost(text: str, text_en: str) -> None:
    analysis = analyses.of_texts([(text, text_en), ("fim", "end")])
    rows = rows_of(analysis)
    assert len(rows) == 2
    for cell, original in ((rows[0]["text"], text), (rows[0]["text_en"], text_en)):
        assert cell in (original, f"'{original}")
        assert not cell.lstrip().startswith(FORMULA_STARTS)
