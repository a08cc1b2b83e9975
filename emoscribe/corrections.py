"""What a reviewer said of one sentence, and the two files it travels in: CSV and JSON lines.

The review page and the API write them; `emoscribe audit` and `emoscribe train --add` read them. A correction stands
beside the model's answer and never replaces it; accepting an answer is a correction too, with the model's label.
"""

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from emoscribe.errors import InvalidRequestError
from emoscribe.labels import Label
from emoscribe.spreadsheet_text import inert, original
from emoscribe.types import well_formed

Text = Annotated[str, AfterValidator(well_formed)]


class Correction(BaseModel):
    """One decision of one reviewer on one sentence."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    analysis_id: Text = Field(description="The analysis (job) the sentence is of.")
    source: Text = Field(description="Name of the recording.")
    segment_index: int = Field(ge=0, description="Position of the sentence in the timeline, from 0.")
    start_ms: int = Field(ge=0, description="Start of the sentence in the recording, milliseconds.")
    end_ms: int = Field(ge=0, description="End of the sentence in the recording, milliseconds.")
    language: Text = Field(description="Language of the sentence, ISO 639-1.")
    text: Text = Field(description="What was said.")
    text_en: Text = Field(description="Its English, which the model judged.")
    context_en: Text = Field(default="", description="The English of the sentences before it that the model was given.")
    model: Text = Field(description="The model that answered, name@version.")
    model_label: Label | None = Field(description="Its answer; absent if it gave none.")
    model_confidence: float | None = Field(default=None, ge=0, le=1, description="Its confidence.")
    label: Label = Field(description="The reviewer's label.")
    mixed: tuple[Label, ...] = Field(default=(), description="Further emotions the reviewer found in the words.")
    reviewer: Text = Field(description="Who decided: the name of the token.")
    corrected_at: datetime = Field(description="When, UTC.")
    may_train: bool = Field(default=False, description="Whether the owner of the recording lets models learn from it.")


COLUMNS: Final = tuple(Correction.model_fields)


def corrections_csv(corrections: Iterable[Correction]) -> bytes:
    """Header and rows for spreadsheets: UTF-8 with a byte order mark, CRLF; lists separated by "; "."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in one.model_dump(mode="json").values()] for one in corrections)
    return text.getvalue().encode("utf-8-sig")


def corrections_jsonl(corrections: Iterable[Correction]) -> bytes:
    """One JSON object in each line."""
    return "".join(f"{one.model_dump_json()}\n" for one in corrections).encode()


def read_corrections(path: Path) -> list[Correction]:
    """The corrections of a `.csv` or `.jsonl` file.

    Raises InvalidRequestError naming the first line that cannot be read; OSError for a file that cannot.
    """
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    return [_correction(path, number, row) for number, row in rows]


def _correction(path: Path, line: int, row: Any) -> Correction:
    try:
        return Correction.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the line"
        raise _unreadable(path, line, f"{field}: {first['msg']}") from None


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return "; ".join(value)
        case _:
            return inert(str(value))


def _csv_rows(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            cells: dict[str, Any] = {name: original(cell) for name, cell in row.items() if name and cell is not None}
            absent = {name: None for name in ("model_label", "model_confidence") if not cells.get(name)}
            mixed = [label for label in cells.get("mixed", "").split("; ") if label]
            yield reader.line_num, cells | absent | {"mixed": mixed}


def _json_rows(path: Path) -> Iterable[tuple[int, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError as error:
                    raise _unreadable(path, number, str(error)) from None


def _unreadable(path: Path, line: int, cause: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{path.name}, line {line}: {cause}.",
        fix="Give a file of corrections as the review page exports it (docs/corrections.md).",
    )
