"""`emoscribe languages`: which languages are read, and what makes their English."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from emoscribe.languages import language_packs
from emoscribe.settings import load_settings


def command(
    profile: Annotated[str | None, typer.Option(help="Model profile: embedded, fast or quality.")] = None,
) -> None:
    """Languages with a pack, the engine that makes their English, and its measured quality."""
    active = load_settings(profile=profile).profile
    table = Table(header_style="bold")
    for column in ("code", "language", "English by", "measured"):
        table.add_column(column)
    for pack in language_packs().values():
        choice = pack.choice(active)
        engine = "(is English)" if pack.code == "en" else f"{choice.engine}: {choice.model}" if choice else "whisper"
        measured = [q for q in pack.quality if choice and q.engine == choice.engine]
        quality = "\n".join(f"{q.metric} {q.value:g} on {q.data}" for q in measured)
        table.add_row(pack.code, pack.name, engine, quality)
    console = Console()
    console.print(table)
    console.print(f"Profile {active}. Every other language Whisper knows works too; its English is made by Whisper.")
