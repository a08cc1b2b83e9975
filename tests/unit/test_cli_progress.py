"""The live progress of one analysis, as a terminal and as a pipe shows it."""

import io

import pytest
from rich.console import Console

from emoscribe.cli.progress import TITLES, AnalysisProgress
from emoscribe.pipeline import STAGES, Progress


def shown(*, terminal: bool, duration_ms: int | None = 120_000) -> str:
    """What is written while half of a recording is analysed."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, height=30, no_color=True, highlight=False)
    with AnalysisProgress("notícias [1].mp4", console) as progress:
        for stage in STAGES:
            progress.show(Progress(stage, 60_000, duration_ms))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("duration_ms", [120_000, None])
def test_a_terminal_shows_every_stage_with_place_and_speed(duration_ms: int | None) -> None:
    written = shown(terminal=True, duration_ms=duration_ms)
    assert "notícias [1].mp4" in written
    for stage in STAGES:
        line = next(line for line in reversed(written.splitlines()) if TITLES[stage] in line)
        assert "0:01:00" in line
        assert "x" in line.split("0:01:00")[1]


def test_a_pipe_gets_the_name_alone() -> None:
    assert shown(terminal=False) == "notícias [1].mp4\n"
