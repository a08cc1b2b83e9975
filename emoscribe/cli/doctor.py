"""`emoscribe doctor`: what is installed, which device each model gets, one inference on each."""

from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emoscribe.settings import load_settings

STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "red"}


def command(
    profile: Annotated[str | None, typer.Option(help="Model profile: embedded, fast or quality.")] = None,
) -> None:
    """Check the installation: libraries, models, devices, one inference on each. Exit code 1 if a check failed."""
    from emoscribe.doctor import diagnose

    checks = diagnose(load_settings(profile=profile))
    table = Table(header_style="bold")
    for column in ("check", "status", "found", "fix"):
        table.add_column(column, overflow="fold")
    for check in checks:
        table.add_row(
            Text(check.name), Text(check.status, style=STYLES[check.status]), Text(check.detail), Text(check.fix)
        )
    Console().print(table)
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(1)
