"""`emoscribe evaluate`: a model on labelled texts; figures on the terminal, the report and its pictures in a folder."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emoscribe.errors import InvalidRequestError, SettingsError
from emoscribe.evaluation.markdown import interval, number
from emoscribe.evaluation.report import BaselineRow, Evaluation, row_of
from emoscribe.settings import load_settings


def command(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    data: Annotated[
        str,
        typer.Option(help="CORPUS[:SPLIT] (docs/evaluation.md; split: dev), or a .csv or .jsonl file of one's own."),
    ],
    model: Annotated[str, typer.Option(help="Folder of a model, or its name in the catalogue.")] = "emotion",
    folder: Annotated[Path, typer.Option(help="Folder of the corpora.")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="Folder for the report, pictures and predictions.")] = None,
    context: Annotated[bool, typer.Option("--context", help="Give the model the sentences before.")] = False,
    translate: Annotated[bool, typer.Option("--translate", help="Put texts into English first.")] = False,
    spoken: Annotated[
        bool, typer.Option("--spoken", help="Read texts aloud (espeak-ng) and transcribe them first.")
    ] = False,
    rows: Annotated[int | None, typer.Option(min=1, help="Only so many examples, always the same ones.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Most frequent label, word counts, published figures.")
    ] = False,
    beside: Annotated[
        list[str] | None, typer.Option(help="Another model as a row beside: folder or name. May be repeated.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Model profile: embedded, fast or quality.")] = None,
) -> None:
    """Measure a model on labelled texts: per label, with intervals, calibration, confusion, risk and coverage."""
    from emoscribe.evaluation.run import EvaluationOptions, evaluate, write

    options = EvaluationOptions(model, data, folder, context, translate, spoken, rows, baselines, tuple(beside or ()))
    if out is not None:
        make_folder(out)
    console = Console()
    with needs_extra(), console.status("") as status:
        outcome = evaluate(options, load_settings(profile=profile), status.update)
    _show(outcome.evaluation, console)
    if out is not None:
        write(outcome, out)
        console.print(Text.assemble("  written: ", (str(out / "report.md"), "bold")), soft_wrap=True)


def make_folder(folder: Path) -> None:
    """Before the work, so that it is not lost. Raises InvalidRequestError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequestError(f"{folder} cannot be made: {error.strerror}.", fix="Give another folder.") from None


@contextmanager
def needs_extra() -> Iterator[None]:
    """Inside, a library that is not installed becomes an error that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"Evaluating needs {error.name}, which is not installed.", fix="pip install 'emoscribe[cpu,evaluate]'"
        ) from None


def _show(evaluation: Evaluation, console: Console) -> None:
    data, model = evaluation.data, evaluation.model
    context = ", with context" if data.contexts_used else ""
    title = f"{model.name} {model.version} on {data.name}: {data.examples} examples, {data.form}{context}"
    console.print(title, highlight=False, markup=False)
    console.print(label_grid(evaluation))
    head = ("", "accuracy", "macro-F1", "weighted F1", "several: macro-F1", "ECE", "AURC")
    console.print(grid(head, [_cells(row) for row in (row_of(evaluation), *evaluation.baselines)]))
    for row in evaluation.swaps:
        console.print(f"exchanged {row.kind}: {row.changed} of {row.pairs} labels change", highlight=False)


def label_grid(evaluation: Evaluation) -> Table:
    """Both views of each label, with intervals."""
    several = {one.label: one for one in evaluation.several_labels.labels}
    head = ("label", "examples", "precision", "recall", "F1", "several: F1")
    return grid(
        head,
        [
            (
                one.label,
                str(one.examples),
                *map(interval, (one.precision, one.recall, one.f1)),
                interval(several[one.label].f1) if one.label in several else "-",
            )
            for one in evaluation.one_label.labels
        ],
    )


def _cells(row: BaselineRow) -> tuple[str, ...]:
    figures = (row.accuracy, row.macro_f1, row.weighted_f1, row.several_macro_f1, row.ece, row.aurc)
    return (row.name + (" (quoted)" if row.kind == "quoted" else ""), *map(number, figures))


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Rows of text under a head; the first column to the left, figures to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(head):
        table.add_column(column, justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
