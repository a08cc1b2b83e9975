"""`emoscribe batch`: a backlog becomes jobs; their progress, their results, and what went wrong.

Everything that matters is in the store: run the same command again and it goes on where it was.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from emoscribe.backlog import Found, find_recordings, result_stems
from emoscribe.cli.batch_run import BatchOptions, BatchRun, Entry
from emoscribe.cli.batch_view import BatchView, print_summary
from emoscribe.errors import EmoScribeError, InvalidRequestError
from emoscribe.job_setup import Submissions, make_worker, open_store
from emoscribe.jobs import JobOptions, JobStore, LocalJobStore, Worker
from emoscribe.settings import Settings, load_settings

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
JOBS_AT_ONCE_HERE: Final = 2  # the models are shared: one recording is decoded while another one is transcribed
STOP_S: Final = 10.0  # for giving jobs back after Ctrl-C
CLOUD_LOOK_EVERY_S: Final = 2.0


def command(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    source: Annotated[
        str, typer.Argument(help="A folder, a CSV manifest (column source), or s3://bucket/prefix.", metavar="SOURCE")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the results, laid out as SOURCE is.")] = None,
    formats: Annotated[
        str, typer.Option(help="Comma-separated: json, csv, parquet, srt, srt_en, vtt, vtt_en, html, or all.")
    ] = "json",
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code such as pt; auto: detected.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="With the weights of each sentence's words.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many recordings, the first by name.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed ones again.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every job has ended.")] = True,
    work: Annotated[
        bool | None,
        typer.Option("--work/--no-work", help="Do the work in this process; default: if no worker would."),
    ] = None,
) -> None:
    """Submit every recording of SOURCE as a job, follow them, and sum up. Run again, it goes on where it was."""
    from emoscribe.local_stages import check_language
    from emoscribe.report import FORMATS, parse_formats

    if work and not wait:
        raise InvalidRequestError("--work needs --wait: the work ends with this process.", fix="Leave one out.")
    check_language(language)
    wanted = parse_formats(formats)
    settings = load_settings()
    console = Console()
    found = find_recordings(source, JobOptions(language=language, formats=wanted, explain=explain), settings)
    _tell_found(found, console)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    options = BatchOptions(
        tenant=settings.jobs_tenant,
        suffixes=tuple(FORMATS[name].suffix for name in wanted),
        out=out,
        retry_failed=retry_failed,
        waits=wait,
    )
    recordings = found.recordings[:limit]
    stems = result_stems([one.name for one in found.recordings])  # of all: the same with a limit and without
    entries = [Entry(one, stem) for one, stem in zip(recordings, stems, strict=False)]
    started_s = time.monotonic()
    _run(entries, options, settings, work=work, console=console)
    print_summary(entries, console, time.monotonic() - started_s)
    if not wait and any(entry.state in {"queued", "running"} for entry in entries):
        console.print("The same command without --no-wait follows them.")
    if any(entry.state in {"failed", "cancelled"} for entry in entries):
        raise typer.Exit(EXIT_FAILED)


def _tell_found(found: Found, console: Console) -> None:
    console.print(f"{len(found.recordings)} recordings found.", highlight=False)
    if found.skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found.skipped.most_common())
        console.print(f"Left out: {kinds}.", highlight=False, markup=False)
    if found.unknown_columns:
        console.print(f"Columns without a meaning here: {', '.join(found.unknown_columns)}.", markup=False)


def _run(
    entries: list[Entry], options: BatchOptions, settings: Settings, *, work: bool | None, console: Console
) -> None:
    """Until all is over. Ctrl-C leaves the jobs as they are and ends the process."""
    store = open_store(settings)
    if not isinstance(store, LocalJobStore):
        options = replace(options, look_every_s=CLOUD_LOOK_EVERY_S)
    submissions = Submissions(settings, store, any_object=True)
    workforce = Workforce(settings, store, work)
    run = BatchRun(entries, store, submissions, options)
    try:
        with _quiet_workers(), BatchView(entries, console) as view, run:
            while not run.is_over:
                view.show(run.step())
                if options.waits and run.has_open_jobs and (news := workforce.see_to_it()):
                    view.say(news)
    except KeyboardInterrupt:
        workforce.stop()
        _tell_interrupted(entries, workforce, console)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        workforce.stop()
        submissions.close()


def _tell_interrupted(entries: list[Entry], workforce: "Workforce", console: Console) -> None:
    open_jobs = sum(entry.state in {"queued", "running"} for entry in entries)
    left = sum(entry.state == "new" for entry in entries)
    what = "wait" if workforce.is_own else "go on without this command"
    console.print(f"Interrupted: {open_jobs} jobs {what}, {left} recordings were not submitted.", highlight=False)
    console.print("Run the same command again to go on; `emoscribe jobs list` shows the jobs.")


class Workforce:
    """Who works on the jobs: this process, or others."""

    def __init__(self, settings: Settings, store: JobStore, work: bool | None) -> None:
        """`work` None: this process, where no other of this machine does; never in the cloud."""
        self._settings = settings
        self._store = store
        self._work = work
        self._said = ""
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is, or was, this process."""
        return self._thread is not None

    def see_to_it(self) -> str:
        """Have somebody work; what is new about it, for the user. Raises what loading the models raises."""
        if self._thread is not None and not self._thread.is_alive():
            raise EmoScribeError("The work in this process has ended unexpectedly.", fix="Run the same command again.")
        said = self._decide()
        if said == self._said:
            return ""
        self._said = said
        return said

    def _decide(self) -> str:
        if self._thread is not None:
            return self._said
        local = self._store if isinstance(self._store, LocalJobStore) else None
        others_work = local is None or local.has_worker
        if self._work or (self._work is None and not others_work):
            self._begin()
            return f"This process does the work, {JOBS_AT_ONCE_HERE} recordings at a time."
        if local is None:
            return "The workers of the queue do the work; this command only watches."
        if others_work:
            return "A worker of this machine does the work; this command only watches."
        return "No worker is seen on this machine: `emoscribe worker` starts one."

    def _begin(self) -> None:
        from emoscribe.local_stages import load_stages

        at_once = min(self._settings.jobs_at_once, JOBS_AT_ONCE_HERE)
        settings = self._settings.model_copy(update={"jobs_at_once": at_once, "job_grace_s": 0.0})
        self._worker = make_worker(settings, self._store, load_stages(settings))
        self._thread = threading.Thread(target=self._worker.run_forever, name="batch-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give back what is being worked on."""
        if self._worker is not None and self._thread is not None:
            self._worker.stop()
            self._thread.join(STOP_S)


@contextmanager
def _quiet_workers() -> Iterator[None]:
    """Failed jobs are shown by this command; the worker's log of them would come between the bars."""
    logger = logging.getLogger("emoscribe.jobs.claim_handler")
    level = logger.level
    if not logging.getLogger().isEnabledFor(logging.INFO):  # without --verbose
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
