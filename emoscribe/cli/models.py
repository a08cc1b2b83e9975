"""`emoscribe models`: list, pull, verify."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from emoscribe import catalog
from emoscribe.settings import load_settings

app = typer.Typer(help="The models: which there are, getting them, checking them.", no_args_is_help=True)

STYLES: Final = {"ok": "green", "bundled": "green", "missing": "yellow", "corrupt": "red"}
EXIT_MODELS: Final = 3

Selection = Annotated[list[str] | None, typer.Argument(help="Profiles or model names.", metavar="[PROFILE|MODEL]...")]


@app.command("list")
def list_models() -> None:
    """Show every model of the catalogue and whether it is here."""
    _show(catalog.list_models(load_settings().models_dir))


@app.command()
def verify(selection: Selection = None) -> None:
    """Hash every byte of the models; default: the active profile. Exit code 3 if one is missing or damaged."""
    settings = load_settings()
    statuses = catalog.verify(settings.models_dir, selection or [settings.profile])
    _show(statuses)
    if not all(status.is_usable for status in statuses):
        raise typer.Exit(EXIT_MODELS)


@app.command()
def pull(selection: Selection = None) -> None:
    """Fetch models into the cache; default: the active profile. What is there and whole is left alone."""
    settings = load_settings()
    sources = catalog.Sources(
        folder=settings.models_source_dir,
        mirror_url=settings.models_mirror_url,
        mirror_endpoint_url=settings.models_mirror_endpoint_url,
    )
    console = Console()
    with console.status("") as status:

        def show(progress: catalog.PullProgress) -> None:
            total = f" of {decimal(progress.total_bytes)}" if progress.total_bytes else ""
            done = f" {decimal(progress.done_bytes)}{total}" if progress.done_bytes else ""
            status.update(f"{progress.model}: {progress.step} ({progress.source}){done}")

        results = catalog.pull(selection or [settings.profile], settings.models_dir, sources, show)
    for result in results:
        _show_result(result, console)
    if any(result.error for result in results):
        raise typer.Exit(EXIT_MODELS)


def _show_result(result: catalog.PullResult, console: Console) -> None:
    if result.error:
        console.print(
            Text.assemble((f"{result.name}: ", "bold"), (result.error.message, "red"), f" {result.error.fix}")
        )
    elif result.action == "pulled":
        size = f"{decimal(result.bytes)} in {result.seconds:.1f} s"
        console.print(Text.assemble((f"{result.name}: ", "bold"), f"pulled from {result.source}, {size}"))
    else:
        console.print(Text.assemble((f"{result.name}: ", "bold"), result.action))


def _show(statuses: Sequence[catalog.ModelStatus]) -> None:
    table = Table(header_style="bold")
    for column in ("model", "state", "profiles", "size", "licence", "version"):
        table.add_column(column, overflow="fold")
    for status in statuses:
        table.add_row(
            status.name,
            Text(f"{status.state} {status.detail}".strip(), style=STYLES[status.state]),
            ", ".join(status.profiles),
            decimal(status.bytes) if status.bytes else "-",
            status.license,
            (status.version or "set by the first pull")[:24],
        )
    Console().print(table)
