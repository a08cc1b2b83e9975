"""`emoscribe corpora`: which labelled corpora there are, and getting them from the hub."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(help="The labelled corpora that models learn from and are judged by.", no_args_is_help=True)


@app.command("list")
def list_corpora() -> None:
    """Show every corpus, its licence, and whether weights that are shipped may learn from it."""
    from emoscribe.evaluation.corpora import CORPORA

    table = Table(header_style="bold")
    for column in ("corpus", "what", "licence", "may train", "splits"):
        table.add_column(column, overflow="fold")
    for corpus in CORPORA.values():
        may_train = "yes" if corpus.may_train else "no"
        table.add_row(corpus.name, corpus.title, corpus.licence, may_train, ", ".join(corpus.splits))
    Console().print(table)


@app.command()
def pull(
    address: Annotated[str, typer.Argument(help="hub:OWNER/NAME@COMMIT, a data set.", metavar="ADDRESS")],
    out: Annotated[Path, typer.Option(help="Where they go: the --folder of `train` and `evaluate`.")],
) -> None:
    """Fetch the corpora that a data set of the Hugging Face hub holds, of one commit."""
    from emoscribe.evaluation.hub_corpora import pull_corpora

    console = Console()
    with console.status("") as status:
        files = pull_corpora(address, out, status.update)
    console.print(f"{len(files)} files in {out}", highlight=False)
