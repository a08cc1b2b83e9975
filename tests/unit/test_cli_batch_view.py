"""What `emoscribe batch` shows on a terminal and at the end, whatever recordings are called."""

import io
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from rich.console import Console

from emoscribe.backlog import Recording
from emoscribe.cli.batch_run import Entry
from emoscribe.cli.batch_view import FILES_PER_ERROR, ROWS, BatchView, print_summary
from emoscribe.jobs import Job, JobFailure, JobOptions, JobState

HOSTILE = "[red]a[/] \x1b[2J\n\u202e.mp4"


def entry(number: int, state: JobState, name: str = "", **fields: object) -> Entry:
    values = {"id": f"{number:064}", "tenant": "t", "source_name": "x", "source_bytes": 1, "options": JobOptions()}
    job = Job.model_validate({**values, "created_at": datetime.now(UTC), "state": state, **fields})
    recording = Recording(source=name, name=name or f"{number}.mp4", options=JobOptions())
    return Entry(recording, PurePosixPath(str(number)), job)


def screen(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=100, color_system=None)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_what_runs_and_what_went_wrong() -> None:
    console = screen(is_terminal=True)
    entries = [entry(0, "done"), entry(1, "running", progress=0.5, stage="transcription"), entry(2, "queued")]
    broken = entry(3, "failed", error=JobFailure(code="corrupt_media", message="No sound."))
    with BatchView([*entries, broken], console) as view:
        view.show([entries[0], broken])
    shown = text_of(console)
    assert "1 done, 1 failed, 1 running, 1 waiting" in shown
    assert "1.mp4" in shown
    assert "transcription" in shown
    assert "[corrupt_media] No sound." in shown
    assert "0.mp4" not in shown  # the count says it


def test_rows_come_and_go_and_are_never_too_many() -> None:
    console = screen(is_terminal=True)
    entries = [entry(number, "running") for number in range(3 * ROWS)]
    with BatchView(entries, console) as view:
        view.show([])
        assert len(view._rows) == ROWS
        for one in entries[:ROWS]:
            assert one.job is not None
            one.job = one.job.model_copy(update={"state": "done"})
        view.show([])
        assert len(view._rows) == ROWS


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_name_can_write_on_the_screen(is_terminal: bool) -> None:
    console = screen(is_terminal=is_terminal)
    failed = entry(0, "failed", HOSTILE, error=JobFailure(code="corrupt_media", message="[bold]No[/bold] sound."))
    running = entry(1, "running", HOSTILE)
    with BatchView([failed, running], console) as view:
        view.show([failed])
    print_summary([failed, running], console, 1.0)
    shown = text_of(console)
    assert "[red]a[/]" in shown
    assert "[bold]No[/bold]" in shown
    for dangerous in ("\x1b[2J", "\u202e"):
        assert dangerous not in shown


def test_the_summary_counts_names_and_shortens() -> None:
    console = screen(is_terminal=False)
    done = entry(0, "done")
    done.audio_ms = 3_600_000
    before = entry(1, "done")
    before.audio_ms, before.had_ended = 1_800_000, True
    error = JobFailure(code="no_audio_track", message="There is no sound.", fix="Send another.")
    failed = [entry(number, "failed", error=error) for number in range(2, 2 + FILES_PER_ERROR + 5)]
    print_summary([done, before, *failed], console, 360.0)
    shown = text_of(console)
    assert "1:30:00" in shown
    assert "10.0 times real time" in shown
    assert "no_audio_track" in shown
    assert "and 5 more" in shown
    assert shown.count("There is no sound. Send another.") == FILES_PER_ERROR


def test_nothing_to_do_says_nothing_of_speed() -> None:
    console = screen(is_terminal=False)
    print_summary([], console, 1.0)
    assert "real time" not in text_of(console)
