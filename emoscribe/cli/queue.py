"""`emoscribe queue`: what waits for a worker, what was given up, and sending both on their way again."""

import json
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emoscribe.errors import InvalidRequestError
from emoscribe.job_setup import open_store
from emoscribe.jobs import CloudJobStore, DeadLetter, DeadLetters, LocalJobStore
from emoscribe.settings import load_settings

app = typer.Typer(help="The queue: what waits, dead letters, sending them back.", no_args_is_help=True)

SHOWN_ID_LENGTH: Final = 12
MANY: Final = 1_000_000

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for scripts.")]


@app.command()
def show(as_json: AsJson = False) -> None:
    """How many jobs of all tenants wait, for how long, whether a worker of this machine is there, and dead letters."""
    store = open_store(load_settings())
    backlog = store.backlog()
    told: dict[str, object] = {"waiting": backlog.waiting}
    if isinstance(store, LocalJobStore):
        told |= {"oldest_s": round(backlog.oldest_s or 0.0, 1), "worker": store.has_worker}
    else:
        told |= {"dead_letters": backlog.dead_letters}
    if as_json:
        typer.echo(json.dumps(told))
        return
    for name, value in told.items():
        typer.echo(f"{name:13} {value}")


@app.command("dead-letters")
def dead_letters(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50, as_json: AsJson = False
) -> None:
    """What the dead-letter queue holds, and why. It stays there."""
    found = sorted(_dead_letters().look(limit), key=lambda one: one.sent_s)
    if as_json:
        for letter in found:
            typer.echo(json.dumps(_fields(letter)))
        return
    table = Table("since", "tenant", "job", "reason", header_style="bold")
    for letter in found:
        tenant, job_id = letter.job or ("", "(no job)")
        since = f"{datetime.fromtimestamp(letter.sent_s).astimezone():%m-%d %H:%M}"
        table.add_row(since, Text(tenant), Text(job_id[:SHOWN_ID_LENGTH]), Text(letter.reason))
    Console().print(table)


def _fields(letter: DeadLetter) -> dict[str, object]:
    tenant, job_id = letter.job or (None, None)
    return {"tenant": tenant, "job_id": job_id, "reason": letter.reason, "sent_s": letter.sent_s, "body": letter.body}


@app.command()
def redrive(
    code: Annotated[list[str] | None, typer.Option(help="Only those with this error code. May be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Look at so many at most.")] = MANY,
) -> None:
    """Send dead letters back to the queue: their jobs are tried again as if new."""
    sent = _dead_letters().send_back(limit, lambda letter: not code or letter.code in code)
    typer.echo(f"{len(sent)} sent back.")


@app.command()
def remind() -> None:
    """Send a message for every job that is not finished: after a queue was purged, lost or replaced.

    Workers do so by themselves for jobs older than six hours. One message too many costs a look, and no more.
    """
    store = open_store(load_settings())
    count = store.remind() if isinstance(store, CloudJobStore) else 0
    typer.echo(f"{count} jobs announced." if isinstance(store, CloudJobStore) else "The store needs no messages.")


def _dead_letters() -> DeadLetters:
    store = open_store(load_settings())
    letters = store.dead_letters if isinstance(store, CloudJobStore) else None
    if letters is None:
        raise InvalidRequestError(
            "There is no dead-letter queue.",
            fix="Set EMOSCRIBE_JOBS_DEAD_LETTER_URL; otherwise see `emoscribe jobs list --state failed`.",
        )
    return letters
