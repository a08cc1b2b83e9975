"""Labelled texts of one's own: a CSV or JSON-lines file, and the corrections that reviewers made.

A CSV has a header with at least `text` and `labels` (several separated by "; "); further columns that are known:
`context`, `language`, `id`. A JSON line has the same names; its labels are a list or a string.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from emoscribe.corrections import Correction, read_corrections
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.corpus_files import EKMAN
from emoscribe.evaluation.examples import EvaluationSet, Example
from emoscribe.labels import LABELS, Label
from emoscribe.spreadsheet_text import original
from emoscribe.types import well_formed

Numbered = Iterator[tuple[int, Mapping[str, Any]]]  # (line of the file, its fields)


def load_file(path: Path) -> list[Example]:
    """The examples of a `.csv` or `.jsonl` file, in its order; of corrections, if that is what it holds.

    Raises InvalidRequestError naming the first line that cannot be used.
    """
    if _is_corrections(path):
        return from_corrections(read_corrections(path))
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    try:
        return [_example(path, line, row) for line, row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequestError(f"{path.name} cannot be read: {error}.", fix="Give a file in UTF-8.") from None


def load_file_set(path: Path) -> EvaluationSet:
    """The file as a set to evaluate on: single-label if every example has one label, scored on all seven."""
    examples = tuple(load_file(path))
    return EvaluationSet(path.name, examples, LABELS, all(len(one.labels) == 1 for one in examples))


def from_corrections(corrections: Iterable[Correction]) -> list[Example]:
    """What reviewers said, as examples of the English the model judged; sentences without English are left out."""
    return [
        Example(
            text=one.text_en,
            labels=frozenset({one.label, *one.mixed}),
            context=one.context_en,
            source="corrections",
            id=f"{one.analysis_id}/{one.segment_index}",
        )
        for one in corrections
        if one.text_en.strip()
    ]


def _is_corrections(path: Path) -> bool:
    """Whether the first line has the fields that only corrections have."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}.", fix="Give a .csv or .jsonl file.") from None
    return all(field in head for field in ("segment_index", "model_label", "reviewer"))


def _csv_rows(path: Path) -> Numbered:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            yield reader.line_num, {name: original(cell) for name, cell in row.items() if name and cell is not None}


def _json_rows(path: Path) -> Numbered:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise _unusable(path, number, str(error)) from None
                if not isinstance(row, dict):
                    raise _unusable(path, number, "it is not an object")
                yield number, row


def _example(path: Path, line: int, row: Mapping[str, Any]) -> Example:
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        raise _unusable(path, line, "there is no text")
    return Example(
        text=well_formed(text),
        labels=_labels(path, line, row.get("labels", row.get("label"))),
        context=well_formed(str(row.get("context") or "")),
        source=path.name,
        language=str(row.get("language") or "en").lower().replace("_", "-").partition("-")[0],
        id=well_formed(str(row.get("id") or line)),
    )


def _labels(path: Path, line: int, given: object) -> frozenset[Label]:
    names = given.replace(",", ";").split(";") if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _unusable(path, line, "there are no labels")
    wanted = {name.strip().lower() for name in names} - {""}
    if not wanted or wanted - EKMAN.keys():
        raise _unusable(
            path, line, f"its labels are {', '.join(sorted(wanted)) or 'none'}, not some of {', '.join(LABELS)}"
        )
    return frozenset(EKMAN[name] for name in wanted)


def _unusable(path: Path, line: int, cause: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{path.name}, line {line}: {cause}.", fix="Give text and labels for each example (docs/evaluation.md)."
    )
