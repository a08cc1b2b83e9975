from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from pydantic_core import from_json

from emoscribe.labels import LABELS
from emoscribe.report.parquet_report import METADATA_KEY, render_parquet
from tests import analyses


def write(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        (folder / f"{name}.parquet").write_bytes(data)


def test_rows_are_typed_and_equal_to_the_segments(tmp_path: Path) -> None:
    analysis = analyses.realistic()
    write(tmp_path, one=render_parquet(analysis))
    table = pq.read_table(tmp_path / "one.parquet")
    for row, segment in zip(table.to_pylist(), analysis.segments, strict=True):
        assert row["words"] == [word.model_dump() for word in segment.words]
        assert (row["start_ms"], row["end_ms"]) == (segment.start_ms, segment.end_ms)
        assert (row["text"], row["needs_review"]) == (segment.text, segment.needs_review)
        emotion = segment.emotion
        assert row["label"] == (emotion.label if emotion else None)
        assert row["mixed"] == (list(emotion.mixed) if emotion else None)
        assert {one: row[one] for one in LABELS} == (emotion.scores if emotion else dict.fromkeys(LABELS))


def test_the_schema_is_the_same_for_every_analysis(tmp_path: Path) -> None:
    makers = (analyses.realistic, analyses.empty, analyses.hostile)
    write(tmp_path, **{make.__name__: render_parquet(make()) for make in makers})
    schemas = [pq.read_schema(tmp_path / f"{make.__name__}.parquet").remove_metadata() for make in makers]
    assert schemas[0] == schemas[1] == schemas[2]
    assert pq.read_table(tmp_path).num_rows == 20 + 0 + len(analyses.HOSTILE_TEXTS)


def test_the_metadata_hold_all_that_is_not_a_row(tmp_path: Path) -> None:
    analysis = analyses.realistic()
    write(tmp_path, one=render_parquet(analysis))
    found = from_json(pq.read_schema(tmp_path / "one.parquet").metadata[METADATA_KEY.encode()])
    assert type(analysis).model_validate(found | {"segments": analysis.segments}) == analysis


def test_duckdb_asks_questions_across_files(tmp_path: Path) -> None:
    write(tmp_path, one=render_parquet(analyses.realistic()), none=render_parquet(analyses.empty()))
    with duckdb.connect() as database:
        rows = database.execute(
            "SELECT source, start_ms, len(words), words[1].text FROM read_parquet(?) "
            "WHERE disgust > 0.6 AND list_contains(mixed, 'disgust') ORDER BY start_ms",
            [str(tmp_path / "*.parquet")],
        ).fetchall()
        kinds = database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(tmp_path / "one.parquet")]).fetchall()
    expected = [s for s in analyses.realistic().segments if s.emotion and s.emotion.scores["disgust"] > 0.6]
    assert rows == [("assembleia-de-vila.mp4", s.start_ms, len(s.words), s.words[0].text) for s in expected]
    assert rows
    types = {name: kind for name, kind, *_ in kinds}
    assert types["start_ms"] == "BIGINT"
    assert types["words"] == 'STRUCT("text" VARCHAR, start_ms BIGINT, end_ms BIGINT, probability DOUBLE)[]'


@pytest.mark.parametrize("make", [analyses.realistic, analyses.hostile])
def test_text_comes_back_exactly(make: analyses.Maker, tmp_path: Path) -> None:
    write(tmp_path, one=render_parquet(make()))
    with duckdb.connect() as database:
        texts = database.execute("SELECT text FROM read_parquet(?) ORDER BY index", [str(tmp_path / "one.parquet")])
        assert [text for (text,) in texts.fetchall()] == [segment.text for segment in make().segments]
