"""The command line as a whole: commands, exit codes, and how an error is shown.

Exit codes: 0 all done; 1 something failed (the others were done); 2 wrong usage or settings;
3 models are missing or damaged; 130 interrupted.
"""

import logging
import sys
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

import emoscribe
from emoscribe import catalog
from emoscribe.cli import (
    analyse,
    audit,
    batch,
    card,
    corpora,
    doctor,
    emotions,
    evaluate,
    jobs,
    languages,
    models,
    query,
    queue,
    serve,
    tokens,
    train,
)
from emoscribe.errors import EmoScribeError, InvalidRequestError, ModelError

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_MODELS: Final = 3
EXIT_INTERRUPTED: Final = 130

app = typer.Typer(
    name="emoscribe",
    help="From a video in any language to a timeline of what is said and which emotion the words express.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("analyse")(analyse.command)
app.command("emotions")(emotions.command)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("runner")(serve.runner)
app.command("batch")(batch.command)
app.command("query")(query.command)
app.command("languages")(languages.command)
app.command("train")(train.command)
app.command("evaluate")(evaluate.command)
app.command("audit")(audit.command)
app.command("card")(card.command)
app.command("doctor")(doctor.command)
app.add_typer(jobs.app, name="jobs")
app.add_typer(queue.app, name="queue")
app.add_typer(tokens.app, name="tokens")
app.add_typer(models.app, name="models")
app.add_typer(corpora.app, name="corpora")


def _version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"emoscribe {emoscribe.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log to standard error.")] = False,
) -> None:
    if context.invoked_subcommand not in {"models", "corpora"}:
        catalog.forbid_downloads()
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


def main() -> None:
    """Run the command line; the process ends with one of the exit codes above."""
    try:
        app()
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; nothing half-written was left behind.")
        sys.exit(EXIT_INTERRUPTED)
    except EmoScribeError as error:
        show_error(error)
        sys.exit(_exit_code(error))


def show_error(error: EmoScribeError) -> None:
    """Cause, fix and code on standard error."""
    console = Console(stderr=True)
    console.print(Text.assemble(("error", "bold red"), f" [{error.code}] {error.message}"))
    if error.fix:
        console.print(Text.assemble(("  fix", "bold"), f" {error.fix}"))


def _exit_code(error: EmoScribeError) -> int:
    if isinstance(error, ModelError):
        return EXIT_MODELS
    return EXIT_USAGE if isinstance(error, InvalidRequestError) else EXIT_FAILED
