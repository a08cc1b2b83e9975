"""The timeline of one analysis and the table of all files, for a terminal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from emoscribe.cli.clock import clock
from emoscribe.errors import EmoScribeError
from emoscribe.labels import Label
from emoscribe.types import Analysis, Segment

COLORS: Final[dict[Label, str]] = {
    "anger": "red",
    "disgust": "green",
    "fear": "magenta",
    "happiness": "yellow",
    "neutral": "bright_black",
    "sadness": "blue",
    "surprise": "cyan",
}


@dataclass(slots=True)
class FileResult:
    """What became of one file: an analysis and its reports, or an error."""

    path: Path
    analysis: Analysis | None = None
    reports: list[Path] = field(default_factory=list)
    error: EmoScribeError | None = None
    seconds: float = 0.0


def print_timeline(analysis: Analysis, console: Console) -> None:
    """One row a sentence: when, which emotion, how sure, what was said, what to check."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold", expand=False)
    table.add_column("time", no_wrap=True)
    table.add_column("emotion", no_wrap=True)
    table.add_column("sure", justify="right", no_wrap=True)
    table.add_column("said", ratio=1)
    table.add_column("in English", ratio=1)
    table.add_column("check", overflow="fold")
    for segment in analysis.segments:
        table.add_row(*_row(segment))
    console.print(table if analysis.segments else Text("No speech was found."))


def print_reports(reports: Sequence[Path], console: Console) -> None:
    """Where the reports are, one a line."""
    for path in reports:
        console.print(Text.assemble("  written: ", (str(path), "bold")), soft_wrap=True)


def _row(segment: Segment) -> tuple[Text, ...]:
    emotion = segment.emotion
    english = "" if segment.translation_engine == "none" else segment.text_en
    return (
        Text(clock(segment.start_ms)),
        Text(emotion.label, style=COLORS[emotion.label]) if emotion else Text("-"),
        Text(f"{emotion.confidence:.0%}" if emotion else ""),
        Text(segment.text),
        Text(english, style="italic"),
        Text(", ".join(reason.replace("_", " ") for reason in segment.review_reasons), style="yellow"),
    )


def summary_table(results: Sequence[FileResult]) -> Table:
    """One row a file, failures included."""
    table = Table(title="Summary", title_justify="left", header_style="bold")
    for column in ("file", "length", "speed", "language", "sentences", "mostly", "to review"):
        table.add_column(column, overflow="fold")
    for result in results:
        table.add_row(*(_done(result, result.analysis) if result.analysis else _failed(result)))
    return table


def _done(result: FileResult, analysis: Analysis) -> tuple[Text, ...]:
    count = len(analysis.segments)
    labels = Counter(s.emotion.label for s in analysis.segments if s.emotion)
    review = sum(s.needs_review for s in analysis.segments)
    language = analysis.language
    duration_s = analysis.source.duration_ms / 1000
    return (
        Text(result.path.name),
        Text(clock(analysis.source.duration_ms)),
        Text(f"{duration_s / result.seconds:.1f}x"),
        Text(f"{language.language} {language.probability:.0%}" if language.language else "-"),
        Text(str(count)),
        Text(", ".join(f"{label} {n}" for label, n in labels.most_common(3)) or "-"),
        Text(f"{review} ({review / count:.0%})" if count else "-"),
    )


def _failed(result: FileResult) -> tuple[Text, ...]:
    error = result.error
    cause = f"[{error.code}] {error.message} {error.fix}" if error else ""
    return (Text(result.path.name), *[Text("-")] * 5, Text(cause, style="red"))
