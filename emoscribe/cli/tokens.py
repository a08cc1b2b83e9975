"""`emoscribe tokens`: who may call the service. A token is shown once, when it is made; the file keeps its hash."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from filelock import FileLock
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emoscribe.errors import SettingsError
from emoscribe.settings import load_settings
from emoscribe.tokens import ROLES, SCOPES, TokenBook

app = typer.Typer(help="Tokens of the service: add, list, revoke.", no_args_is_help=True)

File = Annotated[Path | None, typer.Option("--file", help="File of tokens.  [default: EMOSCRIBE_TOKENS_FILE]")]
Name = Annotated[str, typer.Argument(help="Whose it is: letters, digits, space and . _ @ -.", metavar="NAME")]


@app.command()
def add(
    name: Name,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join((*ROLES, *SCOPES))}. May be repeated.  [default: owner]", show_default=False),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose jobs it is for.  [default: EMOSCRIBE_JOBS_TENANT]")] = None,
    file: File = None,
) -> None:
    """Make a token. It is written to standard output, once; nobody can show it again."""
    settings = load_settings()
    path = _path(file or settings.tokens_file)
    secret = ""

    def change(book: TokenBook) -> TokenBook:
        nonlocal secret
        changed, secret = book.add(name, tenant=tenant or settings.jobs_tenant, scopes=tuple(scope or ("owner",)))
        return changed

    change_book(path, change)
    typer.echo(secret)
    Console(stderr=True).print(f"Keep it now: {path} holds only its hash. A running service knows it at once.")


@app.command("list")
def list_tokens(file: File = None) -> None:
    """Names, tenants and scopes."""
    path = _path(file or load_settings().tokens_file)
    table = Table(header_style="bold")
    for column in ("name", "tenant", "scopes"):
        table.add_column(column, overflow="fold")
    for token in TokenBook.load(path).tokens:
        table.add_row(Text(token.name), Text(token.tenant), Text(", ".join(token.scopes)))
    Console().print(table)


@app.command()
def revoke(name: Name, file: File = None) -> None:
    """Forget a token: from then on a running service refuses it."""
    path = _path(file or load_settings().tokens_file)
    change_book(path, lambda book: book.without(name))
    Console().print(Text(f"{name} is revoked."))


def _path(path: Path | None) -> Path:
    if path is None:
        raise SettingsError("No file of tokens is named.", fix="Set EMOSCRIBE_TOKENS_FILE, or give --file.")
    return path


def change_book(path: Path, change: Callable[[TokenBook], TokenBook]) -> None:
    """One at a time: no change may get lost, least of all a revocation. Raises SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), mode=0o600):
            change(TokenBook.load(path)).save(path)
    except OSError as error:
        raise SettingsError(f"The file of tokens cannot be written: {error.strerror}.", fix=f"See to {path}.") from None
