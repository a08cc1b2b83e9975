"""`emoscribe jobs`: what the store holds, for its operator."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, get_args

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from emoscribe.backlog import result_stems
from emoscribe.cli.job_choice import PAGE, all_jobs, choose_jobs, find_jobs
from emoscribe.cli.whole_file import write_whole
from emoscribe.errors import (
    EmoScribeError,
    InvalidRequestError,
    JobConflictError,
    JobStoreError,
)
from emoscribe.job_setup import open_store
from emoscribe.jobs import Job, JobQuery, JobState
from emoscribe.settings import load_settings

app = typer.Typer(
    help="The jobs of the store: list, show, cancel, retry, delete, sweep, fetch results.", no_args_is_help=True
)

STATES: Final[tuple[JobState, ...]] = get_args(JobState)
STYLES: Final[dict[JobState, str]] = {"done": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}
SHOWN_ID_LENGTH: Final = 12
SHORTEST_NAME: Final = 16

Tenant = Annotated[str | None, typer.Option(help="Whose jobs.  [default: EMOSCRIBE_JOBS_TENANT]")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]
AnyIds = Annotated[list[str] | None, typer.Argument(help="Ids of jobs, or their first digits.", metavar="[ID]...")]
Ids = Annotated[list[str], typer.Argument(help="Ids of jobs, or their first digits.", metavar="ID...")]


@app.command("list")
def list_jobs(
    state: Annotated[list[str] | None, typer.Option(help=f"Only these: {', '.join(STATES)}. May be repeated.")] = None,
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Jobs, newest first."""
    settings = load_settings()
    store = open_store(settings)
    query = JobQuery(tenant or settings.jobs_tenant, _states(state or []), limit=min(limit, PAGE))
    jobs = list(islice(all_jobs(store, query), limit + 1))
    if as_json:
        for job in jobs[:limit]:
            typer.echo(job.model_dump_json())
        return
    table = Table(header_style="bold")
    for column, is_whole in (("id", True), ("state", True), ("recording", False), ("submitted", True), ("error", True)):
        table.add_column(column, no_wrap=is_whole, overflow="fold", min_width=0 if is_whole else SHORTEST_NAME)
    for job in jobs[:limit]:
        table.add_row(*_row(job))
    console = Console()
    console.print(table)
    if len(jobs) > limit:
        console.print(f"There are more: --limit {limit * 10}.", highlight=False)


def _states(names: Sequence[str]) -> frozenset[JobState]:
    known = {state for state in STATES if state in names}
    if len(known) < len(set(names)):
        raise InvalidRequestError("There is no such state.", fix=f"Choose from {', '.join(STATES)}.")
    return frozenset(known)


def _row(job: Job) -> tuple[Text, ...]:
    return (
        Text(job.id[:SHOWN_ID_LENGTH]),
        Text(f"running {job.progress:.0%}" if job.state == "running" else job.state, style=STYLES.get(job.state, "")),
        Text(job.source_name),
        Text(f"{job.created_at.astimezone():%m-%d %H:%M}"),
        Text(job.error.code if job.error else ""),
    )


@app.command()
def show(ids: Ids, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """Everything about jobs."""
    settings = load_settings()
    store = open_store(settings)
    console = Console()
    for job in find_jobs(ids, store, settings, tenant):
        if as_json:
            typer.echo(job.model_dump_json())
        else:
            console.print(_details(job))


def _details(job: Job) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    error = f"[{job.error.code}] {job.error.message} {job.error.fix}" if job.error else ""
    chosen = {name: value for name, value in job.options.model_dump().items() if value not in {None, False}}
    options = ", ".join(f"{name} {' '.join(value) if name == 'formats' else value}" for name, value in chosen.items())
    rows = {
        "id": job.id,
        "tenant": job.tenant,
        "recording": f"{job.source_name} ({decimal(job.source_bytes)})",
        "options": options,
        "state": f"running {job.progress:.0%} {job.stage or ''}".rstrip() if job.state == "running" else job.state,
        "attempts": str(job.attempts),
        "submitted": _time(job.created_at),
        "started": _time(job.started_at),
        "ended": _time(job.finished_at),
        "error": error,
        "results": ", ".join(job.results),
        "callback": "" if job.callback == "none" else job.callback,
    }
    for name, value in rows.items():
        if value:
            table.add_row(Text(name), Text(value))
    return table


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""


@app.command()
def cancel(
    ids: AnyIds = None,
    every: Annotated[bool, typer.Option("--all", help="Every job of the tenant that has not ended.")] = False,
    tenant: Tenant = None,
) -> None:
    """Stop jobs. Those that have ended stay as they are."""
    settings = load_settings()
    store = open_store(settings)
    states: frozenset[JobState] = frozenset({"queued", "running"})
    jobs = choose_jobs(ids, states if every else None, "--all", store, settings, tenant)

    def act(job: Job) -> str:
        return store.cancel(job.tenant, job.id).state

    _each(jobs, act)


@app.command()
def retry(
    ids: AnyIds = None,
    all_failed: Annotated[bool, typer.Option("--failed", help="Every failed job.")] = False,
    code: Annotated[list[str] | None, typer.Option(help="Only those with this error code. May be repeated.")] = None,
    tenant: Tenant = None,
) -> None:
    """Queue failed or cancelled jobs again, as if new."""
    settings = load_settings()
    store = open_store(settings)
    states: frozenset[JobState] = frozenset({"failed"})
    chosen = choose_jobs(ids, states if all_failed else None, "--failed", store, settings, tenant)
    jobs = [job for job in chosen if not code or (job.error is not None and job.error.code in code)]

    def act(job: Job) -> str:
        return store.retry(job.tenant, job.id).state

    _each(jobs, act)


@app.command()
def delete(
    ids: AnyIds = None,
    every: Annotated[bool, typer.Option("--all", help="Every job of the tenant.")] = False,
    tenant: Tenant = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase jobs with everything that belongs to them: uploads, texts, results. What is running is stopped."""
    settings = load_settings()
    store = open_store(settings)
    jobs = choose_jobs(ids, frozenset() if every else None, "--all", store, settings, tenant)
    if not yes:
        names = "all there are" if every else ", ".join(job.source_name for job in jobs)
        owner = tenant or settings.jobs_tenant
        typer.confirm(f"Erase {len(jobs)} jobs of {owner} for good ({names})?", abort=True)

    def act(job: Job) -> str:
        store.delete(job.tenant, job.id)
        return "deleted"

    _each(jobs, act)


@app.command()
def sweep(
    days: Annotated[float, typer.Option(min=0, help="Jobs that ended longer ago.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase what ended long ago, of all tenants, and what crashes left behind. Workers do so after the retention."""
    store = open_store(load_settings())
    if not yes:
        typer.confirm(f"Erase the jobs of all tenants that ended more than {days:g} days ago?", abort=True)
    typer.echo(f"{store.sweep(days * 86_400)} jobs erased.")


@app.command()
def results(
    ids: Ids,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    formats: Annotated[str | None, typer.Option(help="Comma-separated; default: all there are.")] = None,
    tenant: Tenant = None,
) -> None:
    """Write the results of jobs to files named like the recordings."""
    from emoscribe.report import FORMATS, parse_formats

    wanted = None if formats is None else {f"analysis{FORMATS[name].suffix}" for name in parse_formats(formats)}
    settings = load_settings()
    store = open_store(settings)
    jobs = find_jobs(ids, store, settings, tenant)
    out.mkdir(parents=True, exist_ok=True)
    stems = dict(zip([job.id for job in jobs], result_stems([Path(job.source_name).name for job in jobs]), strict=True))

    def act(job: Job) -> str:
        written = []
        for name in sorted(job.results if wanted is None else wanted):
            path = out / f"{stems[job.id]}{name.removeprefix('analysis')}"
            write_whole(path, store.read_result(job.tenant, job.id, name))
            written.append(str(path))
        if not written:
            raise JobConflictError(f"The job is {job.state}: it has no results.", fix="Wait until it is done.")
        return ", ".join(written)

    _each(jobs, act)


def _each(jobs: Iterable[Job], act: Callable[[Job], str]) -> None:
    """One after the other; what goes wrong with one does not keep the others. Exit code 1 if anything did."""
    console = Console()
    has_failed = False
    for job in jobs:
        line = Text.assemble(f"{job.id[:SHOWN_ID_LENGTH]}  {job.source_name}  ")
        try:
            line.append(act(job))
        except JobStoreError:
            raise
        except EmoScribeError as error:
            has_failed = True
            line.append(f"[{error.code}] {error.message}", style="red")
        console.print(line, soft_wrap=True)
    if has_failed:
        raise typer.Exit(1)
