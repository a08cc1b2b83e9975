"""What `emoscribe batch` shows: bars on a terminal, plain lines elsewhere, and tables at the end."""

from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from emoscribe.cli.batch_run import Entry, State
from emoscribe.cli.clock import clock

ROWS: Final = 8  # running jobs that are shown
FILES_PER_ERROR: Final = 10
LONGEST_NAME: Final = 40
STYLES: Final[dict[State, str]] = {"done": "green", "failed": "red", "cancelled": "yellow"}
TITLES: Final[dict[State, str]] = {
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "running": "running",
    "queued": "waiting",
    "new": "not submitted",
}


class BatchView:
    """A context manager; `show` takes what has ended, then looks at all entries."""

    def __init__(self, entries: Sequence[Entry], console: Console) -> None:
        self._entries = entries
        self._console = console
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._total = self._bars.add_task("recordings", total=len(entries), note="")
        self._rows: dict[str, TaskID] = {}  # by job

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """A line above the bars."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, settled: Iterable[Entry]) -> None:
        """A line for each that has ended in this run; where there are bars, only for those that went wrong."""
        for entry in settled:
            if not entry.had_ended and (entry.state != "done" or not self._console.is_terminal):
                self._console.print(_line(entry), soft_wrap=True)
        if self._console.is_terminal:
            self._move_bars()

    def _move_bars(self) -> None:
        counts = Counter(entry.state for entry in self._entries)
        ended = counts["done"] + counts["failed"] + counts["cancelled"]
        note = ", ".join(f"{counts[state]} {title}" for state, title in TITLES.items() if counts[state])
        self._bars.update(self._total, completed=ended, note=note)
        running = {e.job.id: e for e in self._entries if e.job and e.state == "running"}
        for job_id in [job_id for job_id in self._rows if job_id not in running]:
            self._bars.remove_task(self._rows.pop(job_id))
        for job_id, entry in list(running.items())[:ROWS]:
            if entry.job is None:
                continue
            if job_id not in self._rows and len(self._rows) < ROWS:
                self._rows[job_id] = self._bars.add_task(_short(entry.recording.name), total=1.0, note="")
            if job_id in self._rows:
                self._bars.update(self._rows[job_id], completed=entry.job.progress, note=entry.job.stage or "")


def _line(entry: Entry) -> Text:
    state, error = entry.state, entry.error
    length = clock(entry.audio_ms) if entry.audio_ms is not None else ""
    cause = f"[{error.code}] {error.message}" if error else ""
    line = Text.assemble((f"{TITLES[state]:<10}", STYLES.get(state, "")), f"{_printable(entry.recording.name)}  ")
    line.append(length or cause)
    return line


def print_summary(entries: Sequence[Entry], console: Console, seconds: float) -> None:
    """How many of each, how much sound, what went wrong with which."""
    counts = Counter(entry.state for entry in entries)
    before = Counter(entry.state for entry in entries if entry.had_ended)
    table = Table(title="Summary", title_justify="left", header_style="bold")
    for column, justify in (("recordings", "left"), ("count", "right"), ("before", "right"), ("sound", "right")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    for state, title in TITLES.items():
        if counts[state] or state in {"done", "failed"}:
            sound_ms = sum(e.audio_ms or 0 for e in entries if e.state == state)
            sound = clock(sound_ms) if sound_ms else ""
            earlier = str(before[state]) if before[state] else ""
            table.add_row(Text(title, style=STYLES.get(state, "")), str(counts[state]), earlier, sound)
    console.print(table)
    _print_speed(entries, console, seconds)
    _print_errors(entries, console)


def _print_speed(entries: Sequence[Entry], console: Console, seconds: float) -> None:
    now_ms = sum(entry.audio_ms or 0 for entry in entries if not entry.had_ended)
    if now_ms:
        speed = now_ms / 1000 / max(seconds, 0.001)
        line = f"{clock(now_ms)} of sound in {clock(int(seconds * 1000))}, {speed:.1f} times real time."
        console.print(line, highlight=False)


def _print_errors(entries: Sequence[Entry], console: Console) -> None:
    failed = [(entry, error) for entry in entries if (error := entry.error)]
    if not failed:
        return
    table = Table(title="What went wrong", title_justify="left", header_style="bold")
    table.add_column("error", no_wrap=True)
    table.add_column("count", justify="right")
    table.add_column("recordings, with the cause", overflow="fold")
    for code, count in Counter(error.code for _, error in failed).most_common():
        cases = [(entry, error) for entry, error in failed if error.code == code]
        lines = [f"{_printable(e.recording.name)}: {error.message} {error.fix}" for e, error in cases[:FILES_PER_ERROR]]
        more = [f"and {count - FILES_PER_ERROR} more: `emoscribe jobs list --state failed`"]
        table.add_row(Text(code), str(count), Text("\n".join(lines + more[: count > FILES_PER_ERROR])))
    console.print(table)


def _printable(name: str) -> str:
    return "".join(one if one.isprintable() else "\ufffd" for one in name)


def _short(name: str) -> str:
    shown = _printable(name)
    return shown if len(shown) <= LONGEST_NAME else f"...{shown[3 - LONGEST_NAME :]}"
