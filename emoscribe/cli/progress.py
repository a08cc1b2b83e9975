"""Live progress of one analysis: a bar per stage on a terminal, nothing elsewhere."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from emoscribe.cli.clock import clock
from emoscribe.pipeline import STAGES, Event, Stage
from emoscribe.pipeline import Progress as StageProgress

TITLES: Final[dict[Stage, str]] = {
    "reading": "reading, finding speech",
    "transcription": "speech to text",
    "translation": "to English",
    "emotion": "emotion",
}


class AnalysisProgress:
    """A context manager; `show` takes every event of the pipeline."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        columns = (
            TextColumn("  {task.description:<24}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[place]}"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[Stage, TaskID] = {}

    def __enter__(self) -> Self:
        self._console.print(self._name, style="bold", markup=False)
        self._tasks = {stage: self._bars.add_task(TITLES[stage], total=None, place="", speed="") for stage in STAGES}
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Move the bar of the stage the event is about."""
        if not isinstance(event, StageProgress):
            return
        task = self._bars.tasks[self._tasks[event.stage]]
        speed = event.position_ms / 1000 / task.elapsed if task.elapsed else 0.0
        self._bars.update(
            task.id,
            completed=event.position_ms,
            total=event.duration_ms,
            place=clock(event.position_ms),
            speed=f"{speed:4.1f}x" if speed else "",
        )
