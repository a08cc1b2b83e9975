from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.corrections import Correction, corrections_csv, corrections_jsonl, read_corrections
from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS
from emoscribe.spreadsheet_text import inert, original

TEXTS = st.text(st.characters(exclude_characters="\x00"), max_size=20) | st.sampled_from(
    ["=1+1", "'=x", "- não", "'", ""]
)
CORRECTIONS = st.builds(
    Correction,
    **dict.fromkeys(("analysis_id", "source", "text", "text_en", "context_en", "model", "reviewer", "language"), TEXTS),
    segment_index=st.integers(0, 10**6),
    start_ms=st.integers(0, 10**9),
    end_ms=st.integers(0, 10**9),
    model_label=st.sampled_from(LABELS) | st.none(),
    model_confidence=st.floats(0, 1) | st.none(),
    label=st.sampled_from(LABELS),
    mixed=st.lists(st.sampled_from(LABELS)).map(tuple),
    corrected_at=st.datetimes(timezones=st.just(UTC)),
    may_train=st.booleans(),
)


@given(text=TEXTS)
def test_a_guarded_cell_never_starts_a_formula_and_can_be_undone(text: str) -> None:
    cell = inert(text)
    assert original(cell) == text
    assert cell.lstrip()[:1] not in set("=+-@＝＋－＠")


@given(corrections=st.lists(CORRECTIONS, max_size=4))
def test_both_files_give_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, corrections: list[Correction]
) -> None:
    folder = tmp_path_factory.mktemp("corrections")
    (folder / "a.csv").write_bytes(corrections_csv(corrections))
    (folder / "a.jsonl").write_bytes(corrections_jsonl(corrections))
    assert read_corrections(folder / "a.jsonl") == corrections
    assert read_corrections(folder / "a.csv") == corrections


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"label": "joy"}\n', "line 1"),
        ("a.jsonl", "\n{\n", "line 2"),
        ("a.csv", "label,mixed\njoy,\n", "line 2"),
    ],
)
def test_the_line_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRequestError, match=f"{name}, {message}"):
        read_corrections(tmp_path / name)


def test_the_time_is_kept_to_the_second_and_zone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "analysis_id,source,segment_index,start_ms,end_ms,language,text,text_en,model,label,reviewer,corrected_at\n"
        "1,a.mp4,0,0,10,pt,não,no,m@1,anger,ana,2026-11-23T10:00:00Z\n"
    )
    assert read_corrections(tmp_path / "a.csv")[0].corrected_at == datetime(2026, 11, 23, 10, tzinfo=UTC)
