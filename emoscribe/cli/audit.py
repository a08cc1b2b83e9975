"""`emoscribe audit`: what reviewers said of a model's answers, against a baseline; exit code 1 if a class is worse."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from emoscribe.cli.evaluate import grid, make_folder, needs_extra
from emoscribe.corrections import read_corrections
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.audit import Audit, against, audit, read_baseline
from emoscribe.evaluation.markdown import interval, number
from emoscribe.settings import load_settings

EXIT_WORSE: Final = 1
_STYLES: Final = {"worse": "bold red", "not worse": "green", "too few": "yellow"}


def command(
    data: Annotated[Path, typer.Option(help="Corrections, .csv or .jsonl, as the review page exports them.")],
    baseline: Annotated[
        Path | None, typer.Option("--against", help="report.json of an evaluation, or the JSON of an earlier audit.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Judge this model's answers instead of the recorded ones: folder or name.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the audit here, as JSON: the next one's baseline.")] = None,
) -> None:
    """Accuracy under reviewers' labels, class by class, and drift. Exit code 1 if a class is significantly worse."""
    if out is not None:
        make_folder(out.parent)
    earlier = read_baseline(baseline) if baseline else None
    with needs_extra():
        found = _audit(data, model)
        if earlier:
            found = against(found, earlier)
    console = Console()
    _show(found, console)
    if out is not None:
        out.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
        console.print(Text.assemble("  written: ", (str(out), "bold")), soft_wrap=True)
    if found.worse:
        console.print(Text(f"Worse than {found.baseline}: {', '.join(found.worse)}.", style="bold red"))
        raise typer.Exit(EXIT_WORSE)


def _audit(data: Path, model: str | None) -> Audit:
    from emoscribe.evaluation.run import load_judge

    try:
        corrections = read_corrections(data)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{data} cannot be read: {error}.", fix="Give a .csv or .jsonl file.") from None
    if model is None:
        return audit(corrections, data.name)
    loaded = load_judge(model, load_settings())
    return audit(corrections, data.name, loaded.judge, loaded.title)


def _show(found: Audit, console: Console) -> None:
    one = found.one_label
    models = ", ".join(f"{name} ({count})" for name, count in found.models.items())
    lines = [
        f"{found.data}: {found.sentences} sentences, {found.superseded} earlier decisions. Answers of {models}.",
        f"accuracy {interval(one.accuracy)}, macro-F1 {interval(one.macro_f1)}, {one.unanswered} without an answer",
        "Reviewers look first at what is flagged: on all sentences the model is better than this.",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False)
    if found.changes:
        _show_changes(found, console)
        return
    head = ("label", "examples", "answers", "precision", "recall", "F1")
    cells = [
        (x.label, str(x.examples), str(x.predicted), *map(interval, (x.precision, x.recall, x.f1))) for x in one.labels
    ]
    console.print(grid(head, cells))


def _show_changes(found: Audit, console: Console) -> None:
    table = grid(("label", "examples", "F1", f"in {found.baseline}", "examples there", "p", "verdict"), [])
    for change in found.changes:
        cells = (change.label, str(change.examples), interval(change.now), interval(change.before))
        p = "<0.001" if change.p is not None and change.p < 0.001 else number(change.p)
        verdict = Text(change.verdict, style=_STYLES[change.verdict])
        table.add_row(*map(Text, (*cells, str(change.examples_before), p)), verdict)
    console.print(table)
    for drift in found.drift:
        line = f"drift of {drift.of}: divergence {drift.divergence:.3f}, p {number(drift.p)}"
        console.print(line, highlight=False, markup=False)
