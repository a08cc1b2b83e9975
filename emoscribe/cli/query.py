"""`emoscribe query`: search in all analyses of the store, with the filters of the API or with SQL of one's own."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emoscribe.cli.clock import clock
from emoscribe.cli.job_choice import find_jobs
from emoscribe.duck import Duck
from emoscribe.errors import InvalidRequestError
from emoscribe.job_setup import open_store
from emoscribe.labels import LABELS, Label
from emoscribe.query import MAX_ROWS, FoundSegment, Paging, SegmentFilter, SegmentSearch
from emoscribe.query_sql import MEMORY, answer
from emoscribe.segment_tables import SegmentTables
from emoscribe.settings import load_settings
from emoscribe.spreadsheet_text import inert

SHOWN_ID_LENGTH: Final = 12
_COLUMNS: Final = (
    *("analysis_id", "source_name", "segment_index", "start_ms", "end_ms", "language", "label", "confidence"),
    *("score", "needs_review", "text", "text_en"),
)


def command(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    text: Annotated[
        str | None, typer.Argument(help='Words that must all occur; "several together" in quotes.', metavar="[TEXT]")
    ] = None,
    label: Annotated[str | None, typer.Option(help=f"{', '.join(LABELS[:-1])} or {LABELS[-1]}.")] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least score of that label, whichever label is the strongest.")
    ] = None,
    min_confidence: Annotated[float | None, typer.Option(min=0, max=1, help="Least confidence of the label.")] = None,
    needs_review: Annotated[
        bool | None, typer.Option("--needs-review/--no-review", help="Only what a person should look at, or the rest.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language of the sentence, ISO 639-1.")] = None,
    from_ms: Annotated[int | None, typer.Option(min=0, help="Sentences that end after this moment.")] = None,
    to_ms: Annotated[int | None, typer.Option(min=0, help="Sentences that begin before this moment.")] = None,
    analysis: Annotated[
        list[str] | None, typer.Option(help="Only this one: its id or the first digits. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many sentences.")] = 50,
    sql: Annotated[
        str | None, typer.Option(help="SQL over the tables segments, analyses, corrections; instead of all filters.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose analyses.  [default: EMOSCRIBE_JOBS_TENANT]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, for spreadsheets.")] = False,
) -> None:
    """Find sentences in all analyses, by what was said and which emotion the words express."""
    wanted = SegmentFilter(text, _label(label), min_score, min_confidence, needs_review, language, from_ms, to_ms)
    if sql is not None and (analysis or wanted != SegmentFilter()):
        raise InvalidRequestError("Filters and --sql do not go together.", fix="Put the conditions into the SQL.")
    settings = load_settings()
    store = open_store(settings)
    owner = tenant or settings.jobs_tenant
    output = _Output(as_json=as_json, as_csv=as_csv)
    if sql is not None:
        with answer(store, owner, sql) as found:
            output.write(found.columns, found.rows)
        return
    ids = tuple(job.id for job in find_jobs(analysis or [], store, settings, tenant))
    search = SegmentSearch(store, SegmentTables(), Duck(MEMORY))
    rows = _all_rows(search, owner, wanted, Paging(limit, analysis_ids=ids))
    if output.is_table:
        _print_sentences(list(rows), wanted.label)
    else:
        output.write(_COLUMNS, ([_cell(row, name, wanted.label) for name in _COLUMNS] for row in rows))


def _label(name: str | None) -> Label | None:
    label = next((one for one in LABELS if one == name), None)
    if name is not None and label is None:
        raise InvalidRequestError(f"There is no label {name!r}.", fix=f"Choose from {', '.join(LABELS)}.")
    return label


def _all_rows(search: SegmentSearch, tenant: str, wanted: SegmentFilter, paging: Paging) -> Iterator[FoundSegment]:
    """Page after page, up to the limit."""
    left, cursor = paging.limit, paging.cursor
    while left:
        page = search.search(tenant, wanted, Paging(min(left, MAX_ROWS), cursor, paging.analysis_ids))
        yield from page.rows
        left, cursor = left - len(page.rows), page.cursor
        if cursor is None:
            return


def _cell(row: FoundSegment, name: str, label: Label | None) -> Any:
    if name == "score":
        meant = label or row.label
        return row.scores[meant] if row.scores and meant else None
    return getattr(row, name)


def _print_sentences(rows: Sequence[FoundSegment], label: Label | None) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("analysis", "recording", "time", "emotion", "score"):
        table.add_column(column, no_wrap=True)
    table.add_column("said", ratio=1)
    table.add_column("in English", ratio=1)
    for row in rows:
        score = _cell(row, "score", label)
        table.add_row(
            row.analysis_id[:SHOWN_ID_LENGTH],
            *(Text(_printable(text)) for text in (row.source_name, clock(row.start_ms), row.label or "-")),
            "" if score is None else f"{score:.2f}",
            *(Text(_printable(text)) for text in (row.text, row.text_en)),
        )
    Console().print(table if rows else Text("Nothing was found."))


def _printable(text: str) -> str:
    """Without what deceives terminals."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


@dataclass(frozen=True, slots=True)
class _Output:
    """Rows of any shape, on standard output."""

    as_json: bool
    as_csv: bool

    @property
    def is_table(self) -> bool:
        """For people."""
        return not (self.as_json or self.as_csv)

    def write(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """All of them."""
        if self.as_json:
            for row in rows:
                typer.echo(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, default=str))
        elif self.as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([inert(value) if isinstance(value, str) else value for value in row] for row in rows)
        else:
            table = Table(header_style="bold")
            for column in columns:
                table.add_column(Text(_printable(column)), overflow="fold")
            for row in rows:
                table.add_row(*(Text(_printable("" if value is None else str(value))) for value in row))
            Console().print(table)
